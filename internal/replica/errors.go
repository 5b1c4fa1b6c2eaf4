package replica

import (
	"errors"
	"fmt"
)

// Errors of package revocation, which documents them.
var (
	ErrUnavailable = errors.New("revocation: the store did not answer")
	ErrOutboxFull  = fmt.Errorf("%w, and too many revocations wait for it: this one was not made", ErrUnavailable)
	ErrNotReady    = fmt.Errorf("%w since this process started: nothing was done", ErrUnavailable)
	ErrLookup      = fmt.Errorf("%w: only this replica could be asked", ErrUnavailable)
	ErrRevoked     = errors.New("revocation: revoked")
	ErrDisabled    = errors.New("revocation: disabled")
	ErrClosed      = errors.New("revocation: closed")
)

// errBooting is of a revocation that is kept until the list is joined.
var errBooting = fmt.Errorf("%w since this process started", ErrUnavailable)
