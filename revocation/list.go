package revocation

import (
	"context"
	"fmt"
	"io"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Secrets gives the secrets that are derived from the list key, one for each label. *keys.Ring
// implements it. The list key never changes in the life of a list: a new one would make every
// replica forget all earlier revocations.
type Secrets interface {
	ListSecret(label string) [32]byte
}

// A List is one replica's view of the list, and the way to write to the list. It is safe for
// concurrent use.
type List struct{ replica *replica.Replica }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (l *List) Format(f fmt.State, _ rune) { io.WriteString(f, "revocation.List") }

// Open joins the list in s and returns when this replica is ready to decide. If the store holds no
// list, Open creates one. While the store does not answer, Open tries again, and logs what it waits
// for. ctx bounds this wait, and nothing after it. With [Config.StartWithoutStore] Open does not
// wait. k must be the ring whose list key the list was created with; another ring gives
// [ErrWrongKey].
//
// The List reads the store until [List.Close], which leaves the store open.
func Open(ctx context.Context, s revlog.Store, k Secrets, c Config) (*List, error) {
	r, err := replica.Open(ctx, s, k, replica.Config(c))
	if err != nil {
		return nil, err
	}
	return &List{r}, nil
}

// Disabled returns a list that revokes nothing and refuses nobody. An application that uses it says
// in its code that a logout only clears the cookie. Revoke returns [ErrDisabled].
func Disabled(k Secrets) *List { return &List{replica.Disabled(k)} }

// Close stops reading the store, and sends the revocations that the store has not acknowledged, for
// at most [Config.Within]. It returns an error if some are left: no other replica will learn of
// those, and the log of this process has the tags of the first 100. A process that serves HTTP calls
// httpmw.Shutdown in place of Close, which closes the list when no request can revoke any more.
func (l *List) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), l.replica.Within())
	defer cancel()
	return l.replica.Close(ctx)
}

// Ready reports whether this replica has joined the list and is not shutting down. A replica that
// loses the store later stays ready: taking every replica out of service would turn an outage of
// the store into an outage of the site.
func (l *List) Ready() bool { return l.replica.Ready() }

// Stats returns counters since Open, and the present state of the list.
func (l *List) Stats() Stats { return Stats(l.replica.Stats()) }

// Replicas returns every replica that has registered with the store in the last 15 s, ordered by
// host and id. If the store keeps no registry, it returns this replica alone. If the store does not
// answer, it returns this replica and [ErrLookup].
func (l *List) Replicas(ctx context.Context) ([]revlog.Replica, error) {
	return l.replica.Replicas(ctx)
}

// SignedIn returns about how many are signed in, at all replicas. It takes the best of the estimates
// that the replicas registered with the store, which are up to a minute old. No replica stores who is
// signed in: see revlog.SignedIn for what is counted. If the At of the answer is zero, no replica has
// counted yet. If the store does not answer, SignedIn returns what this replica knows and
// [ErrLookup].
func (l *List) SignedIn(ctx context.Context) (revlog.SignedIn, error) {
	return l.replica.SignedIn(ctx)
}

// An Instant is a moment of log time, from [List.Now]. The zero Instant stands for no moment.
type Instant struct{ ms int64 }

// IsZero reports whether i is the zero Instant.
func (i Instant) IsZero() bool { return i.ms == 0 }

// LogTime returns i in ms of log time, 0 for the zero Instant.
func (i Instant) LogTime() int64 { return i.ms }

// Now returns the present moment, for httpmw.Identity.Since. Call it before you check a password.
// Then a login that races with a revocation of its subject is refused and does not outlive it. Now
// asks the store, so a user who logs in after a revocation was acknowledged is not refused for it,
// at any replica. If the store does not answer within half a second, Now returns the latest moment
// that this replica knows.
func (l *List) Now(ctx context.Context) Instant { return Instant{l.replica.Now(ctx)} }

// Replica returns the part that the middleware of this module decides with. Applications do not
// need it.
func (l *List) Replica() *replica.Replica { return l.replica }
