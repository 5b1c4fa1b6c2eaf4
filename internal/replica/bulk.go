package replica

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
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
	err := b.all(all)
	l.audit.many(ctx, b.n, b.out.Changed, b.head, err)
	if err != nil {
		return Receipt{}, err
	}
	receipt := b.out
	done := time.Now()
	receipt.Effective, receipt.WorstCase = done.Add(l.Within()), done.Add(l.Grace())
	return receipt, nil
}

// all writes all revocations, and then lets replicas know.
func (b *bulk) all(all iter.Seq[Revocation]) error {
	var batch []Revocation
	for o := range all {
		if batch = append(batch, o); len(batch) == joinBatch {
			if err := b.write(revlog.Bulk{Assertions: b.part(batch)}); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		if err := b.write(revlog.Bulk{Assertions: b.part(batch)}); err != nil {
			return err
		}
	}
	return b.write(revlog.Bulk{Recheck: true})
}

// A bulk is a RevokeMany in progress.
type bulk struct {
	*Replica
	ctx      context.Context
	list     revlog.ListID
	progress func(n int)

	out  Receipt
	head revlog.Head // after the newest write
	n    int         // revocations written
}

// part returns what to write for one part. The caller must send it at once, because "now"
// means the present.
func (b *bulk) part(some []Revocation) (all []revlog.Assertion) {
	now := max(b.clock.present(time.Now()), b.view.Load().m.MS)
	for _, o := range some {
		if o.Scope == revlog.ScopeSession {
			all = append(all, b.assert(o.key(), "", revlog.Forever, 0))
		} else {
			all = append(all, b.upToNow(o.key(), "", 0, now))
		}
	}
	return all
}

func (b *bulk) write(w revlog.Bulk) error {
	w.List, w.Floor, w.Skew, w.Ack = b.list, b.clock.highest(), b.Within(), b.config.Ack
	written, err := b.send(b.ctx, w)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: after %d of them: %w", ErrUnavailable, b.n, err)
	case written.Replicas < w.Ack.Replicas:
		err = fmt.Errorf("%w: after %d of them: %d of %d replicas acknowledged", ErrUnavailable, b.n, written.Replicas, w.Ack.Replicas)
	}
	b.audit.revoked(b.ctx, recorded{w.Assertions, written, true}, err) // a store that fell silent may have them
	if err != nil {
		return err
	}
	b.clock.heard(written.Head.MS, true)
	b.head = written.Head
	for _, r := range written.Results {
		b.out.Changed = b.out.Changed || r.Changed
	}
	b.out.Position, b.out.Replicas, b.out.AsOf = written.Head.Position().String(), written.Replicas, asOfText(written.Head)
	b.n += len(w.Assertions)
	b.counters.acknowledged.Add(uint64(len(w.Assertions)))
	if b.progress != nil {
		b.progress(b.n)
	}
	return nil
}
