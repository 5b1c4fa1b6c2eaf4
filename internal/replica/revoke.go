package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// keyKept is how long the list keeps the revocation of a key. That is longer than anything
// that the key sealed can live, because a ring allows sessions of at most 10 years. Such
// entries are few, and every replica holds all of them.
const keyKept = 11 * 365 * 24 * time.Hour

// A Revocation says what to revoke, or what to ask of sessions. revocation.Options documents its
// fields.
type Revocation struct {
	Scope  revlog.Scope
	Tag    revlog.Tag // zero for everyone
	Effect revlog.Effect
	Over   time.Duration // of EndSlowly
	Before time.Time     // not for a session
	Until  time.Time
	Owner  revlog.Tag // of a session: its subject; zero: not said
	Wait   time.Duration
}

func (r Revocation) key() revlog.Key { return revlog.Key{Scope: r.Scope, Tag: r.Tag, Effect: r.Effect} }

// params returns the parameters of the entry, which are others at each call.
func (r Revocation) params() string {
	if r.Effect == revlog.EndSlowly {
		var id [8]byte
		rand.Read(id[:])
		return revlog.OverParams(r.Over, id)
	}
	return ""
}

// A Receipt is revocation.Receipt, which documents its fields.
type Receipt struct {
	Position  string
	Changed   bool
	Replicas  int
	Effective time.Time
	WorstCase time.Time
	Ahead     time.Duration
	Fleet     int
	Took      time.Duration
	Behind    []revlog.Replica
	AsOf      string
}

// Revoke is revocation.List.Revoke. It writes the audit record.
func (l *Replica) Revoke(ctx context.Context, o Revocation) (Receipt, error) {
	if l.store == nil {
		return Receipt{}, ErrDisabled
	}
	done := recorded{all: []revlog.Assertion{{Scope: o.Scope, Tag: o.Tag, Effect: o.Effect.Byte(), Params: o.params()}}}
	receipt, err := l.revoke(ctx, o, &done)
	l.audit.revoked(ctx, done, err)
	if err == nil && o.Wait > 0 {
		acked := time.Now()
		ctx, cancel := context.WithTimeout(ctx, o.Wait)
		defer cancel()
		err = l.everywhere(ctx, done.written.Head, acked, &receipt, nil)
	}
	return receipt, err
}

// Check returns the error with which Revoke would refuse such a revocation and do nothing, or nil. It
// cannot tell whether the store will answer.
func (l *Replica) Check(o Revocation) error {
	now, v := time.Now(), l.view.Load()
	switch {
	case l.store == nil:
		return ErrDisabled
	case l.closed.Load():
		return ErrClosed
	case v == nil && !o.key().Always():
		return ErrNotReady
	case l.underWay(v, o.key(), now):
		return ErrUnderWay
	}
	_, _, err := l.assertion(o, now)
	return err
}

// revoke is Revoke without the audit record. It puts into done what belongs there.
func (l *Replica) revoke(ctx context.Context, o Revocation, done *recorded) (Receipt, error) {
	now, v := time.Now(), l.view.Load()
	o, k, a, err := l.prepare(o, v, now)
	if err != nil {
		return Receipt{}, err
	}
	done.all = []revlog.Assertion{a}
	if k.Effect == revlog.EndSlowly {
		leave, err := l.oneAtATime(ctx, v, k, now)
		if err != nil {
			return Receipt{}, err
		}
		defer leave()
	}
	silent := l.makeWay(ctx, v, k, now)
	s := sending{w: a.W, until: a.Until, params: a.Params, subject: o.Owner}
	mine, before, full := l.outbox.put(k, s)
	switch {
	case errors.Is(full, ErrClosed):
		return Receipt{}, full // nobody would send it again
	case v == nil && full != nil:
		l.counters.full.Add(1)
		return Receipt{}, full
	case v == nil:
		return Receipt{}, errBooting
	case full == nil:
		a.Until = mine.until // at least as long as the revocation that still waits in its place
	}
	w, err := revlog.Written{}, silent
	if err == nil {
		w, err = l.append(ctx, v.head.ID, a, now)
	}
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
	if otherSlowly(a, w.Results[0]) {
		l.outbox.withdraw(k, mine, before)
		return Receipt{}, ErrUnderWay
	}
	done.written = w
	if full == nil {
		l.outbox.acknowledge(k, mine, placed(w, l.config.Ack), w.Results[0])
	} else {
		l.outbox.add(k, s, placed(w, l.config.Ack), w.Results[0])
	}
	return l.receipt(w, !o.Before.IsZero())
}

// prepare returns what to write for o, or for what is to be revoked instead of it.
func (l *Replica) prepare(o Revocation, v *view, now time.Time) (Revocation, revlog.Key, revlog.Assertion, error) {
	switch {
	case l.closed.Load():
		return o, revlog.Key{}, revlog.Assertion{}, ErrClosed
	case o.key().Always():
		o.Before = time.Time{} // has no meaning here, nor if this becomes a revocation of the subject
	case v == nil: // what "now" is in the list is not known yet
		return o, revlog.Key{}, revlog.Assertion{}, ErrNotReady
	}
	o = l.fold(o, v)
	k, a, err := l.assertion(o, now)
	return o, k, a, err
}

// append sends one revocation to the store. If a forged entry stands in its place that may hide
// what this replica has not read, append reads first.
func (l *Replica) append(ctx context.Context, list revlog.ListID, a revlog.Assertion, now time.Time) (revlog.Written, error) {
	send := func() (revlog.Written, error) {
		return l.send(ctx, revlog.Append{
			List: list, Floor: l.clock.present(now), Skew: l.Within(), Assertions: []revlog.Assertion{a}, Request: newRequest(), Ack: l.config.Ack,
		})
	}
	w, err := send()
	if err == errUnread && l.reads(ctx, w.Head) {
		w, err = send()
	}
	if err == nil {
		l.clock.heard(w.Head.MS, true)
	}
	return w, err
}

// receipt returns the receipt for one revocation that the store took. upTo says that the
// caller gave a moment up to which sessions are revoked.
func (l *Replica) receipt(w revlog.Written, upTo bool) (Receipt, error) {
	r := w.Results[0]
	if w.Replicas < l.config.Ack.Replicas {
		return Receipt{}, fmt.Errorf("%w: stored, but %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, l.config.Ack.Replicas)
	}
	l.counters.acknowledged.Add(1)
	done := time.Now()
	receipt := Receipt{
		Position: r.Position.String(), Changed: r.Changed, Replicas: w.Replicas,
		Effective: done.Add(l.Within()), WorstCase: done.Add(l.Grace()), AsOf: asOfText(w.Head),
	}
	if upTo {
		receipt.Ahead = l.aheadOfClock(w.Head.MS, done)
	}
	return receipt, nil
}

// fold returns what to revoke instead of o. While the store is silent, one account that
// logs in and out again and again must not fill the outbox, or the outbox would take nobody
// else's logout.
func (l *Replica) fold(o Revocation, v *view) Revocation {
	if v == nil || !o.key().Bare() || o.Owner == (revlog.Tag{}) {
		o.Owner = revlog.Tag{}
		return o
	}
	if !l.outbox.full(o.Owner) || l.outbox.w(o.key()) >= 0 {
		return o
	}
	l.seldom(slog.LevelWarn, "revocation: too many sessions of one subject wait for the store: all its sessions are revoked")
	return Revocation{Scope: revlog.ScopeSubject, Tag: o.Owner, Until: o.Until, Wait: o.Wait}
}

// assertion works out what to write for o. This replica refuses by its watermark until the
// store has answered. The store's watermark will not be lower.
func (l *Replica) assertion(o Revocation, now time.Time) (revlog.Key, revlog.Assertion, error) {
	present := l.clock.present(now)
	if v := l.view.Load(); v != nil {
		present = max(present, v.m.MS) // which may be an impossible time (R27)
	}
	k, until := o.key(), int64(0)
	if !o.Until.IsZero() {
		until = o.Until.UnixMilli()
	}
	if o.Effect == revlog.EndSlowly { // those it has not ended yet are not checked past it
		until = max(until, max(present, now.UnixMilli())+o.Over.Milliseconds()+l.config.retain().Milliseconds())
	}
	if o.Scope == revlog.ScopeKey {
		until = max(until, max(present, now.UnixMilli())+keyKept.Milliseconds())
	}
	reach := present + l.Within().Milliseconds()
	switch {
	case k.Always():
		return k, l.assert(k, "", revlog.Forever, until), nil
	case o.Before.IsZero():
		return k, l.upToNow(k, o.params(), until, present), nil
	case o.Before.UnixMilli() > reach:
		return k, revlog.Assertion{}, l.future()
	}
	a := l.assert(k, o.params(), o.Before.UnixMilli(), until)
	a.When = revlog.Before
	return k, a, nil
}

// flush sends what the store has not acknowledged, unchanged: a watermark that was "now"
// the first time must not become a later one (R5, R20). It reports whether anything is left
// to send.
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
		batch = append(batch, l.assert(k, s.params, w, s.until))
	}
	if len(keys) == 0 {
		return false, nil
	}
	// These watermarks may lie ahead of a log time that stood still meanwhile. A session
	// that begins from now on begins after them, and the next "now" must still reach it.
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
		if otherSlowly(batch[i], r) { // and these end now, see hasten
			l.outbox.withdraw(keys[i], unsent[keys[i]], nil)
			continue
		}
		l.outbox.acknowledge(keys[i], unsent[keys[i]], placed(w, ack), r)
	}
	if w.Replicas < ack.Replicas {
		return true, fmt.Errorf("%w: stored, but %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, ack.Replicas)
	}
	l.counters.acknowledged.Add(uint64(len(keys)))
	return len(keys) == joinBatch, nil
}
