package revocation

import (
	"errors"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Errors a caller can act on.
var (
	// ErrUnavailable: the store did not answer, or did not acknowledge in time. A
	// revocation that returns it is refused by this replica at once, and sent
	// again until the store takes it; other replicas may not know of it yet.
	ErrUnavailable = replica.ErrUnavailable
	// ErrOutboxFull: the store did not answer, and as many revocations wait for it as
	// this replica remembers, 65,536. This one is not refused here and will not be sent:
	// the caller has to try again. It wraps ErrUnavailable.
	ErrOutboxFull = replica.ErrOutboxFull
	// ErrNotReady: the list was not joined yet, see Config.StartWithoutStore. Nothing was
	// done. It wraps ErrUnavailable.
	ErrNotReady = replica.ErrNotReady
	// ErrLookup: the store did not answer a question of [List.Revoked] or
	// [List.Replicas], which return what this replica knows with it. It wraps
	// ErrUnavailable.
	ErrLookup = replica.ErrLookup
	// ErrRevoked: what was to be continued or begun is revoked.
	ErrRevoked = replica.ErrRevoked
	// ErrTarget: the target or the options name nothing that can be revoked.
	ErrTarget = errors.New("revocation: the target or an option is not valid")
	// ErrFuture: Options.Before lies beyond log time. Accepting it would make later
	// revocations of the same target do nothing until then.
	ErrFuture = revlog.ErrFuture
	// ErrWrongKey: the list was begun with another list key, so no tag would match.
	ErrWrongKey = revlog.ErrWrongKey
	// ErrLayout: the store holds a list in a layout this version does not know.
	ErrLayout = revlog.ErrLayout
	// ErrDisabled: the list is the one made by Disabled.
	ErrDisabled = replica.ErrDisabled
	// ErrClosed: the list was closed.
	ErrClosed = replica.ErrClosed
)
