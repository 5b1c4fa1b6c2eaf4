package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// keyKept is how long the revocation of a key is remembered: longer than anything
// it sealed can live, since a ring is made for sessions of 10 years at most. Such
// entries are few, and every replica holds them all.
const keyKept = 11 * 365 * 24 * time.Hour

// A Revocation says what to revoke, and revocation.Options what its fields mean.
type Revocation struct {
	Scope  revlog.Scope
	Tag    revlog.Tag // zero for everyone
	Before time.Time  // not for a session
	Until  time.Time
	Owner  revlog.Tag // of a session: its subject; zero: not said
}

func (r Revocation) key() revlog.Key { return revlog.Key{Scope: r.Scope, Tag: r.Tag} }

// A Receipt is revocation.Receipt, which documents its fields.
type Receipt struct {
	Position  string
	Changed   bool
	Replicas  int
	Effective time.Time
	WorstCase time.Time
	Ahead     time.Duration
}

// Revoke is revocation.List.Revoke.
func (l *Replica) Revoke(ctx context.Context, o Revocation) (Receipt, error) {
	switch {
	case l.store == nil:
		return Receipt{}, ErrDisabled
	case l.closed.Load():
		return Receipt{}, ErrClosed
	}
	now := time.Now()
	v := l.view.Load()
	if v == nil && o.Scope != revlog.ScopeSession && o.Scope != revlog.ScopeKey {
		return Receipt{}, ErrNotReady // what "now" is in the list is not known yet
	}
	if o.Scope == revlog.ScopeSession {
		o.Before = time.Time{} // means nothing, also if it becomes one of the subject
	}
	o = l.fold(o, v)
	k, a, err := l.assertion(o, now)
	if err != nil {
		return Receipt{}, err
	}
	s := sending{w: a.W, until: a.Until, subject: o.Owner}
	mine, before, full := l.outbox.put(k, s)
	switch {
	case full == nil:
		a.Until = mine.until // also as long as what was asked for before and still waits
	case v == nil:
		l.counters.full.Add(1)
		return Receipt{}, full
	}
	if v == nil {
		return Receipt{}, errBooting
	}
	w, err := l.append(ctx, v.head.ID, a, now)
	switch {
	case errors.Is(err, revlog.ErrFuture):
		l.outbox.withdraw(k, mine, before)
		return Receipt{}, l.future()
	case err != nil && full != nil:
		l.counters.full.Add(1)
		return Receipt{}, fmt.Errorf("%w: %w", full, err)
	case err != nil:
		l.outbox.miss(k, mine)
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if full == nil {
		l.outbox.acknowledge(k, mine, placed(w, l.config.Ack), w.Results[0])
	} else {
		l.outbox.add(k, s, placed(w, l.config.Ack), w.Results[0])
	}
	return l.receipt(w, !o.Before.IsZero())
}

// append sends one revocation to the store.
func (l *Replica) append(ctx context.Context, list revlog.ListID, a revlog.Assertion, now time.Time) (revlog.Written, error) {
	w, err := l.send(ctx, revlog.Append{
		List: list, Floor: l.clock.present(now), Skew: l.Within(), Assertions: []revlog.Assertion{a}, Request: newRequest(), Ack: l.config.Ack,
	})
	if err == nil {
		l.clock.heard(w.Head.MS, true)
	}
	return w, err
}

// receipt says what the store made of one revocation; upTo, that it was of sessions
// that began up to a moment of the caller's.
func (l *Replica) receipt(w revlog.Written, upTo bool) (Receipt, error) {
	r := w.Results[0]
	if w.Replicas < l.config.Ack.Replicas {
		return Receipt{}, fmt.Errorf("%w: stored, but %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, l.config.Ack.Replicas)
	}
	l.counters.acknowledged.Add(1)
	done := time.Now()
	receipt := Receipt{
		Position: r.Position.String(), Changed: r.Changed, Replicas: w.Replicas,
		Effective: done.Add(l.Within()), WorstCase: done.Add(l.Grace()),
	}
	if upTo {
		receipt.Ahead = l.aheadOfClock(w.Head.MS, done)
	}
	return receipt, nil
}

// fold returns what to revoke instead of o: while the store is silent, one account
// that signs in and out again and again must not fill the outbox, so that nobody
// else's logout is remembered.
func (l *Replica) fold(o Revocation, v *view) Revocation {
	if v == nil || o.Scope != revlog.ScopeSession || o.Owner == (revlog.Tag{}) {
		o.Owner = revlog.Tag{}
		return o
	}
	if !l.outbox.full(o.Owner) || l.outbox.w(o.key()) >= 0 {
		return o
	}
	l.seldom(slog.LevelWarn, "revocation: too many sessions of one subject wait for the store: all its sessions are revoked")
	return Revocation{Scope: revlog.ScopeSubject, Tag: o.Owner, Until: o.Until}
}

// assertion works out what to write for o. Its W is what this replica refuses by
// until the store has answered: the store's own will not be lower.
func (l *Replica) assertion(o Revocation, now time.Time) (revlog.Key, revlog.Assertion, error) {
	present := l.clock.present(now)
	if v := l.view.Load(); v != nil {
		present = max(present, v.m.MS) // which may be too late to be believed (R27)
	}
	k, until := o.key(), int64(0)
	if !o.Until.IsZero() {
		until = o.Until.UnixMilli()
	}
	if o.Scope == revlog.ScopeKey {
		until = max(until, max(present, now.UnixMilli())+keyKept.Milliseconds())
	}
	reach := present + l.Within().Milliseconds()
	switch {
	case o.Scope == revlog.ScopeSession || o.Scope == revlog.ScopeKey:
		return k, l.assert(k, revlog.Forever, until), nil
	case o.Before.IsZero():
		return k, l.upToNow(k, until, present), nil
	case o.Before.UnixMilli() > reach:
		return k, revlog.Assertion{}, l.future()
	}
	a := l.assert(k, o.Before.UnixMilli(), until)
	a.When = revlog.Before
	return k, a, nil
}

// flush sends what the store has not acknowledged, as it stands: a W that was
// "now" the first time must not become a later now (R5, R20). It reports whether
// anything is left to send.
func (l *Replica) flush(ctx context.Context) (more bool, _ error) {
	if l.outbox.n.Load() == 0 {
		return false, nil
	}
	v := l.view.Load()
	if v == nil {
		return true, errBooting
	}
	var batch []revlog.Assertion
	unsent := l.outbox.unsent(joinBatch)
	floor := l.clock.present(time.Now())
	keys := slices.SortedFunc(maps.Keys(unsent), byKey)
	for _, k := range keys {
		s := unsent[k]
		w := l.credibleW(s.w, max(floor, v.m.MS))
		if w != revlog.Forever {
			floor = max(floor, w-l.Within().Milliseconds())
		}
		batch = append(batch, l.assert(k, w, s.until))
	}
	if len(keys) == 0 {
		return false, nil
	}
	// Their W may lie ahead of a log time that stood still meanwhile. Whoever logs in
	// from now on begins after them, and has to stay within reach of the next "now".
	ack := revlog.Ack{Replicas: l.config.Ack.Replicas, Timeout: l.Within() / 4}
	var patience time.Duration
	if ack.Replicas > 0 {
		patience = ack.Timeout
	}
	again := revlog.Append{List: v.head.ID, Floor: max(floor, l.clock.highest()), Assertions: batch, Ack: ack}
	w, err := l.write(ctx, again, patience)
	if err != nil {
		return true, err
	}
	for i, r := range w.Results {
		l.outbox.acknowledge(keys[i], unsent[keys[i]], placed(w, ack), r)
	}
	if w.Replicas < ack.Replicas {
		return true, fmt.Errorf("%w: stored, but %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, ack.Replicas)
	}
	l.counters.acknowledged.Add(uint64(len(keys)))
	return len(keys) == joinBatch, nil
}
