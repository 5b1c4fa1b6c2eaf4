package replica

import (
	"context"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"time"
)

// A filler reads the log behind the window a replica began with, a piece at each
// turn of the reader, until the window reaches back as far as the list remembers
// (R15). The reader owns it.
type filler struct {
	list revlog.ListID
	from int64           // log time where the filled window begins
	next revlog.Position // to read from
	last int64           // number of the last entry read, 0 before the first page
	end  int64           // number of the last entry wanted
	gens []*generation
}

const fillFor = 50 * time.Millisecond // of each turn

// newFiller returns a filler for what lies behind v, whose first entry has the
// number end+1, or nil if there is nothing.
func newFiller(v *view, end int64) *filler {
	from := max(v.m.MS-min(v.head.Retain(), revlog.LogKept).Milliseconds(), v.head.Born)
	if from >= v.now.from {
		return nil
	}
	return &filler{list: v.head.ID, from: from, next: revlog.Position{MS: from}, end: end}
}

// fillBehind gives the filler its turn. Whatever it finds amiss ends it: the
// window stays as short as it is, and the store is asked more often.
func (l *Replica) fillBehind(ctx context.Context) {
	until := time.Now().Add(fillFor)
	for l.filler != nil && time.Now().Before(until) {
		p, err := l.fetch(ctx, l.filler.list, l.filler.next, false)
		if err != nil {
			return
		}
		if !l.fillFrom(p) {
			l.filler = nil
		}
	}
}

// fillFrom takes one page, and reports whether to read on.
func (l *Replica) fillFrom(p revlog.Page) bool {
	f, v := l.filler, l.view.Load()
	if f.last == 0 {
		switch {
		case p.Oldest.N > 1:
			f.from = max(f.from, p.Oldest.MS)
		case p.Oldest.N == 0 && p.Head.N > 0:
			return false // all of it was trimmed
		}
	}
	wanted := p.Entries
	for i, e := range wanted {
		if e.Position.N > f.end {
			wanted = wanted[:i]
			break
		}
		if f.last != 0 && e.Position.N != f.last+1 {
			return false
		}
		f.last = e.Position.N
		f.next = revlog.Position{MS: e.Position.MS, N: e.Position.N + 1}
	}
	good, forgedAt := l.verify(f.list, wanted)
	if forgedAt > 0 {
		return false
	}
	f.gens = fill(f.gens, good, v.head.Retain())
	if v.now.watermarks.count()+int64(len(good)) > watermarkLimit {
		return false
	}
	if m, _ := v.now.watermarks.add(good, v.m.MS-v.memory().Milliseconds()); m != v.now.watermarks {
		next, now := *v, *v.now
		now.watermarks, next.now, v = m, &now, &next
		l.view.Store(v)
	}
	if len(wanted) == len(p.Entries) && p.More {
		return true
	}
	if f.last != 0 && f.last != f.end {
		return false // some of it is missing
	}
	if n := v.now.behind(f.gens, f.from, v.memory()); n.from < v.now.from {
		next := *v
		next.now = n
		l.view.Store(&next)
	}
	return false
}
