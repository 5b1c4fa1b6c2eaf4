package revocation

import (
	"context"
	"fmt"
	"io"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Secrets gives the secrets derived from the list key, one for each label.
// *keys.Ring is one. The list key never changes in the life of a list: if it
// did, every earlier revocation would be forgotten.
type Secrets interface {
	ListSecret(label string) [32]byte
}

// A List is one replica's view of the list, and the way to write to it. It is
// safe for concurrent use.
type List struct{ replica *replica.Replica }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (l *List) Format(f fmt.State, _ rune) { io.WriteString(f, "revocation.List") }

// Open joins the list in s, beginning one if there is none, and returns when
// this replica is ready to decide. Until then it tries again whenever the store
// does not answer, and the log says what it waits for; ctx bounds that, and nothing
// later. With [Config.StartWithoutStore] it does not wait. k must be the ring whose
// list key the list was begun with: [ErrWrongKey].
//
// The List reads the store until [List.Close], which leaves the store open.
func Open(ctx context.Context, s revlog.Store, k Secrets, c Config) (*List, error) {
	r, err := replica.Open(ctx, s, k, replica.Config(c))
	if err != nil {
		return nil, err
	}
	return &List{r}, nil
}

// Disabled returns a list that revokes nothing and refuses nobody: the
// written-down choice of an application that lives with logout clearing the
// cookie and nothing else. Revoke returns [ErrDisabled].
func Disabled(k Secrets) *List { return &List{replica.Disabled(k)} }

// Close stops reading and gives revocations the store has not acknowledged a
// last chance. It returns an error if some are left; they are lost to everybody
// except to those who read the log of this process.
func (l *List) Close() error { return l.replica.Close() }

// Ready reports whether the list has been joined and not closed. Losing the
// store later does not make a replica unready: taking every replica out of
// service would turn an outage of the store into one of the site.
func (l *List) Ready() bool { return l.replica.Ready() }

// Stats returns counters since Open and what the list looks like now.
func (l *List) Stats() Stats { return Stats(l.replica.Stats()) }

// Replicas returns every replica that reads the store and was heard of in the
// last 15 s, ordered by host and id. Of a store that does not keep them it
// returns this one, and so it does with [ErrLookup] when the store does not answer.
func (l *List) Replicas(ctx context.Context) ([]revlog.Replica, error) {
	return l.replica.Replicas(ctx)
}

// An Instant is a moment of log time, from [List.Now]. The zero Instant is not
// a moment.
type Instant struct{ ms int64 }

// IsZero reports whether i is no moment.
func (i Instant) IsZero() bool { return i.ms == 0 }

// LogTime returns i in ms of log time, 0 for the zero Instant.
func (i Instant) LogTime() int64 { return i.ms }

// Now returns the present moment, for httpmw.Identity.Since. Take it before a
// password is checked: then a login that raced with a revocation of its subject is
// refused instead of outliving it. Now asks the store, so that a user who logs in after
// a revocation was acknowledged, at whichever replica, is not refused for it. If the
// store does not answer in half a second, Now returns what this replica knows.
func (l *List) Now(ctx context.Context) Instant { return Instant{l.replica.Now(ctx)} }

// Replica returns what the middleware of this module decides with. It is not for
// applications.
func (l *List) Replica() *replica.Replica { return l.replica }
