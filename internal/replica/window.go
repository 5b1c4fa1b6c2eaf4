package replica

import (
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"maps"
	"math/bits"
	"slices"
	"sort"
	"time"
)

const (
	ringKept    = 10 * time.Minute // how far back the exact ring reaches
	ringLimit   = 1 << 17          // entries of the ring
	filterLimit = 64 << 20         // bytes of filters in a window
)

// A window is what a replica knows of one stretch of the log: every entry newer
// than from, up to to. It is immutable: what changes it returns another (R13).
type window struct {
	from, to int64 // log time, ms; H0 and M of the protocol
	// moved is where from was last moved to: something before it is not known,
	// whatever is filled in behind (R12, R14).
	moved int64
	gens  []*generation

	// ring holds every entry newer than ringFrom, oldest first; trimmed counts those
	// that stood before, and blocks find the others by tag. Windows share the arrays
	// of ring and blocks: an older one never looks past its own length.
	ring     []revlog.Entry
	ringFrom int64
	trimmed  int
	blocks   []*block
	// anchor is the entry before the first of ring, if anchored; of it only position
	// and chain count. Number 0: there was none before.
	anchor   revlog.Entry
	anchored bool

	// Of a window that is kept apart: the line that reigned when it ended, and
	// whether the window that follows begins where it ended.
	line   uint32
	joined bool
}

// covers reports whether w knows of every entry newer than chk, up to its end.
func (w *window) covers(chk int64) bool { return chk >= w.from && chk <= w.to }

// A sight is what a window sees of a session.
type sight uint8

const (
	miss    sight = iota // nothing newer than its chk
	maybe                // a filter hit that the ring does not reach back to
	revoked              // exactly
)

// look looks for entries about q that are newer than its chk.
func (w *window) look(q *Query) (sight, Reason) {
	worst, reason := w.sight(revlog.ScopeSession, q.tag, q), RevokedSession
	if worst != revoked && q.Subject != (revlog.Tag{}) {
		if s := w.sight(revlog.ScopeSubject, q.Subject, q); s > worst {
			worst, reason = s, RevokedSubject
		}
	}
	for _, g := range q.Groups {
		if worst == revoked {
			break
		}
		if s := w.sight(revlog.ScopeGroup, g, q); s > worst {
			worst, reason = s, RevokedGroup
		}
	}
	return worst, reason
}

func (w *window) sight(scope revlog.Scope, tag revlog.Tag, q *Query) sight {
	if !w.hit(tag, q.Checked) {
		return miss
	}
	if w.holds(scope, tag, q.Checked, q.Epoch) {
		return revoked
	}
	if q.Checked >= w.ringFrom {
		return miss // the ring has everything newer, so the filter was wrong
	}
	return maybe
}

// hit reports whether tag may have an entry newer than chk. Of every generation a
// glance at two bits comes first: nine in ten drop out there, and memory is asked
// for their lines all at once, not for one after the other.
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

// add returns w with the entries that follow it, up to log time to. Only the
// open generation is copied.
func (w *window) add(entries []revlog.Entry, to int64, retain time.Duration) *window {
	n := *w
	n.to = to
	n.gens = fill(slices.Clone(w.gens), entries, retain)
	n.ring = append(n.ring, entries...)
	n.trim(retain)
	return &n
}

// behind returns w with older generations put before it, which begin at from.
func (w *window) behind(gens []*generation, from int64, retain time.Duration) *window {
	n := *w
	n.from = max(from, w.moved)
	n.gens = slices.Concat(gens, w.gens)
	n.trim(retain)
	return &n
}

// fill adds entries to gens. The generation that was open is replaced by a copy.
func fill(gens []*generation, entries []revlog.Entry, retain time.Duration) []*generation {
	width := max(time.Minute, retain/32).Milliseconds()
	ours := false // whether the last generation is ours to write
	for _, e := range entries {
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

// trim drops what lies further back than retain, counted from the newest
// position and never from a clock: while the store is silent the window keeps
// what it has (R14).
func (w *window) trim(retain time.Duration) {
	size := w.bytes()
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
	old := sort.Search(len(w.ring), func(i int) bool {
		return w.ring[i].Position.MS > w.to-ringKept.Milliseconds()
	})
	if old = max(old, len(w.ring)-ringLimit); old > 0 {
		w.ringFrom = max(w.ringFrom, w.ring[old-1].Position.MS)
		w.anchor, w.anchored = w.ring[old-1], true
		w.ring, w.trimmed = w.ring[old:], w.trimmed+old
	}
	w.index()
}

// cover moves the beginning of w to at, for good.
func (w *window) cover(at int64) {
	w.from, w.moved = max(w.from, at), max(w.moved, at)
}

func (w *window) bytes() (n int64) {
	for _, g := range w.gens {
		n += g.bytes()
	}
	return n
}

func (w *window) entries() (n int64) {
	for _, g := range w.gens {
		n += int64(g.n)
	}
	return n
}

// marks are the few revocations that concern everyone or a key, held whole.
type marks map[revlog.Key]globalEntry

type globalEntry struct{ w, until int64 }

// with returns m with those of entries that are marks, and without the ones
// that may be forgotten. It is m itself if nothing changed.
func (m marks) with(entries []revlog.Entry, now int64) marks {
	n, ours := m, false
	change := func() {
		if !ours {
			n, ours = maps.Clone(m), true
			if n == nil {
				n = marks{}
			}
		}
	}
	for k, v := range m {
		if v.until < now {
			change()
			delete(n, k)
		}
	}
	for _, e := range entries {
		if !e.Scope.Global() {
			continue
		}
		change()
		k := revlog.Key{Scope: e.Scope, Tag: e.Tag}
		n[k] = globalEntry{w: max(n[k].w, e.W), until: max(n[k].until, e.Until)}
	}
	return n
}

// merge returns the marks of both.
func (m marks) merge(o marks) marks {
	var entries []revlog.Entry
	for k, v := range o {
		entries = append(entries, revlog.Entry{Scope: k.Scope, Tag: k.Tag, W: v.w, Until: v.until})
	}
	return m.with(entries, 0)
}

// everyone returns the W of everyone, 0 for none.
func (m marks) everyone() int64 {
	return m[revlog.Key{Scope: revlog.ScopeEveryone, Tag: revlog.Tag{}}].w
}

// keys reports whether any key is marked.
func (m marks) keys() bool {
	for k := range m {
		if k.Scope == revlog.ScopeKey {
			return true
		}
	}
	return false
}

// key reports whether the key kid is marked.
func (m marks) key(kids *kidTags, t *tagger, kid string) bool {
	if kid == "" || !m.keys() {
		return false
	}
	_, found := m[revlog.Key{Scope: revlog.ScopeKey, Tag: kids.tag(t, kid)}]
	return found
}
