package revocation

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// RevokeMany revokes sessions, subjects or groups by the thousand or the million,
// as after a leak of ids. They go into the exact set only: a log of so many would
// push everything else out of every replica's window. When all are there, every
// session is asked about once, which costs the store one question a session.
// targets is ranged over twice: nothing is written if one of them is no good.
//
// progress, if not nil, is called with the number written so far. RevokeMany may
// be repeated after an error; until it returned without one, other replicas may
// know of none of them.
func (l *List) RevokeMany(ctx context.Context, targets iter.Seq[Target], progress func(n int)) (Receipt, error) {
	switch {
	case l.store == nil:
		return Receipt{}, ErrDisabled
	case l.closed.Load():
		return Receipt{}, ErrClosed
	}
	for t := range targets {
		if t.scope.mark() {
			return Receipt{}, fmt.Errorf("%w: %v is one revocation, not many", ErrTarget, t.scope)
		}
		if err := t.check(); err != nil {
			return Receipt{}, err
		}
	}
	v := l.view.Load()
	if v == nil {
		return Receipt{}, ErrNotReady
	}
	list := v.head.Genesis
	var batch []Assertion
	receipt, n := Receipt{}, 0
	send := func(b Batch) error {
		b.List, b.Floor, b.Skew, b.Ack = list, l.seen.Load(), l.Within(), l.config.Ack
		w, err := l.store.Write(ctx, b)
		switch {
		case err != nil:
			return fmt.Errorf("%w: after %d of them: %w", ErrUnavailable, n, err)
		case w.Replicas < b.Ack.Replicas:
			return fmt.Errorf("%w: after %d of them: %d of %d replicas acknowledged", ErrUnavailable, n, w.Replicas, b.Ack.Replicas)
		}
		l.heard(w.Head.MS)
		for _, r := range w.Results {
			receipt.Changed = receipt.Changed || r.Changed
		}
		receipt.Position, receipt.Replicas = w.Head.Position().String(), w.Replicas
		n += len(b.Assertions)
		if progress != nil {
			progress(n)
		}
		return nil
	}
	for t := range targets {
		a := Assertion{Scope: t.scope, Tag: l.tags.of(t), Version: Layout, When: AtNow}
		if t.scope == ScopeSession {
			a.When, a.W = AsGiven, Forever
		}
		batch = append(batch, a)
		if len(batch) == joinBatch {
			if err := send(Batch{Assertions: batch, Quiet: true}); err != nil {
				return Receipt{}, err
			}
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		if err := send(Batch{Assertions: batch, Quiet: true}); err != nil {
			return Receipt{}, err
		}
	}
	if err := send(Batch{Recheck: true}); err != nil {
		return Receipt{}, err
	}
	done := time.Now()
	receipt.Effective, receipt.WorstCase = done.Add(l.Within()), done.Add(l.Grace())
	return receipt, nil
}
