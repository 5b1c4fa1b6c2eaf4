package replica

import (
	"maps"
	"math/bits"
	"slices"
	"sort"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	recentKept  = 10 * time.Minute // how far back the recent entries reach
	recentLimit = 1 << 17          // of them
	filterLimit = 64 << 20         // bytes of filters in a window
)

// A window is what a replica knows of one stretch of the log: every entry that is newer
// than from and not newer than to. It is immutable. Methods that change it return another
// window (R13).
type window struct {
	from, to int64 // log time, ms; H0 and M of the protocol
	// began is from when this replica has read entries for the window. It stays where it is when
	// from moves.
	began int64
	// moved is where from was last moved to. Something before it is not known, whatever is
	// backfilled (R12, R14).
	moved int64
	gens  []*generation // of sessions
	// watermarks holds those of subjects and groups. asked holds the watermarks of entries that ask
	// something of sessions, subjects and groups.
	watermarks *watermarks
	asked      *watermarks

	// recent holds every entry newer than recentFrom, oldest first. trimmed counts those
	// that were dropped before them, and blocks find the others by tag. Windows share the
	// arrays of recent and blocks: an older window never looks past its own length.
	recent     []revlog.Entry
	recentFrom int64
	trimmed    int
	blocks     []*block
	// anchor is the entry before the first of recent, if anchored. Only its position and
	// chain count. If its number is 0, no entry came before.
	anchor   revlog.Entry
	anchored bool

	// gap: this replica does not know all that came between the kept window before this one
	// and now.
	gap bool

	// Of a kept window: the list it is of and the primary term in which it ended, whether
	// the next window begins where it ended, and the kept window before it.
	list    revlog.ListID
	term    uint32
	joined  bool
	earlier *window
	alone   bool // earlier decides about no session any more, but what it holds stays revoked
	brief   bool // its list was lost within S of its creation
}

// covers reports whether w knows every entry that is newer than chk, up to its end.
func (w *window) covers(chk int64) bool { return chk >= w.from && chk <= w.to }

// sees looks for an entry about k that is newer than chk and ends a session that began at
// epoch. k names a session, subject or group.
func (w *window) sees(k revlog.Key, chk, epoch int64) finding {
	if k.Scope != revlog.ScopeSession {
		return w.watermarks.sees(k, epoch)
	}
	f, _ := w.seesSession(k.Tag, chk)
	return f
}

// seesSession looks for an entry about a session that is newer than chk. It also reports
// whether a filter matched.
func (w *window) seesSession(tag revlog.Tag, chk int64) (f finding, hit bool) {
	switch {
	case !w.hit(tag, chk):
		return miss, false
	case w.holds(tag, chk):
		return revoked, true
	case chk < w.recentFrom:
		return maybe, true
	case w.asked.count() > 0:
		return asks, true
	}
	return miss, true // the recent entries hold everything newer, so the filter was wrong
}

// knows looks for an entry about k in what w holds exactly, however old. k names a session,
// subject or group.
func (w *window) knows(k revlog.Key, epoch int64) finding {
	switch {
	case k.Effect != revlog.End:
		return upTo(w.asked.of(k), epoch)
	case k.Scope != revlog.ScopeSession:
		return w.watermarks.sees(k, epoch)
	}
	if len(w.recent) == 0 {
		return miss
	}
	before := w.recent[0].Position.MS - 1 // not recentFrom, which may have moved past it
	if w.hit(k.Tag, before) && w.holds(k.Tag, before) {
		return revoked
	}
	return miss
}

// watermarkOf returns the watermark of k that w holds exactly. For a session that w knows
// to be revoked, that is Forever.
func (w *window) watermarkOf(k revlog.Key) int64 {
	switch {
	case k.Effect != revlog.End:
		return w.asked.of(k)
	case k.Scope == revlog.ScopeSession:
		return revlog.Forever
	}
	return w.watermarks.of(k)
}

// hit reports whether there may be an entry about tag that is newer than chk. It first
// looks at two bits of each generation, which rules out nine in ten of them. So the memory
// reads of many generations overlap.
func (w *window) hit(tag revlog.Tag, chk int64) bool {
	at := halves(tag)
	for end := len(w.gens); end > 0; end -= 64 {
		may := uint64(0)
		for n := 0; n < min(64, end) && w.gens[end-1-n].newest > chk; n++ {
			may |= w.gens[end-1-n].glance(at[0]) << n
		}
		for ; may != 0; may &= may - 1 {
			if w.gens[end-1-bits.TrailingZeros64(may)].has(&at) {
				return true
			}
		}
	}
	return false
}

// add returns w with the entries that follow it, up to log time to. It copies only the open
// generation.
func (w *window) add(entries []revlog.Entry, to int64, retain time.Duration) *window {
	n := *w
	n.to = to
	n.gens = fill(slices.Clone(w.gens), entries, retain)
	if gone := n.mark(entries, to-retain.Milliseconds()); gone > 0 {
		n.cover(gone)
	}
	n.recent = append(n.recent, entries...)
	n.trim(retain)
	return &n
}

// mark takes the watermarks among entries. See watermarks.add.
func (w *window) mark(entries []revlog.Entry, forget int64) (gone int64) {
	w.watermarks, gone = w.watermarks.add(entries, forget)
	for _, e := range entries {
		if k := e.Key(); k.Effect != revlog.End && !k.Scope.Global() {
			var at int64
			if w.asked == nil {
				w.asked = newWatermarks(watermarkLimit)
			}
			w.asked, at = w.asked.raise(k, e.W, e.Position.MS, forget)
			gone = max(gone, at)
		}
	}
	return gone
}

// behind returns w with what f has read in front of it.
func (w *window) behind(f *filler, retain time.Duration) *window {
	n := *w
	if f.moved {
		n.moved = max(n.moved, f.from)
	}
	n.from, n.began = max(f.from, n.moved), min(f.from, n.began)
	n.gens = slices.Concat(f.gens, w.gens)
	if f.near > 0 && f.near == w.recentFrom && w.trimmed == 0 { // nothing is missing between them
		n.recentFrom = n.from
		if len(f.recent) > 0 {
			n.recent, n.blocks = slices.Concat(f.recent, w.recent), nil
			n.anchor, n.anchored = revlog.Entry{}, f.recent[0].Position.N == 1
		}
	}
	n.trim(retain)
	return &n
}

// fill adds the sessions among entries to gens. It replaces the open generation by a copy.
func fill(gens []*generation, entries []revlog.Entry, retain time.Duration) []*generation {
	width := max(time.Minute, retain/32).Milliseconds()
	ours := false // whether we may write to the last generation
	for _, e := range entries {
		if e.Scope != revlog.ScopeSession {
			continue
		}
		last := len(gens) - 1
		switch {
		case last < 0:
			gens, ours = append(gens, newGeneration(0, e.Position.MS)), true
		case gens[last].full() || e.Position.MS-gens[last].first > width:
			gens, ours = append(gens, newGeneration(gens[last].plan(width), e.Position.MS)), true
		case !ours:
			gens[last], ours = gens[last].clone(), true
		}
		gens[len(gens)-1].add(e.Tag, e.Position.MS)
	}
	return gens
}

// trim drops what is older than retain, counted back from the newest position and never
// from a clock. So the window keeps what it has while the store is silent (R14).
func (w *window) trim(retain time.Duration) {
	size := w.filterBytes()
	for len(w.gens) > 0 {
		g := w.gens[0]
		if w.to-g.newest <= retain.Milliseconds() && (size <= filterLimit || len(w.gens) == 1) {
			break
		}
		w.cover(g.newest)
		size -= g.bytes()
		w.gens = w.gens[1:]
	}
	w.from = max(w.from, w.to-retain.Milliseconds())
	old := sort.Search(len(w.recent), func(i int) bool {
		return w.recent[i].Position.MS > w.to-recentKept.Milliseconds()
	})
	if old = max(old, len(w.recent)-recentLimit); old > 0 {
		w.recentFrom = max(w.recentFrom, w.recent[old-1].Position.MS)
		w.anchor, w.anchored = w.recent[old-1], true
		w.recent, w.trimmed = w.recent[old:], w.trimmed+old
	}
	w.index()
}

// cover moves the window start forward to at, for good.
func (w *window) cover(at int64) {
	w.gap = w.gap || at > w.from
	w.from, w.moved = max(w.from, at), max(w.moved, at)
}

// newest returns w with no more than n windows, of which it is the first.
func (w *window) newest(n int) *window {
	if w == nil || n == 0 {
		return nil
	}
	c := *w
	c.earlier = w.earlier.newest(n - 1)
	c.alone, c.brief = c.alone || c.earlier == nil, c.brief && c.earlier != nil
	return &c
}

func (w *window) bytes() int64 {
	return w.filterBytes() + w.watermarks.bytes() + w.asked.bytes()
}

func (w *window) filterBytes() (n int64) {
	for _, g := range w.gens {
		n += g.bytes()
	}
	return n
}

func (w *window) entries() (n int64) {
	for _, g := range w.gens {
		n += int64(g.n)
	}
	return n + w.watermarks.count() + w.asked.count()
}

// globalEntries are the few entries about keys and about everyone, of which a replica holds
// all, and those that end the sessions of a group slowly.
type globalEntries map[revlog.Key]revlog.Entry

// with returns m with the global ones among entries, and without those that may be
// forgotten. If nothing changes, it returns m itself.
func (m globalEntries) with(entries []revlog.Entry, now int64) globalEntries {
	n, ours := m, false
	change := func() {
		if !ours {
			n, ours = maps.Clone(m), true
			if n == nil {
				n = globalEntries{}
			}
		}
	}
	for k, v := range m {
		if v.Until < now {
			change()
			delete(n, k)
		}
	}
	for _, e := range entries {
		if !inGlobals(e.Key()) {
			continue
		}
		change()
		old, until := n[e.Key()], max(n[e.Key()].Until, e.Until)
		if old.W > e.W {
			e = old
		}
		e.Until = until
		n[e.Key()] = e
	}
	return n
}

func inGlobals(k revlog.Key) bool { return k.Scope.Global() || k.Effect == revlog.EndSlowly }

// ask reports whether some of m ask something of sessions.
func (m globalEntries) ask() bool {
	for k := range m {
		if k.Effect != revlog.End {
			return true
		}
	}
	return false
}

// everyone are the keys of the entries that end all sessions, also the anonymous ones.
var everyone = [...]revlog.Key{{Scope: revlog.ScopeEveryone}, {Scope: revlog.ScopeEveryone, Effect: revlog.EndSlowly}}

// everyone returns the watermark up to which all sessions end, at once or slowly.
func (m globalEntries) everyone() int64 { return max(m[everyone[0]].W, m[everyone[1]].W) }

// merge returns the global entries of both.
func (m globalEntries) merge(o globalEntries) globalEntries {
	return m.with(slices.Collect(maps.Values(o)), 0)
}

// sees looks for k, which names a key or everyone.
func (m globalEntries) sees(k revlog.Key, epoch int64) finding { return upTo(m[k].W, epoch) }
