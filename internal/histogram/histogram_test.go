package histogram_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/internal/histogram"
)

func TestSnapshot(t *testing.T) {
	var h histogram.Histogram
	if diff := cmp.Diff(histogram.Snapshot{}, h.Snapshot()); diff != "" {
		t.Errorf("the zero value (-want +got):\n%s", diff)
	}
	for _, d := range []time.Duration{-time.Second, 0, 1, time.Second, time.Second, time.Second + 1, 2 * time.Second, math.MaxInt64} {
		h.Observe(d)
	}
	h.Record(math.NaN())
	const slack = 1.0 / (1 << 20)
	got := h.Snapshot()
	want := 1e-9 + 1 + 1 + 1 + 1e-9 + 2 + time.Duration(math.MaxInt64).Seconds()
	if math.Abs(got.Sum-want) > slack*want {
		t.Errorf("the sum is %v, want %v", got.Sum, want)
	}
	got.Sum = 0
	if diff := cmp.Diff(histogram.Snapshot{Count: 8, Zero: 2, Buckets: []histogram.Bucket{
		{N: -239, Count: 1}, {N: 0, Count: 2}, {N: 1, Count: 1}, {N: 8, Count: 1}, {N: 265, Count: 1},
	}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever a value is, one bucket has it, and its ends enclose the value.
func FuzzBucket(f *testing.F) {
	for _, v := range []float64{0, 1, 1e-9, 0.5, 2, 3, 4096, 1e10, 1e300, 1 / (1 << 30), math.Nextafter(1, 2), math.SmallestNonzeroFloat64, math.MaxFloat64, math.Inf(1), -1} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		var h histogram.Histogram
		h.Record(v)
		s := h.Snapshot()
		switch {
		case math.IsNaN(v):
			if s.Count != 0 {
				t.Errorf("%v was counted", v)
			}
			return
		case s.Count != 1 || len(s.Buckets) > 1:
			t.Fatalf("%v is in %+v", v, s)
		case v <= histogram.ZeroThreshold:
			if s.Zero != 1 || s.Quantile(1) != 0 {
				t.Errorf("%v is in %+v", v, s)
			}
			return
		}
		n := s.Buckets[0].N
		low, high := histogram.UpperBound(n-1), histogram.UpperBound(n)
		if v <= low || v > high && v <= 1<<34 {
			t.Errorf("%v is in the bucket from %v to %v", v, low, high)
		}
		if s.Quantile(0.5) != high {
			t.Errorf("the quantile is %v, want %v", s.Quantile(0.5), high)
		}
	})
}

func TestBoundsGrowEvenly(t *testing.T) {
	for n := -240; n <= 272; n++ {
		if got, want := histogram.UpperBound(n), math.Exp2(float64(n)/8); math.Abs(got-want) > 1e-12*want {
			t.Errorf("bucket %d ends at %v, want %v", n, got, want)
		}
	}
}

func TestAtMostAndQuantile(t *testing.T) {
	var h histogram.Histogram
	values := make([]float64, 10_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range values {
		values[i] = math.Exp2(random.Float64()*40 - 25)
		h.Record(values[i])
	}
	s := h.Snapshot()
	for exponent := -32; exponent <= 20; exponent++ {
		var want uint64
		for _, v := range values {
			if v <= math.Exp2(float64(exponent)) {
				want++
			}
		}
		if got := s.AtMost(exponent); got != want {
			t.Errorf("%d are at most 2^%d, want %d", got, exponent, want)
		}
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.99, 1} {
		below, limit := 0, s.Quantile(q)
		for _, v := range values {
			if v <= limit/math.Exp2(1.0/8) {
				below++
			}
		}
		if got := s.Quantile(q); float64(below) > q*float64(len(values)) {
			t.Errorf("the quantile %v is %v, more than a bucket too high", q, got)
		}
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var h histogram.Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNothingIsLostBetweenGoroutines(t *testing.T) {
	var h histogram.Histogram
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				h.Record(3)
				if s := h.Snapshot(); s.Count > 8000 {
					t.Errorf("%d were counted", s.Count)
				}
			}
		})
	}
	all.Wait()
	if s := h.Snapshot(); s.Count != 8000 || s.Sum != 24000 {
		t.Errorf("%d were counted, with sum %v", s.Count, s.Sum)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h histogram.Histogram
	b.ReportAllocs()
	for d := time.Duration(0); b.Loop(); d += 1000 {
		h.Observe(d)
	}
}
