package replica

import (
	"context"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"log/slog"
	"time"
)

const joinBatch = 1000 // assertions republished at once

// adopt follows the list the store holds now, after it lost the one v is of:
// what this replica knows goes into it, and the window of v is kept apart to
// settle what the new list cannot know (R11). now is when the read began.
func (l *Replica) adopt(ctx context.Context, v *view, now time.Time) error {
	if l.left != v.head.ID { // once: what is heard later is of the new list
		l.left, l.stamped = v.head.ID, l.clock.highest()
	}
	head, err := l.create(ctx)
	if err != nil {
		l.seldom(slog.LevelError, "revocation: the list is gone and cannot be begun anew", "store", l.where(), "error", err)
		return err
	}
	l.seldom(slog.LevelWarn, "revocation: following a new list, the old one is lost", "known_up_to", v.m.String())
	known := v.m.MS
	if v = l.credible(v, head.MS); !plausible(known, now) {
		known = l.LogTime()
	}
	// Known first: a store that has our entries and does not say that it lacks others
	// would be believed. Born as well: whoever began this list may have counted from
	// behind what tokens say, and its entries would seem older than those.
	loss := revlog.Repair{List: head.ID, Known: known, KnownTerm: v.head.Term(), Born: l.stamped}
	if _, err := l.repair(ctx, loss); err != nil {
		return err
	}
	if err := l.republish(ctx, v, head.ID); err != nil {
		return err
	}
	return l.resume(ctx, v, head, head.Born, true, now)
}

// mend follows a list whose log is not the one v followed, as after a failover
// that lost its tail or a restart from a snapshot (R10).
func (l *Replica) mend(ctx context.Context, v *view, now time.Time) error {
	head := v.head
	from, whole, err := l.holdsWhatTheRingLacks(ctx, v)
	if err != nil {
		return err
	}
	joined := whole
	// A snapshot may also be from before the list was found to lack something, or
	// before everyone was to be asked about.
	repair := revlog.Repair{List: head.ID, Known: head.Known, KnownTerm: head.KnownTerm, Born: head.Born, Recheck: head.Floor > 0}
	if !whole {
		repair.Known, repair.KnownTerm = v.m.MS, head.Term()
	}
	w, err := l.repair(ctx, repair)
	if err != nil {
		return err
	}
	if !whole {
		from, joined = l.after(v, w.Head)
	}
	if err := l.republish(ctx, v, head.ID); err != nil {
		return err
	}
	return l.resume(ctx, v, head, from, joined, now)
}

// after returns from which log time on a log that lost more than the ring of v
// makes up for has to be read, and whether that leaves nothing out. A primary that
// came back from a snapshot wrote all that v cannot know after the last beat of
// that snapshot, which is where its line starts.
func (l *Replica) after(v *view, h revlog.Head) (from int64, joined bool) {
	n := len(h.Terms)
	if n == 0 || h.Term() == v.head.Term() || h.Terms[n-1].Start > v.m.MS {
		return h.MS, false
	}
	return h.Terms[n-1].Start, true
}

// holdsWhatTheRingLacks reports whether the log still has all that came before
// the exact ring of v, which makes up for the rest, and from which log time on the
// two may differ. It is enough to find the oldest entry of the ring, or the one
// before it: where little is revoked, the ring may hold nothing but what was lost.
func (l *Replica) holdsWhatTheRingLacks(ctx context.Context, v *view) (from int64, whole bool, _ error) {
	w := v.now
	if len(w.ring) == 0 {
		return 0, false, nil
	}
	at := w.ring[0]
	p, err := l.fetch(ctx, v.head.ID, at.Position, false)
	switch {
	case err != nil:
		return 0, false, err
	case len(p.Entries) > 0 && p.Entries[0].Position == at.Position && p.Entries[0].Chain == at.Chain:
		return at.Position.MS, true, nil
	case !w.anchored:
		return 0, false, nil
	case w.anchor.Position.N == 0: // the ring holds the whole log
		return v.head.Born, true, nil
	case p.Head.N == w.anchor.Position.N && p.Head.Chain == w.anchor.Chain:
		return min(p.Head.MS, at.Position.MS), true, nil
	case w.anchor.Position.MS == 0: // its number is known, not its place
		return 0, false, nil
	}
	at = w.anchor
	p, err = l.fetch(ctx, v.head.ID, at.Position, false)
	if err != nil {
		return 0, false, err
	}
	return at.Position.MS, len(p.Entries) > 0 && p.Entries[0].Position == at.Position && p.Entries[0].Chain == at.Chain, nil
}

// republish writes what v knows exactly into list g. Writing again what the list
// has changes nothing.
func (l *Replica) republish(ctx context.Context, v *view, g revlog.ListID) error {
	var all []revlog.Assertion
	for k, m := range v.marks {
		all = append(all, l.join(g, k.Scope, k.Tag, m.w, m.until))
	}
	for _, e := range v.now.ring {
		all = append(all, l.join(g, e.Scope, e.Tag, e.W, e.Until))
	}
	for len(all) > 0 {
		n := min(len(all), joinBatch)
		if _, err := l.repair(ctx, revlog.Repair{List: g, Assertions: all[:n]}); err != nil {
			return err
		}
		all = all[n:]
	}
	l.counters.anomalies.add("republished")
	return nil
}

func (l *Replica) join(g revlog.ListID, s revlog.Scope, t revlog.Tag, w, until int64) revlog.Assertion {
	return revlog.Assertion{
		Scope: s, Tag: t, When: revlog.AsGiven, W: w, Until: until,
		Version: revlog.Layout, MAC: l.tags.entryMAC(g, revlog.Layout, s, t),
	}
}

// resume begins a view of the list from a log time on, with the window of v kept
// apart. joined says that the new window, from there on, and the old one leave
// nothing out between them.
func (l *Replica) resume(ctx context.Context, v *view, head revlog.Head, from int64, joined bool, now time.Time) error {
	n, _, err := l.begin(ctx, head, from, now)
	if err != nil {
		return err
	}
	n.marks = n.marks.merge(v.marks)
	n.leaps = l.leapt(v, n.head.MS)
	lost := *v.now
	lost.line, lost.joined = v.head.Term(), joined
	n.before = &lost
	l.filler = nil
	l.publish(n)
	return nil
}
