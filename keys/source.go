package keys

import "context"

// A Source brings the ring to code that seals and opens. It is safe for concurrent use. [File] is a
// Source, and [Static] makes one.
type Source interface {
	// Ring returns the ring as it is known now. It never blocks, never returns nil, and returns the
	// same pointer until the ring changes.
	Ring() *Ring
	// Refresh checks whether the ring changed where it is kept. Call it whenever an unknown kid
	// comes up: calls at the same time share one check, and checks are rate-limited. A call too
	// soon after the last check waits for the next one, which begins about a second later. So
	// after nil, Ring returns what was kept when Refresh was called, or what was kept later. After an
	// error the ring is unchanged.
	Refresh(ctx context.Context) error
}

// An Editor is a Source that can be written.
type Editor interface {
	Source
	// Edit changes the ring where it is kept. It calls edit with the newest ring, stores the ring
	// that edit returns, and returns when that is durable. If two editors run at once, neither
	// change is lost; edit may be called again for that. If edit returns an error, or the ring it
	// was given, nothing is written. A source that cannot be written returns [ErrReadOnly].
	Edit(ctx context.Context, edit func(*Ring) (*Ring, error)) error
}

// Static returns a Source that always has this ring. It is for tests, and for a ring that comes
// with the environment of the process, opened with [KEK.Open].
func Static(r *Ring) Source { return static{r, NewMeter()} }

type static struct {
	ring  *Ring
	meter *Meter
}

func (s static) Ring() *Ring                   { return s.ring }
func (s static) Refresh(context.Context) error { return nil }
