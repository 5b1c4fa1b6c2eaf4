package replica

import "github.com/wafer-sessions/wafer/revocation/revlog"

const blockSize = 1024

// A block finds the entries of one stretch of the recent entries by tag. So neither a false
// match nor a revoked token that is sent again and again costs a search through ten minutes
// of log.
type block struct {
	first  int   // sequence number of its first entry among the recent ones
	newest int64 // log time of its last entry, ms
	// slots is a hash table: 1 + the place of an entry in the block, or 0. It is
	// half empty.
	slots [2 * blockSize]uint16
}

func newBlock(first int, entries []revlog.Entry) *block {
	b := &block{first: first, newest: entries[len(entries)-1].Position.MS}
	for i := range entries {
		at := slotOf(entries[i].Tag)
		for b.slots[at] != 0 {
			at = (at + 1) % uint(len(b.slots))
		}
		b.slots[at] = uint16(i + 1)
	}
	return b
}

func slotOf(t revlog.Tag) uint { return (uint(t[0]) | uint(t[1])<<8) % (2 * blockSize) }

// indexed returns how many of the recent entries, from the oldest, are in blocks.
func (w *window) indexed() int {
	if len(w.blocks) == 0 {
		return 0
	}
	return w.blocks[len(w.blocks)-1].first + blockSize - w.trimmed
}

// index makes a block for every full stretch of the recent entries, and drops the blocks of
// what was trimmed.
func (w *window) index() {
	for len(w.blocks) > 0 && w.blocks[0].first+blockSize <= w.trimmed {
		w.blocks = w.blocks[1:]
	}
	for at := w.indexed(); len(w.recent)-at >= blockSize; at += blockSize {
		w.blocks = append(w.blocks, newBlock(w.trimmed+at, w.recent[at:at+blockSize]))
	}
}

// holds reports whether the recent entries have one that ends the session tag and is newer
// than chk.
func (w *window) holds(tag revlog.Tag, chk int64) bool {
	match := func(e *revlog.Entry) bool {
		return e.Tag == tag && e.Key().Bare() && e.Position.MS > chk
	}
	for i := len(w.recent) - 1; i >= w.indexed() && w.recent[i].Position.MS > chk; i-- {
		if match(&w.recent[i]) {
			return true
		}
	}
	for i := len(w.blocks) - 1; i >= 0 && w.blocks[i].newest > chk; i-- {
		b := w.blocks[i]
		for at := slotOf(tag); b.slots[at] != 0; at = (at + 1) % uint(len(b.slots)) {
			n := b.first + int(b.slots[at]) - 1 - w.trimmed
			if n >= 0 && match(&w.recent[n]) {
				return true
			}
		}
	}
	return false
}

// exact reports whether the recent entries of w hold everything that its filters do. It is
// for windows without a backfill.
func (w *window) exact() bool { return w.trimmed == 0 }

// after returns w with the anchor set for entries, if w has no recent entries yet. The
// first of entries follows the last one that v has applied.
func (w *window) after(v *view, entries []revlog.Entry) *window {
	known := v.chain != [8]byte{} || v.last.N == 0
	if len(w.recent) > 0 || w.anchored || !known || len(entries) == 0 || entries[0].Position.N != v.last.N+1 {
		return w
	}
	n := *w
	n.anchor, n.anchored = revlog.Entry{Position: v.last, Chain: v.chain}, true
	return &n
}
