package replica

import (
	"context"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A filler backfills: it reads a stretch of the log from before the window, a page at a
// time. When it has read all of it, it adds the stretch to the window (R15).
type filler struct {
	list  revlog.ListID
	from  int64           // log time where the filled window begins
	moved bool            // from was moved: what stands before it is not known
	next  revlog.Position // to read from
	first int64           // number of the first entry read, 0 before it
	last  int64           // number of the last entry read, 0 before it
	chain [8]byte         // of the last entry read
	end   int64           // number of the last entry wanted
	gens  []*generation
	// Of the recent entries, which lengthen those of the window: those read, and the
	// log time where they begin, 0 if the stretch is an older one.
	recent []revlog.Entry
	near   int64
}

const (
	fillFor   = 100 * time.Millisecond // of each turn of the reader
	fillLimit = 1_000                  // entries of a page: a store that many fill from answers each of them soon
)

// recently is how far back a window must reach to decide about active sessions without
// asking: each of them was renewed within that time.
func (l *Replica) recently(h revlog.Head) time.Duration {
	return 2*renewal(max(h.Retain(), l.config.retain())) + l.Within()
}

// nextFiller returns a filler for the log before v, or nil if there is nothing to read. The
// first entry of v has the number end+1. The recent entries come first, and then older log.
func (l *Replica) nextFiller(v *view, end int64) *filler {
	all := min(v.head.Retain(), revlog.LogKept)
	recently := min(l.recently(v.head), all)
	for _, reach := range []time.Duration{recently, all} {
		from := max(v.m.MS-reach.Milliseconds(), v.head.Born)
		if from >= v.now.from {
			continue
		}
		f := &filler{list: v.head.ID, from: from, next: revlog.Position{MS: from}, end: end}
		if reach == recently {
			f.near = v.now.from
		}
		return f
	}
	return nil
}

// fillBehind reads for the filler until it has its stretch or the time is over. It returns
// v with what that brought.
func (l *Replica) fillBehind(ctx context.Context, v *view, until time.Time) *view {
	f := l.filler
	for l.filler == f && time.Now().Before(until) {
		p, err := l.fetch(ctx, revlog.Cursor{List: f.list, From: f.next, Limit: fillLimit})
		if err != nil {
			return v
		}
		wanted := f.wanted(p)
		more, ok := f.follow(p, wanted)
		if !ok {
			if p.Oldest.N > 0 && p.Oldest.N <= f.last+1 { // it was not trimmed
				l.odd()
			}
			l.filler = nil // the window stays short, and the store is asked more often
			return v
		}
		if v, ok = l.take(v, f, wanted); !ok {
			l.filler = nil
			return v
		}
		if !more {
			v = l.filled(v, f)
		}
	}
	return v
}

// wanted returns the entries of p that belong to the stretch of f.
func (f *filler) wanted(p revlog.Page) []revlog.Entry {
	if i := slices.IndexFunc(p.Entries, func(e revlog.Entry) bool { return e.Position.N > f.end }); i >= 0 {
		return p.Entries[:i]
	}
	return p.Entries
}

// follow checks that the wanted entries of p continue the stretch, and notes how far it was
// read. more reports whether there is more to read, and ok whether nothing is missing.
func (f *filler) follow(p revlog.Page, wanted []revlog.Entry) (more, ok bool) {
	if f.last == 0 {
		switch {
		case p.Oldest.N > 1 && p.Oldest.MS > f.from:
			f.from, f.moved = p.Oldest.MS, true
		case p.Oldest.N == 0 && p.Head.N > 0:
			return false, false // all of it was trimmed
		}
	}
	for _, e := range wanted {
		if f.last != 0 && e.Position.N != f.last+1 {
			return false, false
		}
		if f.last == 0 {
			f.first = e.Position.N
		}
		f.last, f.chain = e.Position.N, e.Chain
		f.next = revlog.Position{MS: e.Position.MS, N: e.Position.N + 1}
	}
	more = len(wanted) == len(p.Entries) && p.More
	return more, more || f.last == 0 || f.last == f.end
}

// take adds the next entries to f. It returns v with the watermarks and global entries
// among them, or false if v has no room for them.
func (l *Replica) take(v *view, f *filler, entries []revlog.Entry) (*view, bool) {
	good, forgedAt := l.verify(entries)
	if v.now.watermarks.count()+v.now.asked.count()+int64(len(good)) > watermarkLimit {
		return v, false
	}
	next := *v
	next.globals = v.globals.with(good, 0) // the store may not hold them any more as they were
	next.globalsAsk = next.globals.ask()
	now := *v.now
	now.mark(good, v.m.MS-v.memory().Milliseconds())
	next.now = &now
	if forgedAt > 0 {
		f.from, f.moved, f.gens, f.recent = forgedAt, true, nil, nil
		good = slices.DeleteFunc(good, func(e revlog.Entry) bool { return e.Position.MS <= forgedAt })
	}
	f.gens = fill(f.gens, good, v.head.Retain())
	if f.near > 0 {
		f.recent = append(f.recent, good...)
	}
	return &next, true
}

// filled returns v with all that f has read in front of its window, and makes the next
// filler.
func (l *Replica) filled(v *view, f *filler) *view {
	l.filler = nil
	if f.from >= v.now.from {
		return v
	}
	next := *v
	next.now = v.now.behind(f, v.memory())
	if v.last.MS == 0 && f.last == v.last.N && f.chain == v.chain && f.last > 0 { // now it is known where it stands (R10)
		next.last.MS = f.next.MS
	}
	if !f.moved {
		end := f.end
		if f.first > 0 {
			end = f.first - 1
		}
		l.filler = l.nextFiller(&next, end)
	}
	return &next
}
