package replica

import (
	"errors"
	"fmt"
)

// Errors of package revocation, which documents them.
var (
	ErrUnavailable = errors.New("revocation: the store did not answer")
	ErrOutboxFull  = fmt.Errorf("%w, and this process already keeps as many revocations as it may: this one was not made", ErrUnavailable)
	ErrNotReady    = fmt.Errorf("%w since this process started, so nothing was done", ErrUnavailable)
	ErrLookup      = fmt.Errorf("%w, so only what this process knows was looked up", ErrUnavailable)
	ErrRevoked     = errors.New("revocation: revoked")
	ErrBehind      = errors.New("revocation: the store has the revocation, and not every replica has confirmed that it refuses what it ends")
	ErrUnderWay    = errors.New("revocation: another revocation is ending these sessions one after another: wait until it is over, or end them all now")
	ErrDisabled    = errors.New("revocation: disabled")
	ErrClosed      = errors.New("revocation: closed")
)

// errBooting says that a revocation is kept until this replica has joined the list.
var errBooting = fmt.Errorf("%w since this process started", ErrUnavailable)
