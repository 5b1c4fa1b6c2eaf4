package httpmw

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// A Reason says why a cookie was refused. Its text is the name in metrics and logs.
type Reason string

// Every Reason there is.
const (
	ReasonExpiredIdle     Reason = "expired_idle"
	ReasonExpiredAbsolute Reason = "expired_absolute"
	ReasonRevokedSession  Reason = "revoked_session"
	ReasonRevokedSubject  Reason = "revoked_subject"
	ReasonRevokedGroup    Reason = "revoked_group"
	ReasonRevokedKey      Reason = "revoked_key"
	ReasonRevokedEveryone Reason = "revoked_everyone"
	ReasonListLost        Reason = "list_lost"
	ReasonUnknownKey      Reason = "unknown_key"
	ReasonTampered        Reason = "tampered"
	ReasonMalformed       Reason = "malformed"
	ReasonTooLong         Reason = "too_long"
	ReasonWrongAudience   Reason = "wrong_audience"
	ReasonOutOfBounds     Reason = "out_of_bounds"
	ReasonAmbiguous       Reason = "ambiguous"
	ReasonIncomplete      Reason = "incomplete"
	ReasonUndecided       Reason = "undecided"
	ReasonData            Reason = "data"
)

// reasons maps each Reason to the error callers see. The ones an operator should look at are also warned of.
var reasons = [...]struct {
	reason Reason
	err    error
	warn   bool
}{
	{ReasonExpiredIdle, ErrExpiredIdle, false},
	{ReasonExpiredAbsolute, ErrExpiredAbsolute, false},
	{ReasonRevokedSession, ErrRevokedSession, false},
	{ReasonRevokedSubject, ErrRevokedSubject, false},
	{ReasonRevokedGroup, ErrRevokedGroup, false},
	{ReasonRevokedKey, ErrRevokedKey, false},
	{ReasonRevokedEveryone, ErrRevokedEveryone, false},
	{ReasonListLost, ErrListLost, true},
	{ReasonUnknownKey, ErrUnknownKey, true},
	{ReasonTampered, ErrTampered, true},
	{ReasonMalformed, ErrMalformed, false},
	{ReasonTooLong, ErrTooLong, false},
	{ReasonWrongAudience, ErrWrongAudience, true},
	{ReasonOutOfBounds, ErrOutOfBounds, true},
	{ReasonAmbiguous, ErrAmbiguous, true},
	{ReasonIncomplete, ErrIncomplete, true},
	{ReasonUndecided, ErrUndecided, true},
	{ReasonData, ErrData, true},
}

// err returns the sentinel of a reason.
func (r Reason) err() error {
	for i := range reasons {
		if reasons[i].reason == r {
			return reasons[i].err
		}
	}
	return ErrInvalid
}

// tokenReason names why a token did not open.
func tokenReason(err error) Reason {
	switch {
	case errors.Is(err, token.ErrUnknownKey):
		return ReasonUnknownKey
	case errors.Is(err, token.ErrRevokedKey):
		return ReasonRevokedKey
	case errors.Is(err, token.ErrTampered):
		return ReasonTampered
	case errors.Is(err, token.ErrTooLong):
		return ReasonTooLong
	default:
		return ReasonMalformed
	}
}

// listReason names why the list refused. Its own names are ours.
func listReason(r replica.Reason) Reason { return Reason(r.String()) }

// Stats are counters of one Manager since it was made.
type Stats struct {
	Anonymous  uint64            // requests without a session: no cookie of ours, or one that does not count
	Accepted   uint64            // sessions accepted
	Refused    map[string]uint64 // cookies refused, by Reason; undecided among them
	Written    uint64            // session cookies written
	Renewed    uint64            // renewal cookies written
	Shared     uint64            // of these, ones that an earlier request had sealed
	Unsealed   uint64            // renewals due that no key could seal
	Withheld   uint64            // cookies not written because the session was revoked meanwhile
	Expired    uint64            // cookies expired by a logout
	Lookups    uint64            // looks for a key that was unknown, or for a successor of one that is revoked
	Unsealable uint64            // tokens not sealed because the ring's sealing key is revoked: ErrSealingKeyRevoked
	Early      uint64            // tokens sealed with a key whose time has not come, because the clock of this machine is behind
	Retagged   uint64            // sessions that named the tag of another subject, which was corrected
}

type counters struct {
	anonymous, accepted, written, renewed, shared, unsealed, withheld, expired, lookups, retagged, unsealable, early atomic.Uint64

	refused     [len(reasons)]atomic.Uint64
	warned      [len(reasons)]minutely
	warnedTag   minutely
	warnedKey   minutely
	warnedClock minutely
	plain       atomic.Bool // the warning about plain http was given
}

// Stats returns the counters of now.
func (m *Manager[T]) Stats() Stats {
	n := &m.core.count
	s := Stats{
		Anonymous: n.anonymous.Load(), Accepted: n.accepted.Load(), Written: n.written.Load(),
		Renewed: n.renewed.Load(), Shared: n.shared.Load(), Unsealed: n.unsealed.Load(), Withheld: n.withheld.Load(),
		Expired: n.expired.Load(), Lookups: n.lookups.Load(), Retagged: n.retagged.Load(), Unsealable: n.unsealable.Load(), Early: n.early.Load(),
		Refused: make(map[string]uint64, len(reasons)),
	}
	for i := range reasons {
		s.Refused[string(reasons[i].reason)] = n.refused[i].Load()
	}
	return s
}

// note counts and logs one refusal: each at debug level, and a warning once a minute for what an operator
// should know.
func (c *core) note(ctx context.Context, r Reason, now time.Time) {
	for i := range reasons {
		if reasons[i].reason != r {
			continue
		}
		c.count.refused[i].Add(1)
		log := c.cfg.Logger
		if log.Enabled(ctx, slog.LevelDebug) {
			log.LogAttrs(ctx, slog.LevelDebug, "session refused", slog.String("app", c.cfg.App), slog.String("reason", string(r)))
		}
		if reasons[i].warn && c.count.warned[i].due(now) {
			log.LogAttrs(ctx, slog.LevelWarn, "sessions are being refused", slog.String("app", c.cfg.App),
				slog.String("reason", string(r)), slog.Uint64("so_far", c.count.refused[i].Load()))
		}
		return
	}
}
