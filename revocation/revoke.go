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
	// Before: only sessions that began at or before it, in log time (see
	// Receipt.Ahead). It may not lie in the future, and means nothing for a session, which is revoked whenever it began.
	// Zero: all that began until now.
	Before time.Time
	// Until: remember the revocation at least until then. Zero, or sooner than the
	// list remembers it anyway: as long as any session that it concerns can live
	// unchecked, and 11 years for a key.
	Until time.Time
	// Subject says whose session is revoked, and means nothing for other targets. While
	// the store is silent, 64 sessions of one subject wait for it at most. A further one
	// revokes the subject instead: all its sessions that began until now, in one entry.
	// Zero: not said, and every session waits for itself.
	Subject string `json:"-"`
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (o Options) Format(f fmt.State, _ rune) { io.WriteString(f, "revocation.Options") }

// A Receipt says what a revocation reached.
type Receipt struct {
	Position string // in the list; of the head if nothing had to be written
	Changed  bool   // false: it was already revoked to that extent
	Replicas int    // replicas of the store that acknowledged it
	// Effective: from then on every replica that reaches the store refuses.
	Effective time.Time
	// WorstCase: from then on every replica refuses.
	WorstCase time.Time
	// Ahead: with Options.Before, how far log time, which that is compared with, is
	// ahead of the clock of this machine, or behind it if negative. Zero: no more than
	// Config.Within. Sessions that began within so much before Options.Before by the
	// clock may have been spared, or within so much after it ended.
	Ahead time.Duration
}

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
	if err := t.check(); err != nil {
		return Receipt{}, err
	}
	if !o.Before.IsZero() && o.Before.UnixMilli() < 0 {
		return Receipt{}, fmt.Errorf("%w: Options.Before is before 1970", ErrTarget)
	}
	r := replica.Revocation{Scope: t.scope, Tag: l.Tag(t), Before: o.Before, Until: o.Until}
	if whose := Subject(o.Subject); t.scope == revlog.ScopeSession && whose.check() == nil {
		r.Owner = l.Tag(whose)
	}
	receipt, err := l.replica.Revoke(ctx, r)
	return Receipt(receipt), err
}

// RevokeMany revokes sessions, subjects or groups by the thousand or the million,
// as after a leak of ids. They go into the exact set only: a log of so many would
// push everything else out of every replica's window. When all are there, every
// session is asked about once, which costs the store one question a session.
// targets is ranged over twice: nothing is written if one of them is no good.
//
// progress, if not nil, is called with the number written so far. RevokeMany may
// be repeated after an error; until it returned without one, other replicas may
// know of none of them.
func (l *List) RevokeMany(ctx context.Context, targets iter.Seq[Target], progress func(n int)) (Receipt, error) {
	for t := range targets {
		if t.scope.Global() {
			return Receipt{}, fmt.Errorf("%w: %v is one revocation, not many", ErrTarget, t.scope)
		}
		if err := t.check(); err != nil {
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

// Revoked asks the store whether t is revoked. since is the moment of log time
// at or before which sessions must have begun to be refused; it is zero for a
// session and a key, which are refused whenever they began.
//
// With [ErrLookup] the store did not answer. Then since and ok say what this
// replica knows: the revocations of the last minutes, those it made itself, and all
// of keys and of everyone. A true ok holds, a false one says nothing of the rest.
func (l *List) Revoked(ctx context.Context, t Target) (since time.Time, ok bool, err error) {
	if err := t.check(); err != nil {
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

// Tag returns what stands for t in tokens and in the store, which learn no ids.
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
