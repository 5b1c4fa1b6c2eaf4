package replica

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// watermarkLimit is how many watermarks a window holds: 64 MB of them.
const watermarkLimit = 1 << 20

// watermarks holds the watermarks of subjects and groups of a window exactly, so
// that one who was revoked and came back is never taken for revoked, nor asked about.
//
// The reader adds, under its lock; decisions look up at the same time without one. A
// watermark only ever rises, so the windows of one log share a table: an older
// window may know of one a moment early, which is true all the same.
type watermarks struct {
	table atomic.Pointer[[]watermark] // a hash table, at most three quarters full; its length is a power of two
	n     atomic.Int64                // in the table
	// limit is watermarkLimit but in tests.
	limit int
}

type watermark struct {
	tag revlog.Tag   // written before w
	w   atomic.Int64 // 0: the place is free
	ms  int64        // log time of its newest entry; the reader owns it
}

func newWatermarks() *watermarks { return &watermarks{limit: watermarkLimit} }

// of returns the watermark of k, 0 if there is none.
func (m *watermarks) of(k revlog.Key) int64 {
	if m == nil {
		return 0
	}
	table := m.table.Load()
	if table == nil {
		return 0
	}
	_, w := find(*table, named(k))
	return w
}

// named returns what stands for k in the table: its tag, apart from that of another
// scope.
func named(k revlog.Key) revlog.Tag {
	k.Tag[15] ^= byte(k.Scope)
	return k.Tag
}

// find returns the place of tag in table and its watermark; if there is none, where
// it belongs and 0.
func find(table []watermark, tag revlog.Tag) (at *watermark, w int64) {
	mask := uint64(len(table) - 1)
	for i := binary.LittleEndian.Uint64(tag[:]) & mask; ; i = (i + 1) & mask { // a tag is random already
		at = &table[i]
		if w = at.w.Load(); w == 0 || at.tag == tag {
			return at, w
		}
	}
}

// add takes the watermarks of subjects and groups among entries. Those whose newest
// entry is not newer than forget may be dropped. If there are too many, it drops the
// older half, and returns the log time up to which they are gone, else 0.
func (m *watermarks) add(entries []revlog.Entry, forget int64) (gone int64) {
	for _, e := range entries {
		if e.Scope == revlog.ScopeSubject || e.Scope == revlog.ScopeGroup {
			gone = max(gone, m.raise(revlog.Key{Scope: e.Scope, Tag: e.Tag}, e.W, e.Position.MS, forget))
		}
	}
	return gone
}

// raise raises the watermark of k to w, which was heard at ms. See add.
func (m *watermarks) raise(k revlog.Key, w, ms, forget int64) (gone int64) {
	if w <= 0 {
		return 0
	}
	table := m.table.Load()
	if table == nil || 4*(m.n.Load()+1) > 3*int64(len(*table)) {
		gone = m.rebuild(forget)
		table = m.table.Load()
	}
	tag := named(k)
	at, old := find(*table, tag)
	if old == 0 {
		at.tag = tag
		m.n.Add(1)
	}
	at.ms = max(at.ms, ms)
	at.w.Store(max(old, w))
	return gone
}

// rebuild makes room for another watermark in a new table.
func (m *watermarks) rebuild(forget int64) (gone int64) {
	var old []watermark
	if table := m.table.Load(); table != nil {
		old = *table
	}
	kept := func(w *watermark) bool { return w.w.Load() != 0 && w.ms > forget }
	n := count(old, kept)
	if n >= m.limit {
		gone = median(old, kept)
		forget = gone
		n = count(old, kept)
	}
	size := 64
	for 2*size < 4*(n+1) { // at most half full
		size *= 2
	}
	table := make([]watermark, size)
	m.n.Store(0)
	for i := range old {
		if w := &old[i]; kept(w) {
			at, _ := find(table, w.tag)
			at.tag, at.ms = w.tag, w.ms
			at.w.Store(w.w.Load())
			m.n.Add(1)
		}
	}
	m.table.Store(&table)
	return gone
}

// clear drops everything.
func (m *watermarks) clear() {
	m.table.Store(nil)
	m.n.Store(0)
}

// lowered returns a copy of m in which each watermark is what lower makes of it.
func (m *watermarks) lowered(lower func(w int64) int64) *watermarks {
	n := &watermarks{limit: m.limit}
	old := m.table.Load()
	if old == nil {
		return n
	}
	table := make([]watermark, len(*old))
	for i := range table {
		table[i].tag, table[i].ms = (*old)[i].tag, (*old)[i].ms
		if w := (*old)[i].w.Load(); w != 0 {
			table[i].w.Store(max(lower(w), 1)) // 0 would be a free place, and end a search
		}
	}
	n.table.Store(&table)
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

// median returns a log time that half of what is kept is not newer than.
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
	if m == nil || m.table.Load() == nil {
		return 0
	}
	return int64(len(*m.table.Load())) * int64(unsafe.Sizeof(watermark{}))
}
