package keys

import "errors"

// Callers compare these with [errors.Is]. No error contains a secret.
var (
	// ErrDocument means that the bytes are not a ring that may be used: bad syntax, unknown or
	// repeated members, a weak key, or too large.
	ErrDocument = errors.New("keys: invalid ring document")
	// ErrKEK means that the key encryption key is missing, unusable, or does not open this
	// document. A wrong key and an altered document cannot be told apart.
	ErrKEK = errors.New("keys: cannot open the ring")
	// ErrForeign means that two documents are not copies of one ring.
	ErrForeign = errors.New("keys: not a copy of this ring")
	// ErrUnknownKey means that the ring holds no key with that id.
	ErrUnknownKey = errors.New("keys: no such key")
	// ErrPending means that a rotation was requested while a new key is already waiting for its
	// time.
	ErrPending = errors.New("keys: a new key is already waiting")
	// ErrFull means that the ring holds as many keys as a ring may. Prune it.
	ErrFull = errors.New("keys: the ring is full")
	// ErrReadOnly means that the source can be read but not written.
	ErrReadOnly = errors.New("keys: read-only")
	// ErrExposed means that users other than the owner can read or write a file of secrets, or that
	// root would have edited one in a folder that others can write to.
	ErrExposed = errors.New("keys: the file is open to other users")
	// ErrClosed means that the source was closed.
	ErrClosed = errors.New("keys: closed")
)
