package revocation

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Options of a revocation.
type Options struct {
	// Before revokes only sessions that began at or before it, in log time (see Receipt.Ahead). It
	// may not lie in the future. A session is revoked whenever it began, so Before is ignored for
	// it. Of Reload, it is when the data was loaded that counts. Zero: all sessions that began until now.
	Before time.Time
	// Until is the earliest time at which the list may forget the revocation. Zero, or a time
	// before the list would forget it anyway: the list keeps it as long as a session that it
	// applies to can live without a check, and 11 years for a key.
	Until time.Time
	// Subject says whose session is revoked. It is ignored for other targets. While the store is
	// silent, at most 64 sessions of one subject wait to be sent. One more revokes the subject
	// instead: all its sessions that began until now, in one entry. Zero: the subject is unknown,
	// and each session waits for itself.
	Subject string `json:"-"`
	// Over ends the sessions of a group, or all sessions, one after another until this time has
	// passed, so that not everybody logs in at once. The id of a session decides when it ends: evenly,
	// and at the same moment at every replica. The time runs from Before, if that is set. Until then a
	// session is used as before, and it may end earlier only at its limits. Over is at most 24 h, and at
	// most the longest idle limit of the list (Config.MaxIdle of all its processes): the list cannot tell
	// for longer whether a session was revoked that waits for its end. An earlier revocation with Over
	// that is not over yet gives [ErrUnderWay]. A revocation without Over ends the rest at once. Zero: all
	// end at once.
	Over time.Duration
	// Wait is how long Revoke waits, once the store has the revocation, until every replica that
	// is registered with the store has read it and so refuses. If one has not by then, Revoke
	// returns the receipt with [ErrBehind]. A replica that crashed stays registered for 15 s. One
	// that has not reached the store for longer is not known: see Receipt.WorstCase. In the first
	// 15 s of a list or of a new primary, replicas may not have registered yet, so Revoke waits for
	// at least 1.25 times Config.Within. Zero: Revoke does not wait.
	Wait time.Duration
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (o Options) Format(f fmt.State, _ rune) { io.WriteString(f, "revocation.Options") }

// A Receipt says what a revocation did.
type Receipt struct {
	Position string // of the entry in the log, or of the head if nothing was written
	Changed  bool   // false: the target was already revoked at least as far
	Replicas int    // replicas of the store that acknowledged it
	// Effective is when every replica that reaches the store refuses.
	Effective time.Time
	// WorstCase is when every replica refuses.
	WorstCase time.Time
	// Ahead is set with Options.Before, which is compared with log time. It says how far log time
	// is ahead of the clock of this machine; negative means behind. Zero: at most Config.Within.
	// If it is positive, sessions that began less than this before Options.Before, by the clock of
	// this machine, may not be revoked. If it is negative, sessions that began less than this
	// after Options.Before may be revoked too.
	Ahead time.Duration
	// With Options.Wait: how many replicas refuse, this one among them, how long after the
	// acknowledgement the last of them did, and those that have not confirmed it. The latter are
	// as they reported last; those that have closed or crashed meanwhile are among them.
	Fleet  int
	Took   time.Duration
	Behind []revlog.Replica
	// AsOf stands for the moment right after the revocation, for httpmw.SetAsOf and
	// httpmw.Session.AsOf: whoever brings it is never decided about from before the revocation. It
	// is no secret, and proves nothing.
	AsOf string
}

// Revoke ends every session that t names, as o says. This replica refuses them from the call on. If
// Revoke returns no error, the store has the revocation, and every replica that reaches the store
// refuses the sessions from Receipt.Effective on.
//
// [ErrUnavailable] means that the store has not acknowledged the revocation. This replica keeps
// refusing, and sends the revocation again until the store takes it. If you revoke a target again
// while it waits, Revoke asks the store again, and no error means that the store has acknowledged
// it now. If the store already has the revocation, Revoke changes nothing and returns no error.
//
// Before the list is ready (see [Config.StartWithoutStore]) this holds for sessions and keys. Other
// targets return ErrNotReady then.
//
// [ErrOutboxFull] and [ErrNotReady], which wrap ErrUnavailable, mean that nothing was done: this
// replica does not refuse the sessions and will not send the revocation. Call Revoke again later.
func (l *List) Revoke(ctx context.Context, t Target, o Options) (Receipt, error) {
	if o.Over == 0 {
		return l.write(ctx, t, revlog.End, o)
	}
	if t.scope != revlog.ScopeGroup && t.scope != revlog.ScopeEveryone {
		return Receipt{}, fmt.Errorf("%w: Options.Over is for a group or everyone, not for a %v", ErrTarget, t.scope)
	}
	if longest := min(revlog.MaxOver, l.replica.LongestIdle()); o.Over < time.Millisecond || o.Over > longest {
		return Receipt{}, fmt.Errorf("%w: Options.Over must be between 1 ms and %v", ErrTarget, longest)
	}
	return l.write(ctx, t, revlog.EndSlowly, o)
}

// RequireLogin locks every session that t names until its user logs in again. The session and its
// data stay: a login takes them over. Anonymous sessions are not concerned. Everything that Revoke
// says about acknowledgement, errors and Options holds, with "locks" for "refuses".
func (l *List) RequireLogin(ctx context.Context, t Target, o Options) (Receipt, error) {
	return l.ask(ctx, t, revlog.RequireLogin, o)
}

// Reload has the data of every session that t names loaded again, once for each session, before its
// next request is served. Anonymous sessions are not concerned. Everything that Revoke says about
// acknowledgement, errors and Options holds. While the store is silent, a replica that knows of the
// Reload may load the data of a session more than once.
func (l *List) Reload(ctx context.Context, t Target, o Options) (Receipt, error) {
	return l.ask(ctx, t, revlog.Reload, o)
}

// ask writes an entry that asks something of sessions.
func (l *List) ask(ctx context.Context, t Target, e revlog.Effect, o Options) (Receipt, error) {
	switch {
	case t.scope == revlog.ScopeKey:
		return Receipt{}, fmt.Errorf("%w: a key can only be revoked", ErrTarget)
	case o.Over != 0:
		return Receipt{}, fmt.Errorf("%w: Options.Over is only for Revoke", ErrTarget)
	}
	return l.write(ctx, t, e, o)
}

func (l *List) write(ctx context.Context, t Target, e revlog.Effect, o Options) (Receipt, error) {
	if err := t.Check(); err != nil {
		return Receipt{}, err
	}
	if !o.Before.IsZero() && o.Before.UnixMilli() < 0 {
		return Receipt{}, fmt.Errorf("%w: Options.Before lies before 1970", ErrTarget)
	}
	r := replica.Revocation{
		Scope: t.scope, Tag: l.Tag(t), Effect: e, Over: o.Over, Before: o.Before, Until: o.Until, Wait: o.Wait,
	}
	if whose := Subject(o.Subject); t.scope == revlog.ScopeSession && whose.Check() == nil {
		r.Owner = l.Tag(whose)
	}
	receipt, err := l.replica.Revoke(ctx, r)
	return Receipt(receipt), err
}

// RevokeMany revokes thousands or millions of sessions, subjects or groups, for example after a leak
// of ids. It writes them to the exact set only, because that many log entries would push everything
// else out of every replica's window. When all are written, replicas look each session up in the
// store once, which costs the store one question for each session.
//
// RevokeMany ranges over targets twice, and writes nothing if one of them is invalid. It calls
// progress, if not nil, with the number written so far. After an error, call RevokeMany again. Until
// it returns no error, other replicas may know none of these revocations.
func (l *List) RevokeMany(ctx context.Context, targets iter.Seq[Target], progress func(n int)) (Receipt, error) {
	for t := range targets {
		if t.scope.Global() {
			return Receipt{}, fmt.Errorf("%w: RevokeMany takes sessions, subjects and groups, not %v: call Revoke", ErrTarget, t.scope)
		}
		if err := t.Check(); err != nil {
			return Receipt{}, err
		}
	}
	receipt, err := l.replica.RevokeMany(ctx, func(yield func(replica.Revocation) bool) {
		for t := range targets {
			if !yield(replica.Revocation{Scope: t.scope, Tag: l.Tag(t)}) {
				return
			}
		}
	}, progress)
	return Receipt(receipt), err
}

// Revoked asks the store whether t is revoked. Sessions that began at or before since, in log time,
// are refused. since is zero for a session and a key, which are refused whenever they began.
//
// [ErrLookup] means that the store did not answer. Then since and ok say what this replica knows:
// the revocations of the last minutes, those it made itself, and all of keys and of everyone. If ok
// is true, t is revoked. If ok is false, t may still be revoked.
func (l *List) Revoked(ctx context.Context, t Target) (since time.Time, ok bool, err error) {
	if err := t.Check(); err != nil {
		return time.Time{}, false, err
	}
	w, err := l.replica.Revoked(ctx, revlog.Key{Scope: t.scope, Tag: l.Tag(t)})
	switch {
	case w == 0:
		return time.Time{}, false, err
	case t.scope == revlog.ScopeSession || t.scope == revlog.ScopeKey:
		return time.Time{}, true, err
	}
	return time.UnixMilli(w), true, err
}

// Tag returns the tag that stands for t in tokens and in the store, which never hold ids.
func (l *List) Tag(t Target) revlog.Tag {
	switch t.scope {
	case revlog.ScopeEveryone:
		return revlog.Tag{}
	case revlog.ScopeSession:
		id, _ := parseSessionID(t.name())
		return l.replica.SessionTag(id)
	}
	return l.replica.Tag(t.scope, t.name())
}

// A Standing says how one replica stands to a revocation that is waited for.
type Standing struct {
	Replica revlog.Replica // as it reported last
	Refuses bool           // it refuses what the revocation ends; false: not known yet
	After   time.Duration  // since the wait began
}

// AwaitFleet waits until every replica that is registered with the store refuses what r is the receipt
// of, as Options.Wait does, and returns r with Fleet, Took and Behind. It is for RevokeMany, and for
// receipts from elsewhere: only AsOf of r counts. Took counts from the call. AwaitFleet calls progress,
// if not nil, for each replica as soon as it is found in the registry, and again when it refuses.
func (l *List) AwaitFleet(ctx context.Context, r Receipt, wait time.Duration, progress func(Standing)) (Receipt, error) {
	var tell func(replica.Standing)
	if progress != nil {
		tell = func(s replica.Standing) { progress(Standing(s)) }
	}
	receipt, err := l.replica.AwaitFleet(ctx, replica.Receipt(r), wait, tell)
	return Receipt(receipt), err
}
