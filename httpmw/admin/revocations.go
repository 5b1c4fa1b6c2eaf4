package admin

import (
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// receipt is what a revocation is answered with.
type receipt struct {
	Position  string    `json:"position"`
	Changed   bool      `json:"changed"`    // false: it was revoked to this extent already
	Effective time.Time `json:"effective"`  // every replica that reaches the store refuses from then on
	WorstCase time.Time `json:"worst_case"` // and every other one from then on
	// AheadMS: with "before", how far log time is ahead of the clock, in ms, if that is much.
	AheadMS int64 `json:"ahead_ms,omitempty"`
}

func receiptOf(r revocation.Receipt) receipt {
	return receipt{Position: r.Position, Changed: r.Changed, Effective: r.Effective.UTC(), WorstCase: r.WorstCase.UTC(), AheadMS: r.Ahead.Milliseconds()}
}

func (a *api) revoke(c *call) (any, error) {
	var scope, id, reason string
	var before *string
	if err := c.read(map[string]any{"scope": &scope, "id": &id, "before": &before, "reason": &reason}); err != nil {
		return nil, err
	}
	target, err := targetOf(scope, id)
	if err != nil {
		return nil, err
	}
	if target.Scope() == revlog.ScopeKey {
		return nil, invalid("A key is revoked at /keys/{kid}/revoke, because the ring has to know of it too.")
	}
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	options := revocation.Options{Actor: c.actor, Reason: reason}
	if before != nil {
		if options.Before, err = time.Parse(time.RFC3339Nano, *before); err != nil {
			return nil, invalid(`"before" is not a time of RFC 3339.`)
		}
		if options.Before.Unix() < 0 { // the zero time, which a program sends that has none, would mean now
			return nil, invalid(`"before" lies before 1970. Leave it out to revoke all that began until now.`)
		}
		if target.Scope() == revlog.ScopeSession {
			return nil, invalid(`A session has no "before": it is revoked whenever it began.`)
		}
	}
	got, err := a.list.Revoke(c.Context(), target, options)
	if errors.Is(err, revocation.ErrTarget) || errors.Is(err, revocation.ErrFuture) {
		return nil, err // nothing was done, so nothing to audit
	}
	a.audit(c, "admin: revoked", err, reason,
		a.tag(target), slog.String("position", got.Position), slog.Bool("changed", got.Changed))
	if err != nil {
		return nil, err
	}
	return receiptOf(got), nil
}

func (a *api) lookup(c *call) (any, error) {
	var scope, id string
	if err := c.read(map[string]any{"scope": &scope, "id": &id}); err != nil {
		return nil, err
	}
	target, err := targetOf(scope, id)
	if err != nil {
		return nil, err
	}
	since, revoked, err := a.list.Revoked(c.Context(), target)
	partial := revoked && errors.Is(err, revocation.ErrLookup) // true holds, whatever the store would say
	if err != nil && !partial {
		return nil, unanswered(err, "The store does not answer, and this replica does not know of a revocation. There may be one.")
	}
	answer := struct {
		Revoked bool       `json:"revoked"`
		Since   *time.Time `json:"since,omitempty"` // what began at or before it is refused; a session has none
		Partial bool       `json:"partial,omitempty"`
	}{Revoked: revoked, Partial: partial}
	if revoked && !since.IsZero() {
		utc := since.UTC()
		answer.Since = &utc
	}
	return answer, nil
}

func targetOf(scope, id string) (revocation.Target, error) {
	s, ok := revlog.ParseScope(scope)
	if !ok {
		return revocation.Target{}, invalid(`"scope" must be session, subject, group, key or everyone.`)
	}
	return revocation.TargetOf(s, id), nil
}

// tag stands for a target in the audit log: a pseudonym that whoever holds the ring can compute for a suspected id, and nobody else.
func (a *api) tag(t revocation.Target) slog.Attr {
	tag := a.list.Tag(t)
	return slog.Group("target", slog.String("scope", t.Scope().String()), slog.String("tag", hex.EncodeToString(tag[:])))
}

// audit logs a change, or that it failed.
func (a *api) audit(c *call, what string, err error, reason string, attrs ...slog.Attr) {
	level := slog.LevelInfo
	attrs = append([]slog.Attr{slog.String("actor", c.actor), slog.String("reason", reason)}, attrs...)
	if err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.Any("error", err))
	}
	a.log.LogAttrs(c.Context(), level, what, attrs...)
}
