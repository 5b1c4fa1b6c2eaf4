package adminapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// An Effect is what the list does to sessions.
type Effect struct {
	Effect string `json:"effect"` // end, require_login or reload
	// Since: it is about sessions that began at or before it. Of reload, it is when their data was
	// loaded that counts.
	Since *time.Time `json:"since,omitempty"`
	// Over: they end one after another over this time, such as 1h0m0s, and all have ended by EndedBy.
	// Absent: at once.
	Over    string     `json:"over,omitempty"`
	EndedBy *time.Time `json:"ended_by,omitempty"`
}

// effectOf returns the document of an entry of k, with the watermark w.
func effectOf(k revlog.Key, w int64, over time.Duration) Effect {
	e := Effect{Effect: k.Effect.String()}
	if !k.Always() {
		e.Since = moment(time.UnixMilli(w))
	}
	if k.Effect == revlog.EndSlowly {
		e.Effect, e.Over, e.EndedBy = revlog.End.String(), over.String(), moment(time.UnixMilli(w).Add(over))
	}
	return e
}

// A Way is how the sessions of a target are revoked.
type Way struct {
	Effect revlog.Effect // End, RequireLogin or Reload
	Before time.Time     // zero: all sessions that began until now
	Over   time.Duration // of End; zero: at once
}

// check returns an error if w takes longer than the list can remember (R37).
func (w Way) check(l *revocation.List) error {
	if longest := min(revlog.MaxOver, l.Replica().LongestIdle()); w.Over > longest {
		return fmt.Errorf("%w: the time over which sessions end must be at most %v, the longest idle limit of the list", revocation.ErrTarget, longest)
	}
	return nil
}

// Revoke revokes t. wait is [revocation.Options.Wait].
func (w Way) Revoke(ctx context.Context, l *revocation.List, t revocation.Target, wait time.Duration) (Receipt, error) {
	if err := w.check(l); err != nil {
		return Receipt{}, err
	}
	do := l.Revoke
	switch w.Effect {
	case revlog.RequireLogin:
		do = l.RequireLogin
	case revlog.Reload:
		do = l.Reload
	}
	r, err := do(ctx, t, revocation.Options{Before: w.Before, Over: w.Over, Wait: wait})
	behind := errors.Is(err, revocation.ErrBehind) // the revocation was made
	if err != nil && !behind {
		return Receipt{}, err
	}
	receipt := ReceiptOf(r)
	if wait > 0 {
		receipt.Fleet = FleetOf(r, !behind)
	}
	if w.Over > 0 {
		receipt.EndedBy = moment(r.Effective.Add(w.Over))
	}
	return receipt, nil
}

// stored is the effect that the list has.
func (w Way) stored() revlog.Effect {
	if w.Over > 0 {
		return revlog.EndSlowly
	}
	return w.Effect
}
