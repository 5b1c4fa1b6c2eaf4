package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// keyKept is how long the revocation of a key is remembered: longer than anything
// it sealed can live, since a ring is made for sessions of 10 years at most. Such
// entries are few, and every replica holds them all.
const keyKept = 11 * 365 * 24 * time.Hour

// Revoke ends every session that t names, as o says. From the call on this
// replica refuses them; when it returns without error the store has it, and every
// replica that reaches the store refuses them from Receipt.Effective on.
//
// With [ErrUnavailable] the store has not acknowledged it. The replica keeps
// refusing, and sends it again until the store takes it. To revoke again what still
// waits for the store asks the store again: no error means that it is acknowledged
// now. To revoke what the store has already changes nothing and is no error.
//
// Before the list is ready (see [Config.StartWithoutStore]) that is so for sessions
// and keys; other targets are ErrNotReady then.
//
// With [ErrOutboxFull] or [ErrNotReady], which wrap ErrUnavailable, nothing was
// done: it is not refused here and will not be sent. Call Revoke again later.
func (l *List) Revoke(ctx context.Context, t Target, o Options) (Receipt, error) {
	switch {
	case l.store == nil:
		return Receipt{}, ErrDisabled
	case l.closed.Load():
		return Receipt{}, ErrClosed
	}
	if err := t.check(); err != nil {
		return Receipt{}, err
	}
	now := time.Now()
	v := l.view.Load()
	if v == nil && t.scope != ScopeSession && t.scope != ScopeKey {
		return Receipt{}, ErrNotReady // what "now" is in the list is not known yet
	}
	if t.scope == ScopeSession {
		o.Before = time.Time{} // means nothing, also if it becomes one of the subject
	}
	var owner Tag
	t, owner = l.fold(t, o, v)
	k, a, err := l.assertion(t, o, now)
	if err != nil {
		return Receipt{}, err
	}
	s := sending{w: a.W, until: a.Until, subject: owner}
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
	list := v.head.Genesis
	a.MAC = l.tags.entryMAC(list, a.Version, a.Scope, a.Tag)
	w, err := l.store.Write(ctx, Batch{
		List: list, Floor: l.present(now), Skew: l.Within(), Assertions: []Assertion{a}, Ack: l.config.Ack,
	})
	switch {
	case errors.Is(err, ErrFuture):
		l.outbox.withdraw(k, mine, before)
		return Receipt{}, err
	case err != nil && full != nil:
		l.counters.full.Add(1)
		return Receipt{}, fmt.Errorf("%w: %w", full, err)
	case err != nil:
		l.outbox.miss(k, mine)
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r := w.Results[0]
	l.heard(w.Head.MS)
	if full == nil {
		l.outbox.acknowledge(k, mine, placed(w, l.config.Ack), r)
	} else {
		l.outbox.add(k, s, placed(w, l.config.Ack), r)
	}
	if w.Replicas < l.config.Ack.Replicas {
		return Receipt{}, fmt.Errorf("%w: stored, but %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, l.config.Ack.Replicas)
	}
	done := time.Now()
	return Receipt{
		Position: r.Position.String(), Changed: r.Changed, Replicas: w.Replicas,
		Effective: done.Add(l.Within()), WorstCase: done.Add(l.Grace()),
	}, nil
}

// fold returns what to revoke instead of t, and whose session t is: while the
// store is silent, one account that signs in and out again and again must not fill
// the outbox, so that nobody else's logout is remembered.
func (l *List) fold(t Target, o Options, v *view) (_ Target, owner Tag) {
	whose := Subject(o.Subject)
	if v == nil || t.scope != ScopeSession || whose.check() != nil {
		return t, Tag{}
	}
	owner = l.tags.of(whose)
	if !l.outbox.full(owner) || l.outbox.w(exactKey{t.scope, l.tags.of(t)}) >= 0 {
		return t, owner
	}
	l.seldom(slog.LevelWarn, "revocation: too many sessions of one subject wait for the store: all its sessions are revoked")
	return whose, Tag{}
}

// assertion works out what to write for t. Its W is what this replica refuses by
// until the store has answered: the store's own will not be lower.
func (l *List) assertion(t Target, o Options, now time.Time) (exactKey, Assertion, error) {
	present := l.present(now)
	a := Assertion{Scope: t.scope, Version: Layout, When: AtNow, W: present + l.Within().Milliseconds()}
	if t.scope != ScopeEveryone {
		a.Tag = l.tags.of(t)
	}
	if !o.Until.IsZero() {
		a.Until = o.Until.UnixMilli()
	}
	if t.scope == ScopeKey {
		a.Until = max(a.Until, max(present, now.UnixMilli())+keyKept.Milliseconds())
	}
	switch {
	case t.scope == ScopeSession || t.scope == ScopeKey:
		a.When, a.W = AsGiven, Forever
	case !o.Before.IsZero():
		a.When, a.W = Before, o.Before.UnixMilli()
		if a.W < 0 {
			return exactKey{}, a, fmt.Errorf("%w: before lies before 1970", ErrTarget)
		}
		if a.W > present+l.Within().Milliseconds() {
			return exactKey{}, a, ErrFuture
		}
	}
	return exactKey{a.Scope, a.Tag}, a, nil
}

// flush sends what the store has not acknowledged, as it stands: a W that was
// "now" the first time must not become a later now (R5, R20). It reports whether
// anything is left to send.
func (l *List) flush(ctx context.Context) (more bool, _ error) {
	if l.outbox.n.Load() == 0 {
		return false, nil
	}
	v := l.view.Load()
	if v == nil {
		return true, errBooting
	}
	list := v.head.Genesis
	var keys []exactKey
	var batch []Assertion
	unsent := l.outbox.unsent(joinBatch)
	for k, s := range unsent {
		keys = append(keys, k)
		batch = append(batch, l.join(list, k.scope, k.tag, s.w, s.until))
	}
	if len(keys) == 0 {
		return false, nil
	}
	// Their W may lie ahead of a log time that stood still meanwhile. Whoever logs in
	// from now on begins after them, and has to stay within reach of the next "now".
	ack := Ack{Replicas: l.config.Ack.Replicas, Timeout: l.Within() / 4}
	w, err := l.write(ctx, Batch{List: list, Floor: l.present(time.Now()), Assertions: batch, Ack: ack})
	if err != nil {
		return true, err
	}
	for i, r := range w.Results {
		l.outbox.acknowledge(keys[i], unsent[keys[i]], placed(w, ack), r)
	}
	if w.Replicas < ack.Replicas {
		return true, fmt.Errorf("%w: stored, but %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, ack.Replicas)
	}
	return len(keys) == joinBatch, nil
}
