package token

import (
	"errors"
	"fmt"
)

// Errors of tokens that do not open. All of them wrap [ErrInvalid], and a client should be told no
// more than that. Which one it was belongs in a log and a counter.
var (
	ErrInvalid = errors.New("token: invalid")

	// ErrTooLong means that the token is longer than [MaxLength]. Nothing else was checked.
	ErrTooLong = fmt.Errorf("%w: too long", ErrInvalid)
	// ErrMalformed means that the token is not of this format, is of another kind, or was sealed by
	// a key of the ring around claims that are not of this format. Sealing returns it for claims
	// that could not be read back.
	ErrMalformed = fmt.Errorf("%w: malformed", ErrInvalid)
	// ErrUnknownKey means that the ring does not have the key, or that the key expired. A newer
	// copy of the ring may have it.
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrInvalid)
	// ErrRevokedKey means that the key is revoked: every token sealed with it is refused.
	ErrRevokedKey = fmt.Errorf("%w: revoked key", ErrInvalid)
	// ErrTampered means that the authentication tag is wrong. The token was changed, or its header
	// names a key that did not seal it.
	ErrTampered = fmt.Errorf("%w: tampered with", ErrInvalid)
)

// Errors of sealing, besides [ErrMalformed] and [keys.ErrSpent].
var (
	// ErrTooLarge means that the token would be longer than [MaxLength], or that a part of it is
	// longer than the format allows.
	ErrTooLarge = errors.New("token: too large")
	// ErrNoKey means that the ring has no key that seals at this time.
	ErrNoKey = errors.New("token: no key to seal with")
)
