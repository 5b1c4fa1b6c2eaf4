package devices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/lograte"
	"github.com/wafer-sessions/wafer/revocation"
)

var (
	// ErrNotFound: the subject has no such device, or it is not in the list.
	ErrNotFound = errors.New("devices: no such device of this subject")

	// ErrUnavailable: the store does not answer, or one session too many could not be ended. Another
	// try may succeed. It wraps httpmw.ErrUnavailable, so httpmw.Manager.Fail answers 503.
	ErrUnavailable = fmt.Errorf("%w: the list of devices", httpmw.ErrUnavailable)
)

// Config of a Registry. The zero value is good for production.
type Config struct {
	// Max is how many sessions a subject may have, at most 256. A login that makes one too many ends
	// the one that began first. Zero: any number.
	Max int

	// MaxFor returns what Max is for one subject, for example by its plan. It is called at each login,
	// SetGroups and LogoutOthers, with a context that ends after Timeout. If it returns an error, or a
	// number that Max may not be, a login fails with ErrUnavailable, and a session that goes on keeps
	// its place. It must not use the session. Zero: Max is for everybody.
	MaxFor func(ctx context.Context, subject string) (int, error)

	// Timeout is how long a login, List and SignOut wait for each answer of the store. Zero: 1 s.
	Timeout time.Duration

	// Logger receives warnings, at most one a minute of each kind. It never receives a subject or a
	// name. Zero: slog.Default().
	Logger *slog.Logger
}

const maxListed = 256 // rows of one subject

// A Registry keeps the list of devices. It is safe for concurrent use, and several Managers may share
// one. There is nothing to close.
type Registry struct {
	store Store
	list  *revocation.List
	c     Config
	rate  lograte.Limiter
	known known
	queue queue
	count counters
}

var _ httpmw.Devices = (*Registry)(nil)

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (r *Registry) Format(f fmt.State, _ rune) { io.WriteString(f, "devices.Registry") }

// New makes a Registry over s. l must be the list with which the Managers were made: sessions are
// ended in it.
func New(s Store, l *revocation.List, c Config) (*Registry, error) {
	switch {
	case s == nil:
		return nil, errors.New("devices: New: nil store")
	case l == nil || !l.Replica().Enabled():
		return nil, errors.New("devices: New: no revocation list, so no device could be signed out")
	case c.Max < 0 || c.Max > maxListed:
		return nil, fmt.Errorf("devices: Config.Max: %d is not between 0 and %d", c.Max, maxListed)
	case c.Max > 0 && c.MaxFor != nil:
		return nil, errors.New("devices: Config has both Max and MaxFor; choose one")
	case c.Timeout < 0:
		return nil, fmt.Errorf("devices: Config.Timeout: %v is negative", c.Timeout)
	}
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Registry{store: s, list: l, c: c}, nil
}

// List returns the devices on which subject is logged in, the one that was seen last first. It asks
// the store, so it is for a page that shows the list. The error is [ErrUnavailable].
func (r *Registry) List(ctx context.Context, subject string) ([]Device, error) {
	rows, err := r.rows(ctx, r.owner(subject))
	if err != nil {
		return nil, err
	}
	now, ended := time.Now(), r.ended(ctx, subject)
	rows = slices.DeleteFunc(rows, func(d Device) bool { return !d.Until.After(now) || !d.Began.After(ended) })
	slices.SortFunc(rows, func(a, b Device) int { return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID)) })
	return rows, nil
}

// SignOut ends the session id of subject, which is the one who asks: from its next request on, at any
// replica within the list's Within, it is refused. If subject has no such session in the list, the
// error is [ErrNotFound], and nothing was done: who knows the id of somebody else's session cannot
// end it.
//
// Other errors mean that the device may be signed in still: [ErrUnavailable] of the list of devices,
// and those of revocation.List.Revoke.
func (r *Registry) SignOut(ctx context.Context, subject, id string) error {
	owner := r.owner(subject)
	rows, err := r.rows(ctx, owner)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(rows, func(d Device) bool { return d.ID == id }) {
		return ErrNotFound
	}
	if _, said := audit.From(ctx); !said {
		ctx = audit.With(ctx, audit.By{Actor: "subject:" + owner, Reason: "sign_out_device", Via: audit.ViaSession})
	}
	if _, err := r.list.Revoke(ctx, revocation.Session(id), revocation.Options{Subject: subject}); err != nil {
		return err // the row stays, so that it can be tried again
	}
	r.count.signedOut.Add(1)
	r.forget(ctx, owner, id)
	return nil
}

// owner returns what stands for a subject in the store.
func (r *Registry) owner(subject string) string {
	return r.list.Tag(revocation.Subject(subject)).String()
}

func (r *Registry) rows(ctx context.Context, owner string) ([]Device, error) {
	ctx, cancel := context.WithTimeout(ctx, r.c.Timeout)
	defer cancel()
	rows, err := r.store.List(ctx, owner)
	if err != nil {
		return nil, r.failed("read", err)
	}
	return rows, nil
}

// ended returns the moment of log time up to which sessions of subject began that have ended. If the
// store of the revocations does not answer, it is what this replica knows.
func (r *Registry) ended(ctx context.Context, subject string) (moment time.Time) {
	for _, t := range []revocation.Target{revocation.Subject(subject), revocation.Everyone()} {
		if since, ok, _ := r.list.Revoked(ctx, t); ok {
			moment = later(moment, since)
		}
	}
	return moment
}

// forget deletes rows of sessions that have ended. If that fails, they stay for a while.
func (r *Registry) forget(ctx context.Context, owner string, ids ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.c.Timeout)
	defer cancel()
	if err := r.store.Delete(ctx, owner, ids...); err != nil {
		r.failed("delete", err)
	}
}

// failed counts and logs what the store could not do, and returns the error for the caller.
func (r *Registry) failed(what string, err error) error {
	r.count.failed.Add(1)
	if times, ok := r.rate.Count(what); ok {
		r.c.Logger.Warn("devices: the store of the list of devices failed", "call", what, "times", times, "error", err.Error())
	}
	return fmt.Errorf("%w: %s: %v", ErrUnavailable, what, err)
}
