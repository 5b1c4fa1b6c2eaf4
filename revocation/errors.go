package revocation

import (
	"errors"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Errors a caller can act on.
var (
	// ErrUnavailable: the store did not answer, or did not acknowledge in time. After a
	// revocation with this error, this replica refuses the session at once, and sends the
	// revocation again until the store takes it. Other replicas may not know of it yet.
	ErrUnavailable = replica.ErrUnavailable
	// ErrOutboxFull: the store did not answer, and 65,536 revocations already wait for it,
	// which is as many as this replica keeps. Nothing was done: this replica does not refuse
	// the session and will not send the revocation, so the caller has to try again. It wraps
	// ErrUnavailable.
	ErrOutboxFull = replica.ErrOutboxFull
	// ErrNotReady: this replica has not joined the list yet, see Config.StartWithoutStore.
	// Nothing was done. It wraps ErrUnavailable.
	ErrNotReady = replica.ErrNotReady
	// ErrLookup: the store did not answer a question of [List.Revoked] or [List.Replicas].
	// Both then return what this replica knows. It wraps ErrUnavailable.
	ErrLookup = replica.ErrLookup
	// ErrRevoked: the session that was to begin or to go on is revoked.
	ErrRevoked = replica.ErrRevoked
	// ErrTarget: the target or an option is invalid.
	ErrTarget = errors.New("revocation: invalid target or option")
	// ErrFuture: Options.Before is later than log time. If it were accepted, later
	// revocations of the same target would do nothing until then.
	ErrFuture = revlog.ErrFuture
	// ErrWrongKey: the list was created with another list key, so no tag would match.
	ErrWrongKey = revlog.ErrWrongKey
	// ErrLayout: the store holds a list in a layout that this release does not know.
	ErrLayout = revlog.ErrLayout
	// ErrBehind: the store has the revocation, but Options.Wait ended before every replica had
	// confirmed that it refuses what the revocation ends. The receipt is valid, and Receipt.Behind
	// names them.
	ErrBehind = replica.ErrBehind
	// ErrUnderWay: Options.Over was given, and an earlier revocation of the same target is still
	// ending its sessions one after another. Another one would end some of them later. Nothing was
	// done. Without Options.Over, a revocation ends them all at once.
	ErrUnderWay = replica.ErrUnderWay
	// ErrDisabled: the list was made by Disabled.
	ErrDisabled = replica.ErrDisabled
	// ErrClosed: the list was closed.
	ErrClosed = replica.ErrClosed
)
