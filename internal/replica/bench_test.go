package replica

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func randomTag(r *rand.Rand) (t revlog.Tag) {
	binary.LittleEndian.PutUint64(t[:8], r.Uint64())
	binary.LittleEndian.PutUint64(t[8:], r.Uint64())
	return t
}

// fullView returns a view with n entries spread evenly over a whole retention,
// as a replica has it that read them page by page. One in each of them, 0 for none,
// is a watermark of a subject.
func fullView(n, each int) *view {
	retain := Config{}.retain()
	v := viewAt()
	v.now = &window{watermarks: newWatermarks(watermarkLimit), from: testM - retain.Milliseconds(), to: testM - retain.Milliseconds()}
	r := rand.New(rand.NewPCG(1, 2))
	const pages = 2000
	entries := make([]revlog.Entry, 0, n/pages+1)
	for i := range n {
		at := testM - retain.Milliseconds() + 1 + int64(float64(i)/float64(n)*float64(retain.Milliseconds()))
		e := entryAt(at, revlog.ScopeSession, randomTag(r), revlog.Forever)
		if each > 0 && i%each == 0 {
			e.Scope, e.W = revlog.ScopeSubject, at
		}
		e.Position.N = int64(i + 1)
		entries = append(entries, e)
		if len(entries) == cap(entries) || i == n-1 {
			v.now = v.now.add(entries, at, retain)
			entries = entries[:0]
		}
	}
	v.now.to = testM
	return v
}

func TestDecideAllocatesNothing(t *testing.T) {
	tags, err := newTagger(revlogtest.Secrets(0))
	if err != nil {
		t.Fatal(err)
	}
	own := tags.session([16]byte{1})
	for _, box := range []string{"empty outbox", "full outbox"} {
		for _, tt := range []struct {
			name  string
			v     *view
			query func(*Query)
			want  Outcome
		}{
			{"accept newest", viewAt(), func(*Query) {}, Accept},
			{"accept oldest", viewAt(), func(q *Query) { q.Checked = testM - 2*hourMS }, Accept},
			{"refuse", viewAt(entryAt(testM-1, revlog.ScopeSession, own, revlog.Forever)), func(*Query) {}, Refuse},
			{"refuse by a global entry", viewAt(entryAt(testM-1, revlog.ScopeEveryone, revlog.Tag{}, testM)), func(*Query) {}, Refuse},
			{"another key is revoked", viewAt(entryAt(testM-1, revlog.ScopeKey, revlog.Tag{9}, revlog.Forever)), func(*Query) {}, Accept},
			{"ask", viewAt(), func(q *Query) { q.Term = 99 }, Ask},
		} {
			t.Run(box+", "+tt.name, func(t *testing.T) {
				l := holding(t, Config{}, tt.v)
				if box == "full outbox" {
					for i := range 100 {
						if _, _, err := l.outbox.put(revlog.Key{Scope: revlog.ScopeSubject, Tag: revlog.Tag{0xff, byte(i)}}, sending{w: testM}); err != nil {
							t.Fatal(err)
						}
					}
				}
				q := someQuery()
				tt.query(&q)
				if got := l.Decide(&q); got.Outcome != tt.want { // also caches the tags of the key ids
					t.Fatalf("Decide = %v", got.Outcome)
				}
				if n := testing.AllocsPerRun(100, func() {
					q.tagged = false // as for every new request
					l.Decide(&q)
				}); n != 0 {
					t.Errorf("%v allocations", n)
				}
			})
		}
	}
}

// A window of ten million entries takes a while to fill, so all benchmarks share
// one of each size.
var full sync.Map

func fullViewOnce(b *testing.B, n int) *view {
	b.Helper()
	f, _ := full.LoadOrStore(n, sync.OnceValue(func() *view { return fullView(n, 0) }))
	v := f.(func() *view)()
	fresh := *v
	fresh.sent = time.Now().Add(time.Hour) // never stale, however long the benchmark runs
	fresh.got = time.Now()
	return &fresh
}

var sizes = []int{10_000, 1_000_000, 10_000_000}

// ages says how long ago the sessions of a benchmark were last checked.
var ages = []struct {
	name string
	ago  func() int64
}{
	{"newest", func() int64 { return 30_000 }},
	{"oldest", func() int64 { return Config{}.retain().Milliseconds() - 1000 }},
}

// sessions returns queries that are accepted, each of another session with a
// subject, so that no cache line is warm from the last one.
func sessions(n int, ago int64) []Query {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]Query, n)
	for i := range out {
		out[i] = Query{Session: randomTag(r), Subject: randomTag(r), Keys: [2]string{"one", "two"},
			Epoch: testM - 3*hourMS, Checked: testM - ago, Term: testTerm}
	}
	return out
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range sizes {
		for _, age := range ages {
			b.Run(fmt.Sprintf("entries=%d/chk=%s", n, age.name), func(b *testing.B) {
				l := holding(b, Config{}, fullViewOnce(b, n))
				qs := sessions(1<<12, age.ago())
				var accepted int
				b.ReportAllocs()
				i, begun := 0, cpuTime()
				for b.Loop() {
					q := &qs[i&(len(qs)-1)]
					q.tagged = false
					if l.Decide(q).Outcome == Accept {
						accepted++
					}
					i++
				}
				b.ReportMetric(float64(cpuTime()-begun)/float64(i), "cpu-ns/op")
				b.ReportMetric(float64(i-accepted)/float64(i), "asked/op")
			})
		}
	}
}

// BenchmarkDecideBesideWriter decides on every core while the reader brings in
// 10,000 entries a second, a page each 10 ms.
func BenchmarkDecideBesideWriter(b *testing.B) {
	for _, age := range ages {
		b.Run("entries=10000000/chk="+age.name, func(b *testing.B) {
			l := holding(b, Config{}, fullViewOnce(b, 10_000_000))
			var stop atomic.Bool
			var done sync.WaitGroup
			done.Go(func() {
				r := rand.New(rand.NewPCG(5, 6))
				v := l.view.Load()
				for !stop.Load() {
					entries := make([]revlog.Entry, 100)
					for i := range entries {
						entries[i] = entryAt(v.m.MS+1, revlog.ScopeSession, randomTag(r), revlog.Forever)
						entries[i].Position.N = v.m.N + int64(i) + 1
					}
					n := *v
					n.m = entries[len(entries)-1].Position
					n.now = v.now.add(entries, n.m.MS, n.head.Retain())
					v = &n
					l.view.Store(v)
					time.Sleep(10 * time.Millisecond)
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				qs := sessions(1<<12, age.ago())
				for i := 0; pb.Next(); i++ {
					q := &qs[i&(len(qs)-1)]
					q.tagged = false
					l.Decide(q)
				}
			})
			stop.Store(true)
			done.Wait()
		})
	}
}

// BenchmarkApply is what a page of 2,000 entries costs the reader, as at 10,000
// a second, with ten million in the window.
func BenchmarkApply(b *testing.B) {
	v := fullViewOnce(b, 10_000_000)
	r := rand.New(rand.NewPCG(7, 8))
	entries := make([]revlog.Entry, 2000)
	w := v.now
	b.ReportAllocs()
	for b.Loop() {
		for i := range entries {
			entries[i] = entryAt(w.to+200, revlog.ScopeSession, randomTag(r), revlog.Forever)
		}
		w = w.add(entries, w.to+200, v.head.Retain())
	}
}

// BenchmarkMemory reports what an entry takes in a replica: in the filters, and
// on the whole heap, which includes the recent entries.
func BenchmarkMemory(b *testing.B) {
	for _, n := range sizes {
		for _, each := range []int{0, 20} {
			b.Run(fmt.Sprintf("entries=%d/watermark-in=%d", n, each), func(b *testing.B) {
				var before, after runtime.MemStats
				var v *view
				for b.Loop() {
					v = nil
					runtime.GC()
					runtime.ReadMemStats(&before)
					v = fullView(n, each)
					runtime.GC()
					runtime.ReadMemStats(&after)
				}
				entries := float64(v.now.entries())
				b.ReportMetric(float64(v.now.filterBytes())/entries, "filter-B/entry")
				b.ReportMetric(float64(v.now.watermarks.bytes())/entries, "watermark-B/entry")
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/entries, "heap-B/entry")
				b.ReportMetric(float64(len(v.now.gens)), "generations")
				runtime.KeepAlive(v)
			})
		}
	}
}

// BenchmarkReference is a base for comparison: reading the clock, which every decision
// needs, and an exact map from tag to W, which the filters replace.
func BenchmarkReference(b *testing.B) {
	b.Run("clock", func(b *testing.B) {
		b.ReportAllocs()
		i, begun := 0, cpuTime()
		for b.Loop() {
			time.Now()
			i++
		}
		b.ReportMetric(float64(cpuTime()-begun)/float64(i), "cpu-ns/op")
	})
	b.Run("map/entries=1000000", func(b *testing.B) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := rand.New(rand.NewPCG(1, 2))
		m := map[revlog.Tag]int64{}
		for range 1_000_000 {
			m[randomTag(r)] = revlog.Forever
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		qs := sessions(1<<12, 0)
		i, found, begun := 0, 0, cpuTime()
		b.ReportAllocs()
		for b.Loop() {
			q := &qs[i&(len(qs)-1)]
			if m[q.Session] >= q.Epoch || m[q.Subject] >= q.Epoch {
				found++
			}
			i++
		}
		if found > 0 {
			b.Errorf("%d tags found that the map does not hold", found)
		}
		b.ReportMetric(float64(cpuTime()-begun)/float64(i), "cpu-ns/op")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(m)), "heap-B/entry")
	})
}
