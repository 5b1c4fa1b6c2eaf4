package keys

import "errors"

// Callers branch on these with [errors.Is]. No error holds a secret.
var (
	// ErrDocument means that the bytes are not a ring, or not one that may be
	// used: bad syntax, unknown or repeated members, a weak key, too large.
	ErrDocument = errors.New("keys: not a ring")
	// ErrKEK means that the key encryption key is missing, unusable, or does not
	// open this document. A wrong key and an altered document look the same.
	ErrKEK = errors.New("keys: cannot open the ring")
	// ErrForeign means that two documents are not copies of one ring.
	ErrForeign = errors.New("keys: another ring")
	// ErrUnknownKey means that the ring holds no key of that id.
	ErrUnknownKey = errors.New("keys: no such key")
	// ErrPending means that a rotation was asked for while a new key is already
	// waiting for its time.
	ErrPending = errors.New("keys: a new key is already waiting")
	// ErrFull means that the ring holds as many keys as a ring may; prune it.
	ErrFull = errors.New("keys: the ring is full")
	// ErrReadOnly means that the source can be read and not be written.
	ErrReadOnly = errors.New("keys: read-only")
	// ErrExposed means that others than the owner can read or write a file of secrets,
	// or that root was to edit one in a folder that others can write to.
	ErrExposed = errors.New("keys: others can get at the file")
	// ErrClosed means that the source was closed.
	ErrClosed = errors.New("keys: closed")
)
