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
	b := &bulk{Replica: l, ctx: ctx, list: v.head.ID, progress: progress}
	var batch []revlog.Assertion
	for o := range all {
		a := revlog.Assertion{Scope: o.Scope, Tag: o.Tag, Version: revlog.Layout, When: revlog.AtNow}
		if o.Scope == revlog.ScopeSession {
			a.When, a.W = revlog.AsGiven, revlog.Forever
		}
		batch = append(batch, a)
		if len(batch) == joinBatch {
			if err := b.write(revlog.Bulk{Assertions: batch}); err != nil {
				return Receipt{}, err
			}
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		if err := b.write(revlog.Bulk{Assertions: batch}); err != nil {
			return Receipt{}, err
		}
	}
	if err := b.write(revlog.Bulk{Recheck: true}); err != nil {
		return Receipt{}, err
	}
	receipt := b.out
	done := time.Now()
	receipt.Effective, receipt.WorstCase = done.Add(l.Within()), done.Add(l.Grace())
	return receipt, nil
}

// A bulk is a RevokeMany under way.
type bulk struct {
	*Replica
	ctx      context.Context
	list     revlog.ListID
	progress func(n int)

	out Receipt
	n   int // revocations written
}

func (b *bulk) write(w revlog.Bulk) error {
	w.List, w.Floor, w.Skew, w.Ack = b.list, b.clock.highest(), b.Within(), b.config.Ack
	written, err := b.send(b.ctx, w)
	switch {
	case err != nil:
		return fmt.Errorf("%w: after %d of them: %w", ErrUnavailable, b.n, err)
	case written.Replicas < w.Ack.Replicas:
		return fmt.Errorf("%w: after %d of them: %d of %d replicas acknowledged", ErrUnavailable, b.n, written.Replicas, w.Ack.Replicas)
	}
	b.clock.heard(written.Head.MS, true)
	for _, r := range written.Results {
		b.out.Changed = b.out.Changed || r.Changed
	}
	b.out.Position, b.out.Replicas = written.Head.Position().String(), written.Replicas
	b.n += len(w.Assertions)
	b.counters.acknowledged.Add(uint64(len(w.Assertions)))
	if b.progress != nil {
		b.progress(b.n)
	}
	return nil
}
