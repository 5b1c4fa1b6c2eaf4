package replica

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// watermarkLimit is how many watermarks a window holds, in 64 MB.
const watermarkLimit = 1 << 20

// watermarks holds the watermarks of subjects and groups of a window exactly. So a user who
// was revoked and has logged in again is never refused or asked about because of a filter.
//
// The reader adds to it, under its lock, while decisions read it without one. A watermark
// only rises, so the windows of one log share a table. An older window may learn of a
// watermark a moment early, which is true all the same. Nothing is ever removed from a
// table. To make room, the reader writes another table, so a decision that uses an older
// window finds all that this window covers (R13).
type watermarks struct {
	table []watermark  // a hash table, at most three quarters full; its length is 0 or a power of two
	n     atomic.Int64 // in the table
	limit int          // how many may be held, more or less
}

type watermark struct {
	tag revlog.Tag   // written before w
	w   atomic.Int64 // 0: the place is free
	ms  int64        // log time of its newest entry; the reader owns it
}

func newWatermarks(limit int) *watermarks { return &watermarks{limit: limit} }

// asksToo is the bit of a watermark which says that entries ask something of the same subject or
// group (R36). So a decision about any other costs no more for them.
const asksToo = 1 << 62

// of returns the watermark of k, or 0 if there is none.
func (m *watermarks) of(k revlog.Key) int64 { return m.raw(k) &^ asksToo }

func (m *watermarks) raw(k revlog.Key) int64 {
	if m == nil || len(m.table) == 0 {
		return 0
	}
	_, w := find(m.table, named(k))
	return w
}

// sees looks for k, which names a subject or a group.
func (m *watermarks) sees(k revlog.Key, epoch int64) finding {
	switch w := m.raw(k); {
	case w == 0:
		return miss
	case upTo(w&^asksToo, epoch) == revoked:
		return revoked
	case w&asksToo != 0:
		return asks
	}
	return miss
}

// named returns the name of k in the table: its tag, made different for each scope and effect.
func named(k revlog.Key) revlog.Tag {
	k.Tag[14] ^= byte(k.Effect)
	k.Tag[15] ^= byte(k.Scope)
	return k.Tag
}

// find returns the place of tag in table and its watermark. If there is none, it returns
// the place where tag belongs, and 0.
func find(table []watermark, tag revlog.Tag) (at *watermark, w int64) {
	mask := uint64(len(table) - 1)
	for i := binary.LittleEndian.Uint64(tag[:]) & mask; ; i = (i + 1) & mask { // a tag is random already
		at = &table[i]
		if w = at.w.Load(); w == 0 || at.tag == tag {
			return at, w
		}
	}
}

// add takes the watermarks of subjects and groups among entries. It returns the table that
// holds them: m, or another one without those whose newest entry is not newer than forget.
// If there are too many, it also drops the older half, and returns the log time up to which
// watermarks were dropped, else 0.
func (m *watermarks) add(entries []revlog.Entry, forget int64) (_ *watermarks, gone int64) {
	for _, e := range entries {
		if e.Scope != revlog.ScopeSubject && e.Scope != revlog.ScopeGroup {
			continue
		}
		k, w := e.Key(), e.W
		if k.Effect != revlog.End {
			k.Effect, w = revlog.End, asksToo
		}
		var at int64
		m, at = m.raise(k, w, e.Position.MS, forget)
		gone = max(gone, at)
	}
	return m, gone
}

// raise raises the watermark of k to w, by an entry at log time ms. See add.
func (m *watermarks) raise(k revlog.Key, w, ms, forget int64) (_ *watermarks, gone int64) {
	if w <= 0 {
		return m, 0
	}
	if 4*(m.n.Load()+1) > 3*int64(len(m.table)) {
		m, gone = m.roomier(forget)
	}
	tag := named(k)
	at, old := find(m.table, tag)
	if old == 0 {
		at.tag = tag
		m.n.Add(1)
	}
	at.ms = max(at.ms, ms)
	at.w.Store(max(old&^asksToo, w&^asksToo) | (old|w)&asksToo)
	return m, gone
}

// roomier returns a table with room for one more watermark. See add.
func (m *watermarks) roomier(forget int64) (_ *watermarks, gone int64) {
	kept := func(w *watermark) bool { return w.w.Load() != 0 && w.ms > forget }
	n := count(m.table, kept)
	if n >= m.limit {
		gone = median(m.table, kept)
		forget = gone
		n = count(m.table, kept)
	}
	size := 64
	for 2*size < 4*(n+1) { // at most half full
		size *= 2
	}
	next := &watermarks{limit: m.limit, table: make([]watermark, size)}
	for i := range m.table {
		if w := &m.table[i]; kept(w) {
			at, _ := find(next.table, w.tag)
			at.tag, at.ms = w.tag, w.ms
			at.w.Store(w.w.Load())
		}
	}
	next.n.Store(int64(n))
	return next, gone
}

// lowered returns a copy of m with lower applied to each watermark. lower makes 0 of 0 alone, which is
// a free place, or one that only asks.
func (m *watermarks) lowered(lower func(w int64) int64) *watermarks {
	n := &watermarks{limit: m.limit, table: make([]watermark, len(m.table))}
	for i := range m.table {
		n.table[i].tag, n.table[i].ms = m.table[i].tag, m.table[i].ms
		w := m.table[i].w.Load()
		n.table[i].w.Store(lower(w&^asksToo) | w&asksToo)
	}
	n.n.Store(m.n.Load())
	return n
}

func count(table []watermark, kept func(*watermark) bool) (n int) {
	for i := range table {
		if kept(&table[i]) {
			n++
		}
	}
	return n
}

// median returns a log time that splits the watermarks to keep in half: one half is not
// newer.
func median(table []watermark, kept func(*watermark) bool) int64 {
	var at []int64
	for i := range table {
		if kept(&table[i]) {
			at = append(at, table[i].ms)
		}
	}
	slices.Sort(at)
	return at[len(at)/2]
}

// count returns how many there are.
func (m *watermarks) count() int64 {
	if m == nil {
		return 0
	}
	return m.n.Load()
}

func (m *watermarks) bytes() int64 {
	if m == nil {
		return 0
	}
	return int64(len(m.table)) * int64(unsafe.Sizeof(watermark{}))
}
