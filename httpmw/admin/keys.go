package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// longestWait is how long a new key may wait at most, and how old one may have to be.
const longestWait = 366 * 24 * time.Hour

func (a *API) listKeys(c *call) (any, error) {
	return a.report(c.Context())(a.keys.Ring(), time.Now()), nil
}

// report tells of the use of the keys what the source counts over the fleet, and what the replicas
// report, if there is a list and its store answers.
func (a *API) report(ctx context.Context) adminapi.Report {
	return func(r *keys.Ring, now time.Time) adminapi.Ring {
		running, err := a.list.Replicas(ctx)
		d := adminapi.ReportedRing(r, now, running, keys.MeterFor(a.keys))
		if err != nil || !a.list.Replica().Enabled() {
			d = d.WithoutReplicas()
		}
		return d
	}
}

func (a *API) rotateKeys(c *call) (any, error) {
	var asked adminapi.Rotation
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name    string
		seconds int64
	}{{"after", asked.After}, {"if_older_than", asked.IfOlderThan}} {
		if n.seconds < 0 || n.seconds > int64(longestWait/time.Second) {
			return nil, invalid(fmt.Sprintf("%q must be a number of seconds from 0 to %d, which is 366 days.", n.name, int64(longestWait/time.Second)))
		}
	}
	if asked.Immediate && asked.After != 0 {
		return nil, invalid(`Send "immediate" or "after", not both.`)
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	options := ""
	if asked.Immediate {
		options = "immediate"
	}
	return a.change(ctx, audit.Change{What: "rotate", Options: options}, asked.Change)
}

func (a *API) cancelRotation(c *call) (any, error) {
	var asked adminapi.Cancellation
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(ctx, audit.Change{What: "cancel"}, asked.Change)
}

func (a *API) pruneKeys(c *call) (any, error) {
	var asked adminapi.Pruning
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(ctx, audit.Change{What: "prune"}, asked.Change)
}

func (a *API) extendRing(c *call) (any, error) {
	var asked adminapi.Extension
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	if longest := int64(keys.LongestSession / time.Second); asked.MaxSession < 1 || asked.MaxSession > longest {
		return nil, invalid(fmt.Sprintf(`"max_session" must be a number of seconds from 1 to %d, which is 3650 days.`, longest))
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(ctx, audit.Change{What: "extend"}, asked.Change)
}

// change changes the ring as asked, and writes the audit record unless nothing had to change. It
// answers with the ring as the change left it.
func (a *API) change(ctx context.Context, what audit.Change, change func(*keys.Ring, time.Time, adminapi.Report) (*keys.Ring, error)) (any, error) {
	r := audit.Record{Action: audit.Keys, Ring: what}
	r.Ring.ID = a.keys.Ring().ID()
	var after adminapi.Ring
	changed := false
	err := a.edit(ctx, func(ring *keys.Ring, now time.Time) (*keys.Ring, error) {
		next, err := change(ring, now, a.report(ctx))
		if err == nil {
			after = adminapi.RingOf(next, now)
			changed = adminapi.Changes(&r.Ring, adminapi.RingOf(ring, now), after)
		}
		return next, err
	})
	if err != nil {
		r.Error = err.Error()
	}
	if err != nil || changed {
		r.Write(ctx, a.audit)
	}
	if err != nil {
		return nil, err
	}
	return after, nil
}

// revokeKey marks the key in the ring, which decides for good. Then it announces the key in the list,
// which reaches every replica within the list's bound, however the ring travels (R25). Without
// key_only it revokes everyone as well, see [revocation.List.RevokeKey].
func (a *API) revokeKey(c *call) (any, error) {
	var asked adminapi.KeyRevocation
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	if !isKeyID(c.kid) {
		return nil, keys.ErrUnknownKey // the path may hold anything, and goes into no audit record
	}
	r := audit.Record{Action: audit.Keys, Ring: audit.Change{What: "revoke", ID: a.keys.Ring().ID(), KID: c.kid}}
	if asked.KeyOnly {
		r.Ring.Options = "key_only"
	}
	err = a.markKey(ctx, c.kid, &r.Ring)
	if errors.Is(err, keys.ErrUnknownKey) {
		return nil, err // nothing was done, so there is nothing to audit
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.Write(ctx, a.audit)
	if err != nil {
		return nil, err
	}
	got, err := a.announce(ctx, c.kid, asked.KeyOnly)
	switch {
	case err == nil:
		return adminapi.ReceiptOf(got), nil
	case errors.Is(err, revocation.ErrDisabled):
		return nil, refuse(http.StatusNotImplemented, "disabled",
			"The key is revoked in the ring. This application has no revocation list, so nothing more can be done.")
	}
	return nil, unavailable("unavailable", "The key is revoked in the ring, but the store did not acknowledge it for the list. Ask again.")
}

// isKeyID reports whether s has the form of the id of a key: 64 bits in base64url.
func isKeyID(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 8 && len(s) == base64.RawURLEncoding.EncodedLen(len(b))
}

// markKey revokes the key in the ring, and puts into done what that changed. A ring that this replica
// cannot change is left alone if the key is revoked in it already.
func (a *API) markKey(ctx context.Context, kid string, done *audit.Change) error {
	err := a.edit(ctx, func(r *keys.Ring, now time.Time) (*keys.Ring, error) {
		next, err := r.Revoke(now, kid)
		if err == nil {
			adminapi.Changes(done, adminapi.RingOf(r, now), adminapi.RingOf(next, now))
		}
		return next, err
	})
	if key, ok := a.keys.Ring().Key(kid); ok && errors.Is(err, keys.ErrReadOnly) {
		if _, revoked := key.Revoked(); revoked {
			return nil
		}
	}
	return err
}

// announce revokes the key in the list.
func (a *API) announce(ctx context.Context, kid string, keyOnly bool) (revocation.Receipt, error) {
	if keyOnly {
		return a.list.Revoke(ctx, revocation.Key(kid), revocation.Options{})
	}
	// It takes some seconds, and must not stop half way because the caller hung up.
	_, everyone, err := a.list.RevokeKey(context.WithoutCancel(ctx), kid, revocation.Options{})
	return everyone, err
}

// edit changes the ring where it is kept. The caller writes the audit record. Errors that a caller can act
// on are returned as they are.
func (a *API) edit(ctx context.Context, change func(*keys.Ring, time.Time) (*keys.Ring, error)) error {
	editor, ok := a.keys.(keys.Editor)
	if !ok {
		return keys.ErrReadOnly
	}
	err := editor.Edit(audit.Recorded(ctx), func(r *keys.Ring) (*keys.Ring, error) { return change(r, time.Now()) })
	for _, known := range []error{nil, keys.ErrReadOnly, keys.ErrPending, keys.ErrFull, keys.ErrUnknownKey, keys.ErrShorter, keys.ErrNothingPending, adminapi.ErrInUse} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", errRing, err)
}

// errRing: the ring could not be read or written where it is kept.
var errRing = errors.New("admin: the ring could not be changed")
