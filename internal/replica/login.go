package replica

import (
	"context"
	"errors"
	"fmt"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"slices"
	"time"
)

// Anonymous returns what the token of a session without a subject carries. It
// does no I/O. The session begins after every revocation of everyone that this
// replica knows: it may be refused for one that it does not know, it is never spared.
func (l *Replica) Anonymous() Start {
	if l.store == nil {
		return Start{Epoch: time.Now().UnixMilli()}
	}
	own := l.outbox.w(revlog.Key{Scope: revlog.ScopeEveryone}) // before the view, as in Decide
	v := l.view.Load()
	if v == nil { // booting: it may be refused later, it is never spared
		return Start{Epoch: max(l.clock.seen.Load(), own+1, 1)}
	}
	s := Start{Epoch: max(v.logTime(time.Now(), l.Within()), v.marks.everyone()+1, own+1)}
	at := v.stamp()
	s.Checked, s.Term = at.chk, at.term
	return s
}

// Begin returns what the token of a new session carries. It reads the store once,
// unless that has been silent, and the session begins after every revocation of its
// subject, its groups and everyone. If the store is silent it answers from what this
// replica knows, so that people can log in during an outage, until Config.Grace has
// passed: the session may be refused later, it is never spared. Everything that was
// revoked after b.Since ends it then.
//
// It returns [ErrRevoked] if the store or this replica knows that something was
// revoked after b.Since. It returns [ErrUnavailable] past the grace, before the list
// is ready, and if 64 logins wait for the store and none gets an answer in half a
// second.
func (l *Replica) Begin(ctx context.Context, b Login) (Start, error) {
	if l.store == nil {
		return Start{Epoch: time.Now().UnixMilli()}, nil
	}
	now := time.Now()
	v := l.view.Load()
	if v == nil {
		return Start{}, ErrNotReady
	}
	var a revlog.Answer
	err := errSilent
	if !l.silent.Load() || v.age(now) <= l.Within() {
		a, err = l.askAlone(ctx, l.logins, revlog.Question{List: v.head.ID, Subject: b.Subject, Groups: b.Groups, Skew: l.Within()})
	}
	heard := err == nil
	if heard && v.knowsMore(a.Head) {
		err = errBehind
	}
	switch {
	case heard && b.after(a.Highest()), l.knows(b, v):
		return Start{}, errWhileLoggingIn
	case err == nil:
		return started(a), nil
	case errors.Is(err, errCrowded), ctx.Err() != nil, v.age(now) > l.Grace():
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// Log time as of the newest entry, so that no revocation is outrun that others
	// may have made meanwhile, nor one that was made while the password was checked;
	// and checked through to before anything that could still match such an epoch.
	s := Start{Epoch: v.m.MS, Term: v.head.Term()}
	if b.Since != 0 {
		s.Epoch = min(s.Epoch, b.Since)
	}
	s.Checked = max(s.Epoch-l.Within().Milliseconds()-1, v.head.Born)
	return s, nil
}

var errWhileLoggingIn = fmt.Errorf("%w while the login was under way", ErrRevoked)

// after reports whether a revocation up to w was made after b.Since.
func (b Login) after(w int64) bool { return b.Since != 0 && w > b.Since }

// knows reports whether this replica knows of a revocation of the subject, a group
// or everyone that was made after b.Since. The store need not have heard of it.
func (l *Replica) knows(b Login, v *view) bool {
	if b.Since == 0 {
		return false
	}
	q := Query{Subject: b.Subject, Groups: b.Groups, Epoch: b.Since + 1}
	return l.outbox.match(&q, &l.kids, l.tags) != None || l.marked(&q, v) != None ||
		v.known(&q) != None || l.knownRevoked(&q) != None
}

// started is what a session that begins at a carries: it began after every
// revocation of its subject and groups there is.
func started(a revlog.Answer) Start {
	at := stampAt(a.Head.MS, a.Head)
	return Start{Epoch: max(a.Head.MS, a.Highest()+1), Checked: at.chk, Term: at.term}
}

// Succeed ends the session q and returns what the token of its successor
// carries, in one step of the store, so that no replica that lags behind lets a
// revoked session live on under another id: whatever was revoked at that moment
// has no successor. Any doubt is an error, and then nothing was minted:
// [ErrRevoked], or [ErrUnavailable] when the store did not answer, in which case
// the old session may or may not have ended.
//
// After the store lost its data, a session from before cannot be switched into a
// group it was not in ([ErrUnavailable]): whether that group was revoked since it
// began is not known any more. Whoever logs in again can. Nor does the store know of
// a revocation of a group once it has forgotten it, longer ago than any idle limit.
func (l *Replica) Succeed(ctx context.Context, q *Query, s Succession) (Start, error) {
	if l.store == nil {
		if s.Kind == Switch {
			return Start{Epoch: q.Epoch}, nil
		}
		return Start{Epoch: time.Now().UnixMilli()}, nil
	}
	now := time.Now()
	if l.closed.Load() {
		return Start{}, ErrClosed
	}
	if d := l.decide(q, now); d.Outcome == Refuse {
		return Start{}, fmt.Errorf("%w: %v", ErrRevoked, d.Reason)
	}
	v := l.view.Load()
	if v == nil {
		return Start{}, ErrNotReady
	}
	if v.newPrimary(l.Within()) {
		return Start{}, fmt.Errorf("%w: its primary has just changed", ErrUnavailable)
	}
	unless := l.question(q, v)
	if unless.Epoch < q.Epoch && ahead(q, l.logTime(now), l.Within()) {
		return Start{}, fmt.Errorf("%w: this session began under a primary that is gone, ahead of log time", ErrUnavailable)
	}
	joins := func(g revlog.Tag) bool { return !slices.Contains(q.Groups, g) }
	if s.Kind == Switch && slices.ContainsFunc(s.Login.Groups, joins) {
		// What q was checked for says nothing of a group it was not in: that needs a
		// list that is complete since q began.
		if unless.Checked > l.logTime(now)+l.Within().Milliseconds() {
			return Start{}, fmt.Errorf("%w: this session was checked ahead of log time", ErrUnavailable)
		}
		unless.Checked = min(unless.Checked, unless.Epoch)
		unless.Groups = append(unless.Groups[:len(unless.Groups):len(unless.Groups)], s.Login.Groups...)
	}
	b := revlog.Batch{
		List: v.head.ID, Floor: l.clock.present(now), Skew: l.Within(), Ack: l.config.Ack,
		Unless:     &unless,
		Assertions: []revlog.Assertion{l.join(v.head.ID, revlog.ScopeSession, q.tag, revlog.Forever, 0)},
		Then:       &revlog.Question{List: v.head.ID, Subject: s.Login.Subject, Groups: s.Login.Groups, Skew: l.Within()},
	}
	if s.Kind == Others {
		others := l.join(v.head.ID, revlog.ScopeSubject, q.Subject, 0, 0)
		others.When = revlog.AtNow
		b.Assertions = append(b.Assertions, others)
	}
	w, err := l.store.Write(ctx, b)
	switch {
	case err != nil:
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !w.Done:
		found, scope := w.Unless.Judge(unless)
		if found == revlog.FoundRevoked {
			l.remember(unless, w.Unless)
			return Start{}, fmt.Errorf("%w: %v", ErrRevoked, revokedBy(scope))
		}
		if found == revlog.FoundUnknown && unless.Checked < q.Checked {
			return Start{}, fmt.Errorf("%w: the list is not complete since this session began: log in again to join a group", ErrUnavailable)
		}
		return Start{}, fmt.Errorf("%w: it cannot tell whether this session was revoked", ErrUnavailable)
	case w.Replicas < l.config.Ack.Replicas:
		return Start{}, fmt.Errorf("%w: %d of %d replicas acknowledged", ErrUnavailable, w.Replicas, l.config.Ack.Replicas)
	}
	l.clock.heard(w.Head.MS)
	for i, a := range b.Assertions {
		l.keep(revlog.Key{Scope: a.Scope, Tag: a.Tag}, placeOf(w.Head), w.Results[i])
	}
	if v.knowsMore(w.Head) {
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, errBehind)
	}
	if s.Login.after(w.Then.Highest()) || l.knows(s.Login, v) {
		return Start{}, errWhileLoggingIn
	}
	start := started(w.Then)
	if s.Kind == Switch {
		start.Epoch = q.Epoch
	}
	return start, nil
}

// keep refuses here at once what the store has just acknowledged.
func (l *Replica) keep(k revlog.Key, at place, r revlog.Result) {
	l.outbox.add(k, sending{w: r.W}, at, r)
}
