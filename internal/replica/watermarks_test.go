package replica

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R28: the table holds the same as a map, while it grows and forgets.
func TestWatermarksAreAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	m := newWatermarks(watermarkLimit)
	want := map[revlog.Key]revlog.Entry{}
	ms := int64(testM)
	for range 300 {
		var page []revlog.Entry
		for range r.IntN(50) {
			scope := []revlog.Scope{revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeSession, revlog.ScopeKey}[r.IntN(4)]
			e := entryAt(ms, scope, numbered(r.IntN(3000)), ms+r.Int64N(2000)-1000)
			ms += r.Int64N(3)
			page = append(page, e)
			if scope != revlog.ScopeSubject && scope != revlog.ScopeGroup {
				continue
			}
			k := revlog.Key{Scope: scope, Tag: e.Tag}
			old := want[k]
			e.W = max(e.W, old.W)
			want[k] = e
		}
		var gone int64
		if m, gone = m.add(page, 0); gone != 0 {
			t.Fatalf("dropped up to %d", gone)
		}
		k := revlog.Key{Scope: revlog.ScopeGroup, Tag: numbered(r.IntN(4000))}
		if got := m.of(k); got != want[k].W {
			t.Fatalf("%v: %d, want %d", k, got, want[k].W)
		}
	}
	if m.count() != int64(len(want)) {
		t.Errorf("%d, want %d", m.count(), len(want))
	}
	for k, e := range want {
		if got := m.of(k); got != e.W {
			t.Errorf("%v: %d, want %d", k, got, e.W)
		}
	}
}

// If there are too many, the older half is dropped, and the window starts after them.
func TestWatermarksAreBounded(t *testing.T) {
	w := newWindow(testM)
	w.watermarks.limit = 1000
	for i := range 5000 {
		at := testM + int64(i)
		w = w.add([]revlog.Entry{entryAt(at, revlog.ScopeSubject, numbered(i), at)}, at, retain)
	}
	if n := w.watermarks.count(); n > 1600 || n < 400 {
		t.Errorf("%d watermarks", n)
	}
	missing := 0
	for i := range 5000 {
		at := testM + int64(i)
		switch known := w.watermarks.of(revlog.Key{Scope: revlog.ScopeSubject, Tag: numbered(i)}) == at; {
		case !known && at > w.from:
			t.Fatalf("%d is in the window, which begins at %d, and unknown", at, w.from)
		case !known:
			missing++
		}
	}
	if missing == 0 || w.from == testM {
		t.Error("nothing was dropped: this test shows nothing")
	}
}

// Expired watermarks are dropped when the table grows.
func TestWatermarksAreForgotten(t *testing.T) {
	m := newWatermarks(watermarkLimit)
	for i := range 10_000 {
		at := testM + int64(i)
		m, _ = m.add([]revlog.Entry{entryAt(at, revlog.ScopeGroup, numbered(i), at)}, at-100)
	}
	if n := m.count(); n > 1000 {
		t.Errorf("%d are held, but only 100 are needed", n)
	}
}

// Decisions read the table while the reader adds to it. The race detector checks this.
func TestWatermarksAreReadWhileTheyGrow(t *testing.T) {
	var shared atomic.Pointer[watermarks]
	shared.Store(newWatermarks(watermarkLimit))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20_000 {
			m, _ := shared.Load().add([]revlog.Entry{entryAt(testM, revlog.ScopeSubject, numbered(i), testM+int64(i))}, 0)
			shared.Store(m)
		}
	}()
	for i := 0; ; i++ {
		n := i % 20_000
		if w := shared.Load().of(revlog.Key{Scope: revlog.ScopeSubject, Tag: numbered(n)}); w != 0 && w != testM+int64(n) {
			t.Fatalf("%d: %d", n, w)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// R13: decisions use the last window while the reader makes the next one. The last one keeps
// everything that it covers, whatever the next one drops.
func TestR13AnOlderWindowKeepsItsWatermarks(t *testing.T) {
	knows := func(t *testing.T, w *window, n int) {
		t.Helper()
		for i := range n {
			at := testM + int64(i)
			if w.watermarks.of(revlog.Key{Scope: revlog.ScopeSubject, Tag: numbered(i)}) != at && at > w.from {
				t.Fatalf("%d is in the window, which begins at %d, and unknown", at, w.from)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		later int64 // how much later the next window ends
	}{{"too many", 1}, {"forgotten", 2 * retain.Milliseconds()}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWindow(testM)
			w.watermarks.limit = 1000
			n := 0
			for ; n < 1500; n++ { // more than a table may hold
				last, at := w, testM+int64(n)
				w = w.add([]revlog.Entry{entryAt(at, revlog.ScopeSubject, numbered(n), at)}, at, retain)
				knows(t, last, n)
			}
			var many []revlog.Entry
			for i := n; i < 3*n; i++ {
				many = append(many, entryAt(testM+int64(n)+tt.later, revlog.ScopeSubject, numbered(i), testM))
			}
			w.add(many, testM+int64(n)+tt.later, retain)
			knows(t, w, n)
		})
	}
}
