package token

import (
	"errors"
	"fmt"
)

// What is wrong with a token that does not open. All wrap [ErrInvalid], and all
// that a client should be told is that: which of them it is belongs in a log and
// a counter.
var (
	ErrInvalid = errors.New("token: invalid")

	// ErrTooLong: longer than [MaxLength]. Nothing more was looked at.
	ErrTooLong = fmt.Errorf("%w: too long", ErrInvalid)
	// ErrMalformed: not a token of this format, or one of another kind, or one
	// that was sealed by a key of the ring around claims that are not of this
	// format. Sealing returns it for claims that could not be read back.
	ErrMalformed = fmt.Errorf("%w: malformed", ErrInvalid)
	// ErrUnknownKey: the ring has no such key, or it expired. A ring that is
	// fresher may have it.
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrInvalid)
	// ErrRevokedKey: the key is revoked, and nothing sealed with it is believed.
	ErrRevokedKey = fmt.Errorf("%w: revoked key", ErrInvalid)
	// ErrTampered: the tag is not right. The token was changed, or its header
	// names a key that did not seal it.
	ErrTampered = fmt.Errorf("%w: tampered with", ErrInvalid)
)

// Why something cannot be sealed, beside [ErrMalformed].
var (
	// ErrTooLarge: the token would be longer than [MaxLength], or a part is longer
	// than the format allows.
	ErrTooLarge = errors.New("token: too large")
	// ErrNoKey: the ring has no key that seals at this time.
	ErrNoKey = errors.New("token: no key to seal with")
	// ErrExhausted: the key sealed as often as a key may, which is 2^32 times
	// (RFC 7518 §8.4). Rotate the ring.
	ErrExhausted = errors.New("token: key exhausted")
)
