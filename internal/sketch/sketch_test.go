package sketch_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/wafer-sessions/wafer/internal/sketch"
)

func tag(r *rand.Rand) (t [16]byte) {
	binary.BigEndian.PutUint64(t[:8], r.Uint64())
	return t
}

func of(n int, seed uint64) *sketch.Sketch {
	s, r := new(sketch.Sketch), rand.New(rand.NewPCG(seed, 1))
	for range n {
		t := tag(r)
		s.Add(&t)
		s.Add(&t) // which changes nothing
	}
	return s
}

// The error is within three standard errors for every number of tags, also where a plain HyperLogLog
// is biased: around 40,000 for this precision.
func TestEstimate(t *testing.T) {
	for _, n := range []int{0, 1, 10, 100, 1000, 4000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 300_000, 1_000_000} {
		var sum float64
		tries := min(4, 1+1_000_000/(n+1)) // with the race detector, millions take a while
		for seed := range uint64(tries) {
			got := of(n, seed).Estimate()
			wrong := float64(got-int64(n)) / math.Max(1, float64(n))
			if math.Abs(wrong) > 3*0.0081 {
				t.Errorf("%d tags: estimate %d, %+.2f %%", n, got, 100*wrong)
			}
			sum += wrong
		}
		t.Logf("%d tags: on average %+.2f %%", n, 100*sum/float64(tries))
	}
}

// A sketch that somebody filled by hand has an estimate, too.
func TestEstimateOfAFullSketch(t *testing.T) {
	var s sketch.Sketch
	full := append([]byte{0xff, 0xff}, bytes.Repeat([]byte{0xcf, 0x3c, 0xf3}, (sketch.MaxSize-2)/3)...) // 51 in each register
	if _, err := s.Parse(full); err != nil {
		t.Fatal(err)
	}
	if n := s.Estimate(); n != 1e12 {
		t.Errorf("estimate %d", n)
	}
}

func TestMergeIsTheUnion(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var a, b, both sketch.Sketch
	for i := range 50_000 {
		x := tag(r)
		both.Add(&x)
		if i%3 != 0 {
			a.Add(&x)
		}
		if i%3 != 1 {
			b.Add(&x)
		}
	}
	if !a.Merge(&b) || a.Merge(&b) {
		t.Error("Merge must report what was new, once")
	}
	if !bytes.Equal(a.Append(nil), both.Append(nil)) {
		t.Error("the merged sketch is not the sketch of all tags")
	}
}

// Concurrent calls of Add lose nothing.
func TestAddConcurrently(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	tags := make([][16]byte, 20_000)
	for i := range tags {
		tags[i] = tag(r)
		tags[i][0], tags[i][1] = 0, byte(i) // few registers, so that they meet
	}
	var alone, together sketch.Sketch
	for i := range tags {
		alone.Add(&tags[i])
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range tags {
				together.Add(&tags[(i+g*len(tags)/8)%len(tags)])
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(alone.Append(nil), together.Append(nil)) {
		t.Error("something was lost")
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	var s sketch.Sketch
	r := rand.New(rand.NewPCG(9, 9))
	if n := testing.AllocsPerRun(1000, func() {
		x := tag(r)
		s.Add(&x)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParse(t *testing.T) {
	for _, n := range []int{0, 1, 100, 4000, 5000, 20_000, 1_000_000} {
		s := of(n, 1)
		b := s.Append(nil)
		if len(b) > sketch.MaxSize {
			t.Errorf("%d tags: %d bytes", n, len(b))
		}
		if n <= 1000 && len(b) > 2+3*n {
			t.Errorf("%d tags: %d bytes, which is not short", n, len(b))
		}
		var back sketch.Sketch
		if rest, err := back.Parse(append(b, "rest"...)); err != nil || string(rest) != "rest" {
			t.Fatalf("%d tags: rest %q, %v", n, rest, err)
		}
		if !bytes.Equal(back.Append(nil), b) {
			t.Errorf("%d tags: another sketch came back", n)
		}
	}
}

// malformed are bytes that Append never writes.
var malformed = map[string][]byte{
	"nothing":                      {},
	"half a number":                {0},
	"too short":                    {0, 2, 0, 0, 1},
	"value 0":                      {0, 1, 0, 0, 0},
	"value too high":               {0, 1, 0, 0, 52},
	"index too high":               {0, 1, 0x10, 0, 1},
	"twice the same":               {0, 2, 0, 0, 1, 0, 0, 1},
	"not in order":                 {0, 2, 0, 1, 1, 0, 0, 1},
	"more than fits the few":       append([]byte{0x10, 0}, make([]byte, 3*4096)...),
	"all, too short":               append([]byte{0xff, 0xff}, make([]byte, 100)...),
	"all, though few are set":      append([]byte{0xff, 0xff}, make([]byte, sketch.MaxSize-2)...),
	"all, with a value too high":   append([]byte{0xff, 0xff}, bytes.Repeat([]byte{0xff}, sketch.MaxSize-2)...),
	"a number between few and all": {0x7f, 0xff},
}

func TestParseRefuses(t *testing.T) {
	for name, b := range malformed {
		if _, err := new(sketch.Sketch).Parse(b); err != sketch.ErrMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Parse never panics, and accepts nothing but what Append writes.
func FuzzParse(f *testing.F) {
	for _, b := range malformed {
		f.Add(b)
	}
	for _, n := range []int{0, 1, 10, 5000, 100_000} {
		f.Add(of(n, 2).Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sketch.Sketch
		rest, err := s.Parse(b)
		if err != nil {
			return
		}
		if again := s.Append(nil); !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Errorf("%x is read, and written as %x", b, again)
		}
		if n := s.Estimate(); n < 0 {
			t.Errorf("estimate %d", n)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	var s sketch.Sketch
	r := rand.New(rand.NewPCG(1, 1))
	tags := make([][16]byte, 1<<12)
	for i := range tags {
		tags[i] = tag(r)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Add(&tags[i%len(tags)])
	}
}

func BenchmarkMerge(b *testing.B) {
	x, y := of(1_000_000, 1), of(1_000_000, 2)
	encoded := y.Append(nil)
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			new(sketch.Sketch).Parse(encoded)
		}
	})
	b.Run("merge", func(b *testing.B) {
		for b.Loop() {
			var s sketch.Sketch
			s.Merge(x)
			s.Merge(y)
		}
	})
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			x.Append(encoded[:0])
		}
	})
	b.Run("estimate", func(b *testing.B) {
		for b.Loop() {
			x.Estimate()
		}
	})
}
