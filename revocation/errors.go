package revocation

import (
	"errors"
	"fmt"
)

// Errors a caller can act on.
var (
	// ErrUnavailable: the store did not answer, or did not acknowledge in time. A
	// revocation that returns it is refused by this replica at once, and sent
	// again until the store takes it; other replicas may not know of it yet.
	ErrUnavailable = errors.New("revocation: the store did not answer")
	// ErrOutboxFull: the store did not answer, and as many revocations wait for it as
	// this replica remembers, 65,536. This one is not refused here and will not be sent:
	// the caller has to try again. It wraps ErrUnavailable.
	ErrOutboxFull = fmt.Errorf("%w, and too many revocations wait for it: this one was not made", ErrUnavailable)
	// ErrNotReady: the list was not joined yet, see Config.StartWithoutStore. Nothing was
	// done. It wraps ErrUnavailable.
	ErrNotReady = fmt.Errorf("%w since this process started: nothing was done", ErrUnavailable)
	// ErrLookup: the store did not answer a question of [List.Revoked] or
	// [List.Replicas], which return what this replica knows with it. It wraps
	// ErrUnavailable.
	ErrLookup = fmt.Errorf("%w: only this replica could be asked", ErrUnavailable)
	// ErrRevoked: what was to be continued or begun is revoked.
	ErrRevoked = errors.New("revocation: revoked")
	// ErrTarget: the target or the options name nothing that can be revoked.
	ErrTarget = errors.New("revocation: no such target")
	// ErrFuture: Options.Before lies beyond log time. Accepting it would make later
	// revocations of the same target do nothing until then.
	ErrFuture = errors.New("revocation: before lies in the future")
	// ErrWrongKey: the list was begun with another list key, so no tag would match.
	ErrWrongKey = errors.New("revocation: the list belongs to another key ring")
	// ErrLayout: the store holds a list in a layout this version does not know.
	ErrLayout = errors.New("revocation: unknown list layout")
	// ErrDisabled: the list is the one made by Disabled.
	ErrDisabled = errors.New("revocation: disabled")
	// ErrClosed: the list was closed.
	ErrClosed = errors.New("revocation: closed")
)

// Errors of a Store that the list mends by itself.
var (
	// ErrLost: the head or the log of the list is gone, as after FLUSHALL.
	ErrLost = errors.New("revocation: the store lost the list")
	// ErrGenesis: the store holds another list than the one asked for.
	ErrGenesis = errors.New("revocation: the store holds another list")
)

// errBooting is of a revocation that is kept until the list is joined.
var errBooting = fmt.Errorf("%w since this process started", ErrUnavailable)
