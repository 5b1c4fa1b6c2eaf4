package replica

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// step is one read cycle: one read of the log, and then the revocations that wait for the
// store, what is to be written back, and the backfill. now is when it began.
func (l *Replica) step(ctx context.Context, now time.Time) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.tell(now) // a process that was paused is stale until it has read
	err := l.read(ctx, now)
	if err == nil {
		l.silent.Store(false)
	}
	end := time.Now()
	slept := end.Sub(now) > l.Within() // so the result says nothing about the store
	l.turns.end(!slept && (err != nil || !l.fresh(end)))
	if err != nil {
		l.counters.reads.add("failed")
		if ctx.Err() == nil {
			l.told.failed = err
			l.tell(time.Now())
		}
		l.forgetUsage(now)
		return
	}
	l.counters.reads.add("ok")
	l.told.failed = nil
	l.tell(time.Now())
	if _, err := l.flush(ctx); err != nil && ctx.Err() == nil {
		l.seldom(slog.LevelWarn, "revocation: revocations of this replica wait for the store, which does not take them",
			"store", l.where(), "waiting", l.outbox.n.Load(), "error", err)
	}
	l.register(ctx, now)
	if err := l.writeBack(ctx); err != nil && ctx.Err() == nil {
		l.seldom(slog.LevelWarn, "revocation: the store does not take back what it lost: trying again", "store", l.where(), "error", err)
	}
	if l.filler != nil {
		l.view.Store(l.fillBehind(ctx, l.view.Load(), time.Now().Add(fillFor)))
	}
	l.count(ctx, now)
	l.measure(ctx, now)
	l.sing(ctx, now)
	l.watchDenied(now)
}

// read applies what the log has since the last view, and repairs what it finds broken. The
// caller holds reading.
func (l *Replica) read(ctx context.Context, now time.Time) error {
	v, mended := l.view.Load(), false
	globals := false
	for {
		globals = globals || v.lacksGlobals
		p, err := l.fetch(ctx, revlog.Cursor{List: v.head.ID, From: v.cursor(), Globals: globals})
		switch {
		case errors.Is(err, revlog.ErrLost):
			l.counters.anomalies.add("lost")
			return l.adopt(ctx, v, err, now)
		case errors.Is(err, revlog.ErrOtherList):
			l.counters.anomalies.add("other_list")
			return l.adopt(ctx, v, err, now)
		case err != nil:
			return err
		}
		entries, err := v.follow(p)
		switch {
		case errors.Is(err, errBroken) && mended && v.adrift:
			return err
		case errors.Is(err, errBroken) && mended:
			v = l.leave(v, p.Head)
			continue
		case errors.Is(err, errBroken):
			if v, err = l.mend(ctx, v, p, now); err != nil {
				return err
			}
			l.publish(v) // so that this result is not lost if the next page fails
			l.canaries.looked = time.Time{}
			mended = true
			continue
		case errors.Is(err, errTrimmed) && !globals:
			globals = true // those of the gap are no longer in the log
			continue
		case errors.Is(err, errTrimmed):
			if v, err = l.passGap(ctx, v, p, entries); err != nil {
				return err
			}
		}
		if globals {
			v, globals = l.withGlobals(v, p), false
		}
		v = l.advance(v, p, entries, now)
		l.publish(v)
		l.heeds(v, p, entries)
		l.identity.called = rollOf(p)
		if !p.More {
			l.canaries.looked = now
			return l.keepRetain(ctx, p.Head)
		}
	}
}

// keepRetain increases the retention of the list if another replica created the list, or a
// snapshot brought back a list from before this process increased it (R4).
func (l *Replica) keepRetain(ctx context.Context, h revlog.Head) error {
	if h.Retain() >= l.config.retain() {
		return nil
	}
	_, err := l.repair(ctx, revlog.Repair{List: h.ID, Retain: l.config.retain()}, 0)
	return err
}

// cursor returns where v reads on: at its last entry itself, so that the replica notices if
// it reads another log (R9, R10).
func (v *view) cursor() revlog.Position {
	if v.last.MS != 0 {
		return v.last
	}
	return revlog.Position{MS: v.m.MS, N: v.last.N + 1}
}

// passGap returns v for a log that was trimmed past its last entry, and writes back what v
// holds.
func (l *Replica) passGap(ctx context.Context, v *view, p revlog.Page, entries []revlog.Entry) (*view, error) {
	l.counters.anomalies.add("trimmed")
	l.canaries.looked = time.Time{}
	if err := l.sayAgain(ctx, v, p.Head); err != nil {
		return nil, err
	}
	l.filler = nil
	return v.pastGap(p, entries), nil
}

// pastGap returns v for a log that was trimmed past the last entry of v. It goes on with
// the entries of p.
func (v *view) pastGap(p revlog.Page, entries []revlog.Entry) *view {
	at := p.Head.MS
	if len(entries) > 0 {
		at = entries[0].Position.MS
	}
	n := v.cut(at)
	if len(entries) == 0 {
		n.last, n.chain = revlog.Position{N: p.Head.N}, p.Head.Chain
	}
	return n
}

// cut returns v without everything at or before log time at.
func (v *view) cut(at int64) *view {
	n, w := *v, *v.now
	w.from, w.recentFrom, w.gens, w.recent, w.blocks = at, at, nil, nil, nil
	w.anchored, w.gap = false, true
	n.now = &w
	return &n
}

// advance returns v with entries of p applied. If p does not reach the end of the log, v
// gets no younger.
func (l *Replica) advance(v *view, p revlog.Page, entries []revlog.Entry, sent time.Time) *view {
	n := *v
	n.head, n.leaps = p.Head, l.leapt(v, p.Head.MS)
	n.m, n.got, n.logged = p.Head.Position(), time.Now(), logged(p)
	if len(entries) > 0 {
		last := entries[len(entries)-1]
		n.last, n.chain, n.adrift = last.Position, last.Chain, false
	}
	if p.More {
		n.m = n.last
	} else if p.Heartbeat <= l.Within() && !v.lacksGlobals {
		n.sent = sent.Add(-p.Heartbeat) // what the primary says is as old as its heartbeat
	}
	good, forgedAt := l.verify(entries)
	w := n.now.after(v, entries).add(good, n.m.MS, n.memory())
	w.cover(n.head.Floor) // a bulk revocation before it is in no window
	if forgedAt > 0 {
		w.cover(forgedAt)
		w.recentFrom, w.gap = max(w.recentFrom, forgedAt), true
	}
	n.now = w
	l.overtaken(&n, good)
	over := int64(0) // a view that just begins knows nothing of leaps yet, and forgets nothing
	if !v.sent.IsZero() {
		over = n.m.MS - leapsAfter(n.leaps, 0)
	}
	n.globals = n.globals.with(good, over)
	if !l.clock.heard(n.m.MS, p.Heartbeat <= l.Within()) {
		l.incredible(n.m.MS)
	}
	return &n
}

// logged returns how many entries the log has.
func logged(p revlog.Page) int64 {
	if p.Oldest.N == 0 {
		return 0
	}
	return p.Head.N - p.Oldest.N + 1
}

// verify returns the verified entries, and the newest log time of the others. Those are
// never just skipped: the window starts after them, so that the replica asks about every
// session checked before (R12).
func (l *Replica) verify(entries []revlog.Entry) (good []revlog.Entry, forgedAt int64) {
	good = make([]revlog.Entry, 0, len(entries))
	for _, e := range entries {
		if l.proven(e) {
			good = append(good, e)
			continue
		}
		forgedAt = e.Position.MS
	}
	return good, forgedAt
}

// publish makes v the view that decisions load, and then drops from the outbox what v
// holds. In this order no decision misses a revocation in both places.
func (l *Replica) publish(v *view) {
	l.noteTerm(l.view.Load(), v)
	if asks := v.globals.ask(); asks != v.globalsAsk { // v may be the one that decisions load already
		v.globalsAsk = asks
	}
	l.view.Store(v)
	l.outbox.seen(v)
}

// fetch is how the reader reads from the store, and write how it writes. An attempt that
// takes longer than S/4 would leave no time for another (R9).
func (l *Replica) fetch(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	return l.fetchFor(ctx, l.Within()/4, c)
}

// fetchFor is fetch with more patience, for a read that is not repeated soon.
func (l *Replica) fetchFor(ctx context.Context, patience time.Duration, c revlog.Cursor) (revlog.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.Floor = l.clock.highest()
	if c.Limit == 0 {
		c.Limit = pageLimit
	}
	return l.store.Read(ctx, c)
}

// send sends every write to the store, and counts it. If a "now" came too late, it repeats
// the write with a higher limit. If an unverified entry kept the store from taking an
// assertion, it has that entry replaced (R32).
func (l *Replica) send(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	out, err := l.store.Write(ctx, w)
	var late *revlog.LimitError
	if errors.As(err, &late) {
		w = l.inTime(w, late.LogTime)
		out, err = l.store.Write(ctx, w)
	}
	if err == nil {
		out, err = l.overForgeries(ctx, w, out)
	}
	if err == nil {
		err = l.hasten(ctx, w, out)
	}
	switch {
	case err == nil:
		l.counters.writes.add("ok")
	case !errors.Is(err, revlog.ErrFuture): // which is the caller's
		l.counters.writes.add("failed")
	}
	return out, err
}

func (l *Replica) write(ctx context.Context, w revlog.Write, patience time.Duration) (revlog.Written, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4+patience)
	defer cancel()
	out, err := l.send(ctx, w)
	if err == nil {
		l.clock.heard(out.Head.MS, true)
	}
	return out, err
}

func (l *Replica) repair(ctx context.Context, r revlog.Repair, patience time.Duration) (revlog.Written, error) {
	r.Floor = l.clock.highest()
	return l.write(ctx, r, patience)
}
