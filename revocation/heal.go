package revocation

import (
	"context"
	"time"
)

const joinBatch = 1000 // assertions republished at once

// adopt follows the list the store holds now, after it lost the one v is of:
// what this replica knows goes into it, and the window of v is kept apart to
// settle what the new list cannot know (R11). now is when the read began.
func (l *List) adopt(ctx context.Context, v *view, now time.Time) error {
	head, err := l.create(ctx)
	if err != nil {
		l.log.Error("revocation: the list is gone and cannot be begun anew", "error", err)
		return err
	}
	l.log.Warn("revocation: following a new list, the old one is lost", "known_up_to", v.m.String())
	// Born first: a store that has our entries and does not say that it lacks others
	// would be believed.
	if _, err := l.write(ctx, Batch{List: head.Genesis, Born: v.m.MS}); err != nil {
		return err
	}
	if err := l.republish(ctx, v, head.Genesis); err != nil {
		return err
	}
	return l.resume(ctx, v, head, head.Born, true, now)
}

// mend follows a list whose log is not the one v followed, as after a failover
// that lost its tail or a restart from a snapshot (R10).
func (l *List) mend(ctx context.Context, v *view, now time.Time) error {
	head := v.head
	whole, err := l.holdsRing(ctx, v)
	if err != nil {
		return err
	}
	from := int64(0)
	if whole {
		from = v.now.ring[0].Position.MS
	} else {
		w, err := l.write(ctx, Batch{List: head.Genesis, Born: v.m.MS})
		if err != nil {
			return err
		}
		from = w.Head.MS
	}
	if err := l.republish(ctx, v, head.Genesis); err != nil {
		return err
	}
	return l.resume(ctx, v, head, from, whole, now)
}

// holdsRing reports whether the log still has the oldest entry of the exact ring:
// then all before it is as it was, and the ring makes up for the rest.
func (l *List) holdsRing(ctx context.Context, v *view) (bool, error) {
	if len(v.now.ring) == 0 {
		return false, nil
	}
	oldest := v.now.ring[0]
	p, err := l.fetch(ctx, v.head.Genesis, oldest.Position, false)
	if err != nil {
		return false, err
	}
	return len(p.Entries) > 0 && p.Entries[0].Position == oldest.Position && p.Entries[0].Chain == oldest.Chain, nil
}

// republish writes what v knows exactly into list g. Writing again what the list
// has changes nothing.
func (l *List) republish(ctx context.Context, v *view, g Genesis) error {
	var all []Assertion
	for k, m := range v.marks {
		all = append(all, l.join(g, k.scope, k.tag, m.w, m.until))
	}
	for _, e := range v.now.ring {
		all = append(all, l.join(g, e.Scope, e.Tag, e.W, e.Until))
	}
	for len(all) > 0 {
		n := min(len(all), joinBatch)
		if _, err := l.write(ctx, Batch{List: g, Assertions: all[:n]}); err != nil {
			return err
		}
		all = all[n:]
	}
	l.counters.anomalies.add("republished")
	return nil
}

func (l *List) join(g Genesis, s Scope, t Tag, w, until int64) Assertion {
	return Assertion{
		Scope: s, Tag: t, When: AsGiven, W: w, Until: until,
		Version: Layout, MAC: l.tags.entryMAC(g, Layout, s, t),
	}
}

// resume begins a view of the list from a log time on, with the window of v kept
// apart. joined says that the new window, from there on, and the old one leave
// nothing out between them.
func (l *List) resume(ctx context.Context, v *view, head Head, from int64, joined bool, now time.Time) error {
	n, _, err := l.begin(ctx, head, from, now)
	if err != nil {
		return err
	}
	n.marks = n.marks.merge(v.marks)
	lost := *v.now
	lost.line, lost.joined = v.head.Line(), joined
	n.before = &lost
	l.filler = nil
	l.publish(n)
	return nil
}
