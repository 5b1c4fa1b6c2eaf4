package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/internal/audit"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// longestWait is how long a new key may wait at most, and how old one may have to be.
const longestWait = 366 * 24 * time.Hour

func (a *api) listKeys(c *call) (any, error) { return a.report(c)(a.keys.Ring(), time.Now()), nil }

// report tells of the use of the keys what the source counts over the fleet, and what the replicas
// report, if there is a list and its store answers.
func (a *api) report(c *call) adminapi.Report {
	return func(r *keys.Ring, now time.Time) adminapi.Ring {
		running, err := a.list.Replicas(c.Context())
		d := adminapi.ReportedRing(r, now, running, keys.MeterFor(a.keys))
		if err != nil || !a.list.Replica().Enabled() {
			d = d.WithoutReplicas()
		}
		return d
	}
}

func (a *api) rotateKeys(c *call) (any, error) {
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
	by, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(c, "admin: keys rotated", by, asked.Change, slog.Bool("immediate", asked.Immediate))
}

func (a *api) cancelRotation(c *call) (any, error) {
	var asked adminapi.Cancellation
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	by, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(c, "admin: rotation cancelled", by, asked.Change)
}

func (a *api) pruneKeys(c *call) (any, error) {
	var asked adminapi.Pruning
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	by, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(c, "admin: keys pruned", by, asked.Change)
}

func (a *api) extendRing(c *call) (any, error) {
	var asked adminapi.Extension
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	if longest := int64(keys.LongestSession / time.Second); asked.MaxSession < 1 || asked.MaxSession > longest {
		return nil, invalid(fmt.Sprintf(`"max_session" must be a number of seconds from 1 to %d, which is 3650 days.`, longest))
	}
	by, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(c, "admin: ring extended", by, asked.Change)
}

// change changes the ring, and writes the audit line unless nothing had to change. It answers with the
// ring.
func (a *api) change(c *call, what string, by audit.By, change func(*keys.Ring, time.Time, adminapi.Report) (*keys.Ring, error), attrs ...slog.Attr) (any, error) {
	var changes []slog.Attr
	err := a.edit(c, func(r *keys.Ring, now time.Time) (*keys.Ring, error) {
		next, err := change(r, now, a.report(c))
		if err == nil {
			changes = adminapi.Changes(adminapi.RingOf(r, now), adminapi.RingOf(next, now))
		}
		return next, err
	})
	if err != nil {
		audit.Log(c.Context(), a.log, what, by, err, attrs...)
		return nil, err
	}
	if len(changes) > 0 {
		audit.Log(c.Context(), a.log, what, by, nil, append(attrs, changes...)...)
	}
	return adminapi.RingOf(a.keys.Ring(), time.Now()), nil
}

// revokeKey marks the key in the ring, which decides for good. Then it announces the key in the list,
// which reaches every replica within the list's bound, however the ring travels (R25). Without
// key_only it revokes everyone as well, see [revocation.List.RevokeKey].
func (a *api) revokeKey(c *call) (any, error) {
	var asked adminapi.KeyRevocation
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	by, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	if !isKeyID(c.kid) {
		return nil, keys.ErrUnknownKey // the path may hold anything, and goes into no audit line
	}
	err = a.markKey(c)
	if errors.Is(err, keys.ErrUnknownKey) {
		return nil, err // nothing was done, so there is nothing to audit
	}
	attrs := []slog.Attr{slog.String("kid", c.kid), slog.Bool("key_only", asked.KeyOnly)}
	var got revocation.Receipt
	marked := err == nil
	if marked {
		got, err = a.announce(c, asked.KeyOnly)
		attrs = append(attrs, audit.Receipt(got)...)
	}
	audit.Log(c.Context(), a.log, "admin: key revoked", by, err, attrs...)
	switch {
	case err == nil:
		return adminapi.ReceiptOf(got), nil
	case !marked:
		return nil, err
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

// markKey revokes the key in the ring. A ring that this replica cannot change is left alone if the
// key is revoked in it already.
func (a *api) markKey(c *call) error {
	err := a.edit(c, func(r *keys.Ring, now time.Time) (*keys.Ring, error) { return r.Revoke(now, c.kid) })
	if key, ok := a.keys.Ring().Key(c.kid); ok && errors.Is(err, keys.ErrReadOnly) {
		if _, revoked := key.Revoked(); revoked {
			return nil
		}
	}
	return err
}

// announce revokes the key in the list.
func (a *api) announce(c *call, keyOnly bool) (revocation.Receipt, error) {
	if keyOnly {
		return a.list.Revoke(c.Context(), revocation.Key(c.kid), revocation.Options{})
	}
	// It takes some seconds, and must not stop half way because the caller hung up.
	_, everyone, err := a.list.RevokeKey(context.WithoutCancel(c.Context()), c.kid, revocation.Options{})
	return everyone, err
}

// edit changes the ring where it is kept. Errors that a caller can act on are returned as they are.
func (a *api) edit(c *call, change func(*keys.Ring, time.Time) (*keys.Ring, error)) error {
	editor, ok := a.keys.(keys.Editor)
	if !ok {
		return keys.ErrReadOnly
	}
	err := editor.Edit(c.Context(), func(r *keys.Ring) (*keys.Ring, error) { return change(r, time.Now()) })
	for _, known := range []error{nil, keys.ErrReadOnly, keys.ErrPending, keys.ErrFull, keys.ErrUnknownKey, keys.ErrShorter, keys.ErrNothingPending, adminapi.ErrInUse} {
		if errors.Is(err, known) {
			return err
		}
	}
	return errors.Join(errRing, err)
}

// errRing: the ring could not be read or written where it is kept.
var errRing = errors.New("admin: the ring could not be changed")
