package replica

import (
	"context"
	"sort"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	atOnce    = 500                    // entries that every replica writes back by itself
	joinBatch = 1000                   // assertions of one write
	repairFor = 100 * time.Millisecond // of each read cycle
)

// A repair is what this replica must still write back. The reader owns it.
type repair struct {
	list revlog.ListID // to write to
	// owed is oldest first, and is written from its end. So a replica that finds the oldest
	// in the store knows that all of them are there.
	owed []revlog.Entry
	// common: every replica whose kept window may decide about a session has read the
	// entries up to this log time, and the list says that it lacks them. So they are
	// written back quietly.
	common int64
	// Of a lost tail: what the log does not show yet, with its watermark; the number of the
	// newest entry that was looked at; and the state of the log after the last write.
	lost   map[revlog.Key]int64
	looked int64
	at     place
	// mark is the oldest of owed that the store lacked at first. sought says that it was
	// looked for.
	mark   int
	sought bool
	ours   bool // this replica had the write-back turn the last time
	wait   int  // read cycles before this replica tries again
}

// lostTail returns a repair for entries that the log lost after number n.
func lostTail(list revlog.ListID, n int64, entries []revlog.Entry) *repair {
	r := &repair{list: list, owed: entries, looked: n, lost: make(map[revlog.Key]int64, len(entries))}
	for _, e := range entries {
		k := e.Key()
		r.lost[k] = max(r.lost[k], e.W)
	}
	return r
}

// next returns at most n entries to write next, newest first, and what is owed after those.
// It does not mix entries that go into the log with those that are written quietly.
func (r *repair) next(n int) (some, rest []revlog.Entry) {
	rest = r.owed
	if r.lost == nil {
		all := rest
		loud := sort.Search(len(all), func(i int) bool { return all[i].Position.MS > r.common })
		if loud < len(all) {
			all = all[loud:]
		}
		n = min(n, len(all))
		return all[len(all)-n:], rest[:len(rest)-n]
	}
	for len(rest) > 0 && len(some) < n {
		e := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		if _, lost := r.lost[e.Key()]; lost {
			some = append(some, e)
		}
	}
	return some, rest
}

// wrote records that the store took what next returned.
func (r *repair) wrote(rest []revlog.Entry, h revlog.Head) { r.owed, r.at = rest, placeOf(h) }

// restored returns what to write for lost entries, as their writers signed them.
func restored(entries []revlog.Entry) (all []revlog.Assertion) {
	for _, e := range entries {
		all = append(all, e.Again())
	}
	return all
}

// writeBack continues a repair for a while. One replica at a time does so. The others find
// what it wrote in the log or in the exact set, and need not write it (R26).
func (l *Replica) writeBack(ctx context.Context) error {
	r, v := l.lacking, l.view.Load()
	switch {
	case r == nil:
		return nil
	case r.list != v.head.ID:
		l.lacking = nil
		return nil
	}
	r.shown(v)
	if r.wait--; r.wait > 0 {
		return nil
	}
	if err := l.skip(ctx, r, false); err != nil {
		return err
	}
	if len(r.owed) > 0 {
		if err := l.inTurn(ctx, r); err != nil || len(r.owed) > 0 {
			return err
		}
	}
	l.mended(v, r)
	return nil
}

// inTurn writes what r owes if this replica gets the write-back turn.
func (l *Replica) inTurn(ctx context.Context, r *repair) error {
	before := r.ours
	mine, err := l.turn(ctx, l.Within())
	r.ours = mine && err == nil
	if !r.ours {
		r.wait = 1 + l.randomN(4)
		return err
	}
	if !before {
		if err := l.skip(ctx, r, true); err != nil {
			return err
		}
	}
	if err := l.writeOn(ctx, r); err != nil {
		return err
	}
	if len(r.owed) > 0 {
		l.turns.hurry()
		return nil
	}
	_, err = l.turn(ctx, 0)
	return err
}

// writeOn writes what r owes until its time is over.
func (l *Replica) writeOn(ctx context.Context, r *repair) error {
	for until := time.Now().Add(repairFor); len(r.owed) > 0 && time.Now().Before(until); {
		some, rest := r.next(joinBatch / 2)
		if len(some) == 0 {
			r.owed = rest
			break
		}
		var write revlog.Write = revlog.Repair{List: r.list, Floor: l.clock.highest(), Assertions: restored(some)}
		if some[0].Position.MS <= r.common {
			write = revlog.Bulk{List: r.list, Floor: l.clock.highest(), Assertions: restored(some)}
		}
		w, err := l.write(ctx, write, l.Within()/4)
		if err != nil {
			return err
		}
		r.wrote(rest, w.Head)
	}
	return nil
}

// shown drops from the lost tail what v shows.
func (r *repair) shown(v *view) {
	recent := v.now.recent
	for i := sort.Search(len(recent), func(i int) bool { return recent[i].Position.N > r.looked }); i < len(recent); i++ {
		k := recent[i].Key()
		if w, lost := r.lost[k]; lost && recent[i].W >= w {
			delete(r.lost, k)
		}
	}
	r.looked = v.last.N
	if r.lost != nil && len(r.lost) == 0 {
		r.owed = nil
	}
}

// mended ends a repair that has nothing left to write.
func (l *Replica) mended(v *view, r *repair) {
	switch {
	case r.lost == nil:
		l.lacking = nil
		return
	case len(r.lost) > 0 && !v.sent.After(r.at.heard):
		return // this was not read yet
	case len(r.lost) > 0 && !v.shows(r.at):
		r.owed = v.tail.recent // lost again
		return
	}
	n := *v
	n.tail = nil
	if len(r.lost) > 0 { // the store has it, although the log does not show it
		l.odd()
		w := *v.now
		w.cover(v.m.MS)
		n.now = &w
	}
	l.lacking = nil
	l.view.Store(&n)
}

// quiet reports whether entry at of what r owes is written back quietly.
func (r *repair) quiet(at int) bool { return at < len(r.owed) && r.owed[at].Position.MS <= r.common }

// seek looks for the oldest entry of r that the store lacks. An entry that the store has
// held all the time, as a store does that comes back with an older list, says nothing about
// what another replica has written back.
func (l *Replica) seek(ctx context.Context, r *repair) error {
	back := false
	for at, step := 0, 1; r.quiet(at); at, step = at+step, 2*step {
		e, err := l.stored(ctx, r.list, r.owed[at])
		if err != nil {
			return err
		}
		if r.mark = at; e.W < r.owed[at].W {
			r.sought = true
			return nil
		}
		back = back || at == 0 && e.Quiet
	}
	if r.sought = true; back {
		r.mark = 0 // another replica has written all of it
	} else {
		r.mark = len(r.owed)
	}
	return nil
}

// skip drops from r what another replica has written back quietly. The oldest is written
// last: if the store has it, it has the rest. With thoroughly, skip also finds how far a
// replica came that did not finish.
func (l *Replica) skip(ctx context.Context, r *repair, thoroughly bool) error {
	if !r.sought && r.quiet(0) {
		if err := l.seek(ctx, r); err != nil {
			return err
		}
	}
	for at, step := r.mark, 1; r.quiet(at); at, step = at+step, 2*step {
		e, err := l.stored(ctx, r.list, r.owed[at])
		switch {
		case err != nil:
			return err
		case e.Quiet && e.W >= r.owed[at].W: // another replica has written it back
			loud := sort.Search(len(r.owed), func(i int) bool { return r.owed[i].Position.MS > r.common })
			r.owed = append(r.owed[:at:at], r.owed[loud:]...)
			return nil
		case !thoroughly:
			return nil
		}
	}
	return nil
}

// stored returns what the exact set holds for the scope and tag of e: an entry without W if
// it holds nothing.
func (l *Replica) stored(ctx context.Context, list revlog.ListID, e revlog.Entry) (revlog.Entry, error) {
	q := l.about(list, e.Key())
	q.Epoch = e.W
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	a, err := l.store.Confirm(ctx, q)
	l.believe(q, &a) // an unverified entry is replaced when this one is written
	for _, found := range a.Found {
		if found.Key() == e.Key() {
			return found, err
		}
	}
	return revlog.Entry{}, err
}

// turn asks for the write-back turn for the time keep. With 0 it gives the turn up.
func (l *Replica) turn(ctx context.Context, keep time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	id, _ := l.identity.names()
	return l.store.Turn(ctx, id, keep)
}
