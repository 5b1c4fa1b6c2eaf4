package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// keyInfo is what may be said of a key.
type keyInfo struct {
	ID        string     `json:"kid"`
	State     string     `json:"state"`
	IssuedAt  time.Time  `json:"iat"`
	NotBefore time.Time  `json:"nbf"`
	Expires   *time.Time `json:"exp,omitempty"` // absent: a newer key has to take over first
	Revoked   *time.Time `json:"revoked,omitempty"`
}

type keyList struct {
	Ring string    `json:"ring"`
	Keys []keyInfo `json:"keys"`
}

func (a *api) listKeys(*call) (any, error) {
	return describe(a.keys.Ring(), time.Now()), nil
}

func describe(r *keys.Ring, now time.Time) keyList {
	list := keyList{Ring: r.ID(), Keys: []keyInfo{}}
	for _, k := range r.Keys() {
		info := keyInfo{
			ID: k.ID(), State: r.State(k, now).String(),
			IssuedAt: k.IssuedAt().UTC(), NotBefore: k.NotBefore().UTC(),
		}
		if at := k.Expires().UTC(); !k.Expires().IsZero() {
			info.Expires = &at
		}
		if at, revoked := k.Revoked(); revoked {
			at = at.UTC()
			info.Revoked = &at
		}
		list.Keys = append(list.Keys, info)
	}
	return list
}

func (a *api) rotateKeys(c *call) (any, error) {
	var (
		after     int64 // seconds
		immediate bool
		reason    string
	)
	if err := c.read(map[string]any{"after": &after, "immediate": &immediate, "reason": &reason}); err != nil {
		return nil, err
	}
	if after < 0 || after > 7*24*60*60 {
		return nil, invalid(`"after" is a number of seconds, at most a week.`)
	}
	if immediate && after != 0 {
		return nil, invalid(`"immediate" and "after" exclude each other.`)
	}
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	rotation := keys.Rotation{After: time.Duration(after) * time.Second, Immediate: immediate}
	err := a.edit(c, func(r *keys.Ring, now time.Time) (*keys.Ring, error) { return r.Rotate(now, rotation) })
	a.audit(c, "admin: keys rotated", err, reason, slog.Bool("immediate", immediate))
	if err != nil {
		return nil, err
	}
	return describe(a.keys.Ring(), time.Now()), nil
}

// revokeKey marks the key in the ring, which decides for good, and then announces it in the list, which every replica hears within the
// list's bound whatever the ring's way to it (R25). Unless told key_only it revokes everyone as well, see [revocation.List.RevokeKey].
func (a *api) revokeKey(c *call) (any, error) {
	var (
		keyOnly bool
		reason  string
	)
	if err := c.read(map[string]any{"key_only": &keyOnly, "reason": &reason}); err != nil {
		return nil, err
	}
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	err := a.edit(c, func(r *keys.Ring, now time.Time) (*keys.Ring, error) { return r.Revoke(now, c.kid) })
	if key, ok := a.keys.Ring().Key(c.kid); ok && errors.Is(err, keys.ErrReadOnly) {
		if _, revoked := key.Revoked(); revoked {
			err = nil // where it is kept, and it has come here
		}
	}
	if errors.Is(err, keys.ErrUnknownKey) {
		return nil, err // nothing was done, so nothing to audit; and what stands in the path may be anything
	}
	attrs := []slog.Attr{slog.String("kid", c.kid), slog.Bool("key_only", keyOnly)}
	var got revocation.Receipt
	marked := err == nil
	if marked {
		got, err = a.announce(c, keyOnly, reason)
		attrs = append(attrs, slog.String("position", got.Position), slog.Bool("changed", got.Changed))
	}
	a.audit(c, "admin: key revoked", err, reason, attrs...)
	switch {
	case err == nil:
		return receiptOf(got), nil
	case !marked:
		return nil, err
	case errors.Is(err, revocation.ErrDisabled):
		return nil, &problem{
			Status: http.StatusNotImplemented, Code: "disabled",
			Detail: "The key is revoked in the ring. This application was built without a list of revocations, so no more can be done.",
		}
	}
	return nil, unavailable("unavailable", "The key is revoked in the ring, but the store did not acknowledge it for the list. Ask again.")
}

// announce tells the list.
func (a *api) announce(c *call, keyOnly bool, reason string) (revocation.Receipt, error) {
	options := revocation.Options{Actor: c.actor, Reason: reason}
	if keyOnly {
		return a.list.Revoke(c.Context(), revocation.Key(c.kid), options)
	}
	// It takes some seconds, and is not to be left half done because the caller went away.
	_, everyone, err := a.list.RevokeKey(context.WithoutCancel(c.Context()), c.kid, options)
	return everyone, err
}

// edit changes the ring where it is kept. What a caller can act on comes back as it is.
func (a *api) edit(c *call, change func(*keys.Ring, time.Time) (*keys.Ring, error)) error {
	editor, ok := a.keys.(keys.Editor)
	if !ok {
		return keys.ErrReadOnly
	}
	err := editor.Edit(c.Context(), func(r *keys.Ring) (*keys.Ring, error) { return change(r, time.Now()) })
	for _, known := range []error{nil, keys.ErrReadOnly, keys.ErrPending, keys.ErrFull, keys.ErrUnknownKey} {
		if errors.Is(err, known) {
			return err
		}
	}
	return errors.Join(errRing, err)
}

// errRing: the ring could not be read or written where it is kept.
var errRing = errors.New("admin: the ring could not be changed")
