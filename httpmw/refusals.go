package httpmw

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// refusals are the errors with which a session is refused or undecided, or a route refuses a session
// that is good, and their names in metrics and logs. Those that an operator should look at are logged as warnings.
var refusals = [...]struct {
	err  error
	name string
	warn bool
}{
	{ErrExpiredIdle, "expired_idle", false},
	{ErrExpiredAbsolute, "expired_absolute", false},
	{ErrRevokedSession, "revoked_session", false},
	{ErrRevokedSubject, "revoked_subject", false},
	{ErrRevokedGroup, "revoked_group", false},
	{ErrRevokedKey, "revoked_key", false},
	{ErrRevokedEveryone, "revoked_everyone", false},
	{ErrListLost, "list_lost", true},
	{ErrUnknownKey, "unknown_key", true},
	{ErrTampered, "tampered", true},
	{ErrMalformed, "malformed", false},
	{ErrTooLong, "too_long", false},
	{ErrWrongAudience, "wrong_audience", true},
	{ErrOutOfBounds, "out_of_bounds", true},
	{ErrAmbiguous, "ambiguous", true},
	{ErrIncomplete, "incomplete", true},
	{ErrUndecided, "undecided", true},
	{ErrData, "data", true},
	{ErrReauthenticate, "reauthenticate", false},
	{ErrReload, "reload", true},
	{ErrMethods, "methods", false},
	{ErrLoginTooOld, "login_too_old", false},
}

// Reason returns the short name of an error with which a session is refused or undecided, or by
// which a route requires another login, as it stands in metrics and logs: "expired_idle",
// "revoked_subject", "undecided", "methods". It returns "" for
// other errors and for nil.
func Reason(err error) string {
	for i := range refusals {
		if errors.Is(err, refusals[i].err) {
			return refusals[i].name
		}
	}
	return ""
}

// tokenError returns why a token does not open.
func tokenError(err error) error {
	switch {
	case errors.Is(err, token.ErrUnknownKey):
		return ErrUnknownKey
	case errors.Is(err, token.ErrRevokedKey):
		return ErrRevokedKey
	case errors.Is(err, token.ErrTampered):
		return ErrTampered
	case errors.Is(err, token.ErrTooLong):
		return ErrTooLong
	default:
		return ErrMalformed
	}
}

// refusedBy returns why the list refuses a session.
func refusedBy(r replica.Reason) error {
	switch r {
	case replica.RevokedSession:
		return ErrRevokedSession
	case replica.RevokedSubject:
		return ErrRevokedSubject
	case replica.RevokedGroup:
		return ErrRevokedGroup
	case replica.RevokedKey:
		return ErrRevokedKey
	case replica.RevokedEveryone:
		return ErrRevokedEveryone
	case replica.ListLost:
		return ErrListLost
	case replica.Stale:
		return ErrExpiredIdle
	case replica.Silent:
		return ErrUndecided
	default:
		return ErrInvalid
	}
}

// note counts and logs one of the refusals: each at debug level, and a warning once a minute for
// those that an operator should look at.
func (c *core) note(ctx context.Context, err error, now time.Time) {
	for i := range refusals {
		r := &refusals[i]
		if !errors.Is(err, r.err) {
			continue
		}
		c.count.refused[i].Add(1)
		log := c.cfg.Logger
		if log.Enabled(ctx, slog.LevelDebug) {
			log.LogAttrs(ctx, slog.LevelDebug, "session refused", slog.String("app", c.cfg.App), slog.String("reason", r.name))
		}
		if r.warn && c.count.warned[i].due(now) {
			log.LogAttrs(ctx, slog.LevelWarn, "sessions are being refused", slog.String("app", c.cfg.App),
				slog.String("reason", r.name), slog.Uint64("so_far", c.count.refused[i].Load()))
		}
		return
	}
}
