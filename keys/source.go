package keys

import "context"

// A Source brings the ring to whoever seals and opens. It is safe for concurrent
// use. [File] is one, [Static] makes another.
type Source interface {
	// Ring returns the ring as it is known now. It never blocks and never
	// returns nil, and returns the same pointer until the ring changes.
	Ring() *Ring
	// Refresh looks whether the ring changed where it is kept. Call it as often
	// as an unknown kid is met: calls that come together share one look, and
	// looks are rate-limited. A call that comes too soon after the last look
	// returns nil at once; the look follows when its time comes. An error leaves
	// the ring as it was.
	Refresh(ctx context.Context) error
}

// An Editor is a source that can be written.
type Editor interface {
	Source
	// Edit changes the ring where it is kept. It calls edit with the newest
	// ring, puts what edit returns in its place and returns when that is
	// durable; two editors at once never lose one's change, for which edit may
	// be called again. If edit returns an error, or the ring it was given,
	// nothing is written. A source that cannot be written returns [ErrReadOnly].
	Edit(ctx context.Context, edit func(*Ring) (*Ring, error)) error
}

// Static returns a source that always has this ring: for tests, and for a ring
// that comes with the environment of the process, opened with [KEK.Open].
func Static(r *Ring) Source { return static{r} }

type static struct{ ring *Ring }

func (s static) Ring() *Ring                   { return s.ring }
func (s static) Refresh(context.Context) error { return nil }
