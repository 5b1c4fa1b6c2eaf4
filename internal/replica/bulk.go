package replica

import (
	"context"
	"fmt"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"iter"
	"time"
)

// RevokeMany is revocation.List.RevokeMany.
func (l *Replica) RevokeMany(ctx context.Context, all iter.Seq[Revocation], progress func(n int)) (Receipt, error) {
	switch {
	case l.store == nil:
		return Receipt{}, ErrDisabled
	case l.closed.Load():
		return Receipt{}, ErrClosed
	}
	v := l.view.Load()
	if v == nil {
		return Receipt{}, ErrNotReady
	}
	list := v.head.ID
	var batch []revlog.Assertion
	receipt, n := Receipt{}, 0
	send := func(b revlog.Bulk) error {
		b.List, b.Floor, b.Skew, b.Ack = list, l.clock.highest(), l.Within(), l.config.Ack
		w, err := l.send(ctx, b)
		switch {
		case err != nil:
			return fmt.Errorf("%w: after %d of them: %w", ErrUnavailable, n, err)
		case w.Replicas < b.Ack.Replicas:
			return fmt.Errorf("%w: after %d of them: %d of %d replicas acknowledged", ErrUnavailable, n, w.Replicas, b.Ack.Replicas)
		}
		l.clock.heard(w.Head.MS, true)
		for _, r := range w.Results {
			receipt.Changed = receipt.Changed || r.Changed
		}
		receipt.Position, receipt.Replicas = w.Head.Position().String(), w.Replicas
		n += len(b.Assertions)
		l.counters.acknowledged.Add(uint64(len(b.Assertions)))
		if progress != nil {
			progress(n)
		}
		return nil
	}
	for o := range all {
		a := revlog.Assertion{Scope: o.Scope, Tag: o.Tag, Version: revlog.Layout, When: revlog.AtNow}
		if o.Scope == revlog.ScopeSession {
			a.When, a.W = revlog.AsGiven, revlog.Forever
		}
		batch = append(batch, a)
		if len(batch) == joinBatch {
			if err := send(revlog.Bulk{Assertions: batch}); err != nil {
				return Receipt{}, err
			}
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		if err := send(revlog.Bulk{Assertions: batch}); err != nil {
			return Receipt{}, err
		}
	}
	if err := send(revlog.Bulk{Recheck: true}); err != nil {
		return Receipt{}, err
	}
	done := time.Now()
	receipt.Effective, receipt.WorstCase = done.Add(l.Within()), done.Add(l.Grace())
	return receipt, nil
}
