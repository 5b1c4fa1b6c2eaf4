package replica

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// numbered returns a tag that looks random and is the same each time.
func numbered(n int) (t revlog.Tag) {
	r := rand.New(rand.NewPCG(uint64(n), 99))
	binary.LittleEndian.PutUint64(t[:8], r.Uint64())
	binary.LittleEndian.PutUint64(t[8:], r.Uint64())
	return t
}

// steady returns n session entries, evenly over d from a log time on.
func steady(first, n int, from int64, d time.Duration) []revlog.Entry {
	out := make([]revlog.Entry, n)
	for i := range out {
		out[i] = entryAt(from+int64(i)*d.Milliseconds()/int64(n), revlog.ScopeSession, numbered(first+i), revlog.Forever)
		out[i].Position.N = int64(first + i + 1)
	}
	return out
}

const retain = 2 * time.Hour

func newWindow(at int64) *window {
	return &window{watermarks: newWatermarks(watermarkLimit), from: at, to: at, recentFrom: at}
}

func TestR13AWindowIsImmutable(t *testing.T) {
	w := newWindow(testM)
	var before []*window
	for i := range 100 { // all in one generation, all recent
		before = append(before, w)
		w = w.add(steady(i, 1, testM+int64(i)+1, time.Second), testM+int64(i)+1, retain)
	}
	for i, b := range before {
		if n := len(b.recent); n != i {
			t.Fatalf("window %d has %d recent entries", i, n)
		}
		if b.entries() != int64(i) || b.to != testM+int64(i) {
			t.Fatalf("window %d: %d entries up to %d", i, b.entries(), b.to)
		}
		if b.hit(numbered(i), testM) {
			t.Fatalf("window %d shows what came later", i)
		}
	}
	if len(w.gens) != 1 {
		t.Errorf("%d generations: this test shows nothing", len(w.gens))
	}
}

func TestR14NothingInAWindowIsMissed(t *testing.T) {
	w := newWindow(testM)
	const n, page = 60_000, 700
	all := steady(0, n, testM+1, 90*time.Minute)
	for i := 0; i < n; i += page {
		p := all[i:min(i+page, n)]
		w = w.add(p, p[len(p)-1].Position.MS, retain)
	}
	for i, e := range all {
		if !w.hit(e.Tag, e.Position.MS-1) {
			t.Fatalf("entry %d is missed", i)
		}
	}
	for i := 1; i < len(w.gens); i++ {
		if w.gens[i].first < w.gens[i-1].newest {
			t.Fatal("generations overlap")
		}
	}
}

// A burst closes generations before they reach their width, so there may be any number
// of them.
func TestR14EveryGenerationIsLookedAt(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, n := range []int{1, 63, 64, 65, 127, 128, 129, 200} {
		w := &window{watermarks: newWatermarks(watermarkLimit)}
		tags := make([]revlog.Tag, n)
		for i := range tags {
			tags[i] = randomTag(r)
			g := newGeneration(0, int64(i+1))
			g.add(tags[i], int64(i+1))
			w.gens = append(w.gens, g)
		}
		for i, tag := range tags {
			if at := int64(i + 1); !w.hit(tag, at-1) || !w.hit(tag, 0) {
				t.Errorf("of %d generations, the entry in number %d is missed", n, at)
			} else if w.hit(tag, at) {
				t.Errorf("of %d generations, number %d is found by a session checked after it", n, at)
			}
		}
	}
}

// R14: the share of false matches per probe, at the planned rate of a generation, and at
// twice and ten times that rate.
func TestR14FalseHits(t *testing.T) {
	const most = 1e-4
	for _, times := range []int{1, 2, 10} {
		w := newWindow(testM)
		const rate = 30 // a second
		w = w.add(steady(0, rate*1800, testM+1, 30*time.Minute), testM+30*minuteMS, retain)
		planned := len(w.gens)
		at := w.to
		for i := range 30 { // in pages, so that the open generation has the planned size
			n := rate * times * 10
			w = w.add(steady(1_000_000*(i+1), n, at+1, 10*time.Second), at+10_000, retain)
			at += 10_000
		}
		for i, g := range w.gens {
			if g.n > g.capacity {
				t.Errorf("%d×: generation %d holds %d, planned for %d", times, i, g.n, g.capacity)
			}
		}
		probes, hits := 0, 0
		for i := range 200_000 {
			at := halves(numbered(-1 - i))
			for _, g := range w.gens[planned-1:] {
				probes++
				if g.has(&at) {
					hits++
				}
			}
		}
		share := float64(hits) / float64(probes)
		t.Logf("%2d× the planned rate: %d generations, %.1e false hits a probe", times, len(w.gens), share)
		if share > most {
			t.Errorf("%d×: %.1e false hits a probe, want at most %.0e", times, share, most)
		}
	}
}

// The worst case: every generation as full as it may be.
func TestR14FalseHitsOfFullGenerations(t *testing.T) {
	for _, capacity := range []int{minCapacity, 100_000} {
		g := newGeneration(capacity, testM)
		for i := 0; !g.full(); i++ {
			g.add(numbered(i), testM)
		}
		const probes = 500_000
		hits := 0
		for i := range probes {
			if at := halves(numbered(-1 - i)); g.has(&at) {
				hits++
			}
		}
		share := float64(hits) / probes
		t.Logf("capacity %d: %.1e", capacity, share)
		if share > 1e-4 {
			t.Errorf("capacity %d: %.1e false hits a probe", capacity, share)
		}
		if per := float64(g.bytes()) / float64(g.n); per > 3.2 {
			t.Errorf("capacity %d: %.2f bytes an entry", capacity, per)
		}
	}
}

func TestR14AGenerationIsClosedAtWidthOrCapacity(t *testing.T) {
	w := newWindow(testM)
	w = w.add(steady(0, 3*minCapacity, testM+1, time.Second), testM+1000, retain)
	if len(w.gens) < 2 {
		t.Errorf("%d generations after three times the capacity", len(w.gens))
	}
	w = newWindow(testM)
	w = w.add(steady(0, 20, testM+1, retain), testM+retain.Milliseconds(), retain)
	for _, g := range w.gens {
		if d := g.newest - g.first; d > retain.Milliseconds()/32 {
			t.Errorf("a generation of %v", time.Duration(d)*time.Millisecond)
		}
	}
	if n := int64(len(w.gens)); n < 20/2 {
		t.Errorf("%d generations", n)
	}
	g := newGeneration(0, testM)
	g.n, g.newest = 1_000_000_000, testM+1
	if c := newGeneration(g.plan(hourMS), 0); c.bytes() > filterLimit/8+lineBits {
		t.Errorf("a burst plans for %d bytes", c.bytes())
	}
}

func TestR14TheWindowIsNoLongerThanTheRetention(t *testing.T) {
	w := newWindow(testM)
	w = w.add(steady(0, 100, testM+1, 10*time.Hour), testM+10*hourMS, retain)
	if d := w.to - w.from; d > retain.Milliseconds() {
		t.Errorf("window of %v", time.Duration(d)*time.Millisecond)
	}
	if len(w.gens) > 40 {
		t.Errorf("%d generations", len(w.gens))
	}
	kept := w.from
	if again := w.add(nil, w.to, retain); again.from != kept { // a silent store: the newest position stays, whatever clocks say
		t.Errorf("from %d, was %d", again.from, kept)
	}
	if later := w.add(nil, w.to+24*hourMS, retain); later.entries() != 0 || later.from != later.to-retain.Milliseconds() {
		t.Errorf("a day later: %d entries, from %d", later.entries(), later.from)
	}
}

// R14: entries that are dropped for their size move the window start for good.
func TestR14TheBudget(t *testing.T) {
	w := newWindow(testM)
	big := filterLimit / 10 * 8 / bitsPerKey
	for i := range 12 {
		g := newGeneration(big, testM+int64(i)*1000)
		g.n, g.newest = big, g.first+999
		w.gens = append(w.gens, g)
	}
	w.to = testM + 12_000
	w = w.add(nil, w.to, retain)
	if b := w.bytes(); b > filterLimit {
		t.Errorf("%d bytes", b)
	}
	dropped := int64(12 - len(w.gens))
	if dropped == 0 {
		t.Fatal("nothing was dropped")
	}
	if want := testM + (dropped-1)*1000 + 999; w.from != want {
		t.Errorf("window start = %d, want the newest dropped entry, %d", w.from, want)
	}
	if b := w.behind(&filler{gens: nil, from: testM - 1}, retain); b.from != w.from {
		t.Errorf("window start = %d after filling in older entries, want %d", b.from, w.from)
	}
	one := newWindow(testM)
	one.gens = []*generation{newGeneration(filterLimit, testM)}
	if one = one.add(nil, testM, retain); len(one.gens) != 1 {
		t.Error("the last generation was dropped")
	}
}

func TestRecentEntriesCoverTenMinutesAndAreBounded(t *testing.T) {
	w := newWindow(testM)
	w = w.add(steady(0, 1200, testM+1, 20*time.Minute), testM+20*minuteMS, retain)
	if w.recentFrom < testM+10*minuteMS-1000 || w.recentFrom > testM+10*minuteMS || len(w.recent) < 590 {
		t.Errorf("%d entries newer than %d", len(w.recent), w.recentFrom-testM)
	}
	w = newWindow(testM)
	const n = recentLimit + 3*blockSize
	all := steady(0, n, testM+1, time.Minute)
	for i := 0; i < n; i += 5000 {
		w = w.add(all[i:min(i+5000, n)], testM+minuteMS, retain)
	}
	if len(w.recent) > recentLimit {
		t.Errorf("%d entries", len(w.recent))
	}
	if first := w.recent[0].Position.MS; w.recentFrom > first {
		t.Errorf("recentFrom %d is newer than the oldest recent entry, %d", w.recentFrom, first)
	}
	for i := 0; i < n; i += 101 {
		in := i >= n-len(w.recent)
		if got := w.holds(all[i].Tag, testM); got != in {
			t.Fatalf("entry %d of %d: recent %v, found %v", i, n, in, got)
		}
	}
}

// The blocks find the same as a walk through the recent entries.
func TestRecentEntriesAreFoundByTag(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	scopes := []revlog.Scope{revlog.ScopeSession, revlog.ScopeSubject, revlog.ScopeGroup}
	w := newWindow(testM)
	for range 40 {
		var page []revlog.Entry
		for range r.IntN(500) {
			e := entryAt(w.to+1+r.Int64N(50), scopes[r.IntN(3)], numbered(r.IntN(500)), testM+r.Int64N(1000))
			if n := len(page); n > 0 {
				e.Position.MS = max(e.Position.MS, page[n-1].Position.MS)
			}
			page = append(page, e)
		}
		to := w.to + 20_000
		w = w.add(page, to, retain)
		for range 50 {
			tag, chk := numbered(r.IntN(600)), w.recentFrom-1000+r.Int64N(w.to-w.recentFrom+2000)
			want := false
			for _, e := range w.recent {
				want = want || e.Scope == revlog.ScopeSession && e.Tag == tag && e.Position.MS > chk
			}
			if got := w.holds(tag, chk); got != want {
				t.Fatalf("holds = %v, want %v", got, want)
			}
		}
	}
	if len(w.blocks) == 0 || w.trimmed == 0 {
		t.Errorf("%d blocks, %d trimmed: this test shows little", len(w.blocks), w.trimmed)
	}
}

func TestGlobalEntriesMergeAndExpire(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	some := func() globalEntries {
		var entries []revlog.Entry
		for range r.IntN(6) {
			e := revlog.Entry{Effect: revlog.End.Byte(), Scope: revlog.ScopeKey, Tag: revlog.Tag{byte(r.IntN(4))}, W: revlog.Forever, Until: testM + r.Int64N(1000)}
			if r.IntN(2) == 0 {
				e.Scope, e.Tag, e.W = revlog.ScopeEveryone, revlog.Tag{}, testM+r.Int64N(1000)
			}
			entries = append(entries, e, revlog.Entry{Effect: revlog.End.Byte(), Scope: revlog.ScopeSubject, Tag: revlog.Tag{9}, W: testM}) // not a global entry
		}
		return globalEntries(nil).with(entries, testM)
	}
	for range 2000 {
		a, b, c := some(), some(), some()
		ab := a.merge(b)
		for what, other := range map[string]globalEntries{
			"commutative": b.merge(a),
			"idempotent":  ab.merge(b),
		} {
			if !maps.Equal(ab, other) {
				t.Fatalf("not %s: %v and %v give %v and %v", what, a, b, ab, other)
			}
		}
		if !maps.Equal(ab.merge(c), a.merge(b.merge(c))) {
			t.Fatalf("not associative: %v, %v, %v", a, b, c)
		}
		all := revlog.Key{Scope: revlog.ScopeEveryone}
		if ab[all].W < a[all].W || ab[all].W < b[all].W {
			t.Fatalf("not monotone: %v and %v give %v", a, b, ab)
		}
	}
	m := globalEntries(nil).with([]revlog.Entry{{Scope: revlog.ScopeEveryone, W: 1, Until: testM}, {Scope: revlog.ScopeKey, Tag: revlog.Tag{1}, W: revlog.Forever, Until: testM + 1}}, 0)
	later := m.with(nil, testM+1)
	if len(later) != 1 || len(m) != 2 {
		t.Errorf("%v after %v", later, m)
	}
	if same := later.with(nil, testM+1); !maps.Equal(same, later) {
		t.Errorf("%v after %v", same, later)
	}
}
