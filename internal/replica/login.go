package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Anonymous returns what the token of a session without a subject carries. It does no I/O.
// The session begins after every revocation of everyone that this replica knows. It may be
// refused for one that this replica does not know; no revocation misses it.
func (l *Replica) Anonymous() Start {
	if l.store == nil {
		return Start{Epoch: time.Now().UnixMilli()}
	}
	own := int64(-1)
	for _, k := range everyone {
		own = max(own, l.outbox.w(k)) // before the view, as in Decide
	}
	v := l.view.Load()
	if v == nil { // booting: it may be refused later, but no revocation misses it
		return Start{Epoch: max(l.clock.highest(), own+1, 1)}
	}
	// A watermark that this replica set while it was cut off may lie ahead of log time. A
	// session that began after it would be out of reach of what is revoked elsewhere
	// meanwhile.
	own = min(own, l.clock.highest()+l.Within().Milliseconds()) + 1
	s := Start{Epoch: max(v.logTime(time.Now(), l.Within()), v.globals.everyone()+1, own)}
	at := v.checked()
	s.Checked, s.Term = at.chk, at.term
	return s
}

// Begin returns what the token of a new session carries. It asks the store once, unless the
// store was just found silent. The session begins after every revocation of its subject,
// its groups and everyone. If the store is silent, Begin answers from what this replica
// knows until Config.Grace has passed, so that users can log in during an outage. Such a
// session may be refused later, but no revocation misses it: everything that was revoked
// after b.Since ends it.
//
// It returns [ErrRevoked] if the store or this replica knows of a revocation after b.Since.
// It returns [ErrUnavailable] in these cases: the grace has passed; the replica has not
// joined the list; 64 logins are in flight and there is no room for this one within half a
// second; the store does not agree with the view, or an entry in its answer has a wrong
// proof; ctx has ended; this replica would refuse the session at once.
func (l *Replica) Begin(ctx context.Context, b Login) (Start, error) {
	if l.store == nil {
		return Start{Epoch: time.Now().UnixMilli()}, nil
	}
	if l.view.Load() == nil {
		return Start{}, ErrNotReady
	}
	l.wake(ctx)
	a, v, err := l.askToBegin(ctx, b)
	var s Start
	switch {
	case b.after(a.Ended()), b.Since != 0 && l.knows(b, b.Since+1):
		return Start{}, errWhileLoggingIn
	case err == nil:
		s = started(a, b)
	case errors.Is(err, errCrowded), errors.Is(err, errBehind), errors.Is(err, errForged), ctx.Err() != nil, v.age(time.Now()) > l.Grace():
		return Start{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	default:
		s = l.beginSilent(b, v)
	}
	if l.knows(b, s.Epoch) {
		return Start{}, errDeadOnArrival
	}
	return s, nil
}

var (
	errWhileLoggingIn = fmt.Errorf("%w while the login was under way", ErrRevoked)
	errDeadOnArrival  = fmt.Errorf("%w: a revocation that it does not have yet would end this session at once", ErrUnavailable)
)

// wake waits for one read of the log if this process was paused, because its view is from
// before the pause.
func (l *Replica) wake(ctx context.Context) {
	if l.view.Load() != nil && l.overslept(time.Now()) {
		l.await(ctx, 2, func() bool { return l.fresh(time.Now()) }) // the read under way may be from before the pause
	}
}

// askToBegin asks the store what was revoked of b. It returns the view that it compared the
// answer with. If the store does not answer or does not agree with the view, it waits for
// one read and asks once more.
func (l *Replica) askToBegin(ctx context.Context, b Login) (a revlog.Answer, v *view, err error) {
	for again := false; ; again = true {
		v = l.view.Load()
		if l.knownSilent(v) {
			return revlog.Answer{}, v, errSilent
		}
		a, err = l.askAlone(ctx, l.logins, revlog.Question{List: v.head.ID, Subject: b.Subject, Groups: b.Groups, Skew: l.Within()})
		if (err == nil || err == errHidden) && v.knowsMore(a.Head) {
			err = errBehind
		}
		if err == errHidden {
			err = l.unhide(ctx, &a)
		}
		further := func() bool { return l.view.Load() != v && !l.silent.Load() }
		if err == nil || again || errors.Is(err, errCrowded) || errors.Is(err, errForged) || !l.await(ctx, 1, further) {
			return a, v, err
		}
	}
}

// beginSilent returns what a session carries that begins while the store is silent. It
// begins at the newest position, and not after b.Since. So it is not ahead of a revocation
// that another replica has made meanwhile, nor of one that was made while the password was
// checked. Its checked position lies before every entry that such a login time may need.
func (l *Replica) beginSilent(b Login, v *view) Start {
	s := Start{Epoch: v.m.MS, Term: termIn(v.head.ID, v.head.Term())}
	if b.Since != 0 {
		s.Epoch = min(s.Epoch, b.Since)
	}
	s.Checked = max(s.Epoch-l.Within().Milliseconds()-1, v.head.Born)
	return s
}

// after reports whether a revocation up to w was made after b.Since.
func (b Login) after(w int64) bool { return b.Since != 0 && w > b.Since }

// knows reports whether this replica knows of a revocation of b's subject, of a group or of
// everyone that ends a session that began at epoch. The store may not have it yet.
func (l *Replica) knows(b Login, epoch int64) bool {
	q := Query{Subject: b.Subject, Epoch: epoch}
	q.SetGroups(b.Groups...)
	if l.own(&q) != None { // before the view, as in Decide
		return true
	}
	v := l.view.Load()
	if l.globallyRevoked(&q, v) != None || l.known(&q, v) != None || l.answeredRevoked(&q) != None {
		return true
	}
	d := l.asked(&q, v, Verdict{Outcome: Accept}, time.Now())
	return d.Asks&^revlog.AsksReload != 0 || d.Outcome == Refuse
}

// started returns what a session carries that b begins with the answer a: it begins after
// every watermark in a. Its data may have been loaded any time after b.Since.
func started(a revlog.Answer, b Login) Start {
	at := checkedAt(a.Head.MS, a.Head)
	s := Start{Epoch: max(a.Head.MS, a.Highest()+1), Checked: at.chk, Term: at.term}
	if b.Since != 0 && b.Since+1 < s.Epoch {
		s.Loaded = b.Since + 1
	}
	return s
}
