package replica

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Succeed ends the session q and returns what the token of its successor carries. One step
// of the store does both. So no replica that is behind lets a revoked session live on under
// another id: a session that is revoked at that moment gets no successor. Any doubt is an
// error, and then there is no successor. The error is [ErrRevoked], or [ErrUnavailable] if
// the store did not answer or cannot tell. If it did not answer, the old session may or may
// not have ended.
//
// After the store has lost its data, a session from before the loss cannot be switched into
// a group that it was not in ([ErrUnavailable]): nobody knows any more whether that group
// was revoked since the session began. A user who logs in again can join it. The store also
// forgets a revocation of a group, when it is older than any idle limit allows.
func (l *Replica) Succeed(ctx context.Context, q *Query, s Succession) (Start, error) {
	if l.store == nil {
		if s.Kind == SetGroups {
			return Start{Epoch: q.Epoch}, nil
		}
		return Start{Epoch: time.Now().UnixMilli()}, nil
	}
	if l.closed.Load() {
		return Start{}, ErrClosed
	}
	l.wake(ctx)
	now := time.Now()
	d := l.decide(q, now)
	if d.Outcome == Refuse {
		return Start{}, fmt.Errorf("%w: %v", ErrRevoked, d.Reason)
	}
	v := l.view.Load()
	if v == nil {
		return Start{}, ErrNotReady
	}
	unless, err := l.predecessor(q, s, v, now)
	if err != nil {
		return Start{}, err
	}
	return l.replace(ctx, q, s, v, unless, max(v.sinceCheck(q, l.Within()), d.Checked))
}

// replace writes the end of q and returns what its successor begins with. The answer to unless must be
// "not revoked", of a list that remembers what was revoked since checked.
func (l *Replica) replace(ctx context.Context, q *Query, s Succession, v *view, unless revlog.Question, checked int64) (Start, error) {
	b := l.succession(q, s, v, unless, time.Now())
	w, err := l.send(ctx, b)
	l.audit.succeeded(ctx, b, w, err)
	switch {
	case err != nil:
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case w.Refused != nil:
		return Start{}, l.noSuccessor(q, unless, *w.Refused)
	case w.Replicas < l.config.Ack.Replicas:
		return Start{}, fmt.Errorf("%w: %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, l.config.Ack.Replicas)
	}
	l.counters.acknowledged.Add(uint64(len(b.Assertions)))
	l.clock.heard(w.Head.MS, true)
	for i, a := range b.Assertions {
		l.keep(a.Entry().Key(), placeOf(w.Head), w.Results[i])
	}
	if err := v.mayMiss(checked, w.Head); err != nil {
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	start, err := l.successor(ctx, s.Login, b.Then, w.Then)
	switch s.Kind {
	case SetGroups:
		start.Epoch, start.Loaded = q.Epoch, q.Loaded
	case Others:
		start.Loaded = q.loaded()
	case Relogin:
		if s.Keeps { // Loaded may be from before the password was checked
			start.Loaded = min(cmp.Or(start.Loaded, start.Epoch), q.loaded())
		}
	}
	return start, err
}

// An AskedError says what entries ask of a session that was to get a successor, which it did not get.
type AskedError struct{ Asks revlog.Asks }

func (e *AskedError) Error() string {
	return ErrUnavailable.Error() + ": this session must do first what is asked of it"
}

// Unwrap returns [ErrUnavailable].
func (e *AskedError) Unwrap() error { return ErrUnavailable }

// mayMiss says why the "not revoked" of a store with the head h means nothing, if so,
// about a session that was checked at chk.
func (v *view) mayMiss(chk int64, h revlog.Head) error {
	switch {
	case v.knowsMore(h):
		return errBehind
	case forgotten(chk, h, h.MS): // its clock jumped (R27)
		return errors.New("it may have forgotten what ended this session")
	}
	return nil
}

// successor returns what a successor carries that b logs in. a is the answer to q.
func (l *Replica) successor(ctx context.Context, b Login, q revlog.Question, a revlog.Answer) (Start, error) {
	err := l.believe(q, &a)
	if err == errHidden {
		err = l.unhide(ctx, &a)
	}
	switch {
	case err != nil:
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case b.after(a.Ended()), b.Since != 0 && l.knows(b, b.Since+1):
		return Start{}, errWhileLoggingIn
	}
	return started(a, b), nil
}

// predecessor returns the question about q that must be answered "not revoked" before q
// gets a successor.
func (l *Replica) predecessor(q *Query, s Succession, v *view, now time.Time) (revlog.Question, error) {
	if v.newPrimary(l.Within()) {
		return revlog.Question{}, fmt.Errorf("%w: its primary has just changed", ErrUnavailable)
	}
	unless := l.question(q, v)
	if s.Kind == Relogin { // that is what is asked for
		unless.LoggedIn = revlog.Forever
		if !s.Keeps {
			unless.Loaded = revlog.Forever
		}
	}
	if unless.Epoch < q.Epoch && ahead(q, l.logTime(now), l.Within()) {
		return revlog.Question{}, fmt.Errorf("%w: this session began under a primary that is gone, ahead of log time", ErrUnavailable)
	}
	var joined Login
	for _, g := range s.Login.Groups {
		if s.Kind == SetGroups && !slices.Contains(q.groups(), g) {
			joined.Groups = append(joined.Groups, g)
		}
	}
	if len(joined.Groups) == 0 {
		return unless, nil
	}
	// The check of q says nothing about a group that q was not in. For that, the list must
	// have been complete since q began.
	if unless.Checked > l.logTime(now)+l.Within().Milliseconds() {
		return revlog.Question{}, fmt.Errorf("%w: this session was checked ahead of log time", ErrUnavailable)
	}
	unless.Checked = min(unless.Checked, unless.Epoch)
	if forgotten(unless.Checked, v.head, l.logTime(now)) && l.knows(joined, q.Epoch) {
		return revlog.Question{}, fmt.Errorf("%w: %v", ErrRevoked, RevokedGroup)
	}
	unless.Groups = append(unless.Groups, s.Login.Groups...)
	return unless, nil
}

// succession returns the write that ends q and asks what its successor begins with.
func (l *Replica) succession(q *Query, s Succession, v *view, unless revlog.Question, now time.Time) revlog.Succession {
	b := revlog.Succession{
		List: v.head.ID, Floor: l.clock.present(now), Skew: l.Within(), Ack: l.config.Ack,
		Unless:     unless,
		Request:    newRequest(),
		Assertions: []revlog.Assertion{l.assert(revlog.Key{Scope: revlog.ScopeSession, Tag: q.tag}, "", revlog.Forever, 0)},
		Then:       revlog.Question{List: v.head.ID, Subject: s.Login.Subject, Groups: s.Login.Groups, Skew: l.Within()},
	}
	if s.Kind == Others {
		others := revlog.Key{Scope: revlog.ScopeSubject, Tag: q.Subject}
		b.Assertions = append(b.Assertions, l.upToNow(others, "", 0, max(b.Floor, v.m.MS)))
	}
	return b
}

// newRequest returns a request number. It need not be hard to guess.
func newRequest() (r revlog.Request) {
	rand.Read(r[:])
	return r
}

// noSuccessor returns why the store gave q no successor.
func (l *Replica) noSuccessor(q *Query, unless revlog.Question, a revlog.Answer) error {
	forged := l.believe(unless, &a)
	switch found, scope := a.Judge(unless); {
	case found == revlog.FoundRevoked:
		l.remember(a)
		return fmt.Errorf("%w: %v", ErrRevoked, revokedBy(scope))
	case forged != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, forged)
	case found == revlog.FoundAsks:
		l.remember(a)
		return &AskedError{a.Asks(unless)}
	case found == revlog.FoundUnknown && unless.Checked < q.Checked:
		return fmt.Errorf("%w: the list is not complete since this session began: log in again to join a group", ErrUnavailable)
	}
	return fmt.Errorf("%w: it cannot tell whether this session was revoked", ErrUnavailable)
}

// keep refuses at once, on this replica, what the store has just acknowledged.
func (l *Replica) keep(k revlog.Key, at place, r revlog.Result) {
	l.outbox.add(k, sending{w: r.W}, at, r)
}
