package replica

import (
	"context"
	"fmt"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// newestPage is how many entries of the log Newest looks at, at most.
const newestPage = 4096

// A Newest is an entry of the log, and who made it if this replica knows.
type Newest struct {
	revlog.Entry
	By audit.By // zero: not known
}

// Newest reads the log backwards, from the position before on, or from its end if before is
// zero. It returns at most limit verified revocations that want accepts, the newest first,
// and the position to go on before; zero: there are no older ones. It looks at a bounded
// number of entries, so it may find fewer than there are and still name a position. It reads
// the store, and changes nothing in this replica.
func (l *Replica) Newest(ctx context.Context, before revlog.Position, limit int, want func(revlog.Entry) bool) ([]Newest, revlog.Position, error) {
	if l.store == nil {
		return nil, revlog.Position{}, ErrDisabled
	}
	if l.view.Load() == nil {
		return nil, revlog.Position{}, ErrNotReady
	}
	all, more, err := l.entriesBefore(ctx, before)
	if err != nil {
		return nil, revlog.Position{}, fmt.Errorf("%w: %w", ErrLookup, err)
	}
	var found []Newest
	for i := len(all) - 1; i >= 0; i-- {
		e := all[i]
		if e.Canary() || !want(e) || !l.proven(e) {
			continue
		}
		by, _ := l.audit.by(e.Position)
		found = append(found, Newest{e, by})
		if len(found) == limit && (i > 0 || more) {
			return found, e.Position, nil
		}
	}
	if !more {
		return found, revlog.Position{}, nil
	}
	return found, all[0].Position, nil
}

// entriesBefore returns the newest entries before a position, oldest first and at most about
// newestPage, and whether there are older ones. A store reads forwards, so this looks for a
// log time from which on there are about that many.
func (l *Replica) entriesBefore(ctx context.Context, before revlog.Position) (all []revlog.Entry, more bool, err error) {
	list := l.ListID()
	p, err := l.store.Read(ctx, revlog.Cursor{List: list, Limit: 1})
	if err != nil || p.Oldest.N == 0 {
		return nil, false, err
	}
	oldest, end := p.Oldest, revlog.Position{MS: p.Head.MS, N: p.Head.N + 1}
	if before != (revlog.Position{}) {
		// The number in before may be anything, and below the number of end counts. So end is an entry.
		p, err := l.store.Read(ctx, revlog.Cursor{List: list, From: before, Limit: 1})
		if err != nil {
			return nil, false, err
		}
		if len(p.Entries) > 0 {
			end = p.Entries[0].Position
		}
	}
	near, err := l.before(ctx, list, oldest, end)
	if err != nil {
		return nil, false, err
	}
	from := revlog.Position{MS: near}
	for {
		p, err := l.store.Read(ctx, revlog.Cursor{List: list, From: from, Limit: newestPage})
		if err != nil {
			return nil, false, err
		}
		for _, e := range p.Entries {
			if !e.Position.Before(end) {
				return all, len(all) > 0 && all[0].Position.N > p.Oldest.N, nil
			}
			all = append(all, e)
		}
		// Of very many entries in one ms, the newest count.
		all = all[max(0, len(all)-newestPage):]
		if !p.More || len(p.Entries) == 0 {
			return all, len(all) > 0 && all[0].Position.N > p.Oldest.N, nil
		}
		last := p.Entries[len(p.Entries)-1].Position
		from = revlog.Position{MS: last.MS, N: last.N + 1}
	}
}

// before returns a log time from which on there are about newestPage entries before end, or the log
// time of the oldest entry if there are fewer.
func (l *Replica) before(ctx context.Context, list revlog.ListID, oldest, end revlog.Position) (ms int64, _ error) {
	// The first entry from low on has a number that is low enough, that from high on has not.
	low, high := oldest.MS, end.MS
	for back := int64(1000); end.N-oldest.N > newestPage && high-low > 1; {
		at := (low + high) / 2
		if near := end.MS - back; low < near && near < high { // most often it is near the end
			at, back = near, back*8
		}
		p, err := l.store.Read(ctx, revlog.Cursor{List: list, From: revlog.Position{MS: at}, Limit: 1})
		if err != nil {
			return 0, err
		}
		switch {
		case len(p.Entries) == 0 || p.Entries[0].Position.N > end.N-newestPage/2:
			high = at
		case p.Entries[0].Position.N < end.N-newestPage:
			low = at
		default:
			low, high = at, at
		}
	}
	return low, nil
}
