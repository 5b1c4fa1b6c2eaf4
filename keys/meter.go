package keys

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wafer-sessions/wafer/internal/meter"
)

// ErrSpent means that a key has sealed as often as it may: 2^32 times with random nonces (RFC 7518
// §8.4, NIST SP 800-38D §8.3). Only a new key helps.
var ErrSpent = errors.New("keys: the sealing key is spent, it has sealed 2^32 times: rotate the ring (wafer keys rotate --now)")

// errSparing is ErrSpent for what can wait.
var errSparing = fmt.Errorf("%w; it is close to that, so renewals have stopped to leave the rest to logins and changes of sessions", ErrSpent)

// A Purpose says what a key seals for. Renewals stop before a key is spent, so that logins can go
// on.
type Purpose uint8

const (
	// Renewal: nothing is lost if it is not sealed. The session ends sooner.
	Renewal Purpose = iota
	// Login: a login, or a change of a session.
	Login
)

// A Use is what is known of a key's use.
type Use struct {
	// Seals is how often the key sealed. With Fleet, blocks of seals that a process reserved count
	// as spent. Without, it counts from the start of this process.
	Seals uint64
	// Sealed and Opened are when the key last sealed and last opened a token, to the second. With
	// Fleet, what other processes did is known a minute later. Zero: never, as far as is known.
	Sealed, Opened time.Time
	// Fleet reports whether all processes that share the ring are counted, and not only this one.
	Fleet bool
}

// A Metered is a [Source] that counts what its keys seal. All sources of this module are.
type Metered interface {
	Source
	// Meter returns the meter of the source, always the same one.
	Meter() *Meter
}

var (
	_ Metered = (*File)(nil)
	_ Metered = static{}
)

// A Meter counts how often each key of a ring seals, and notes when it last sealed and last opened.
// It is safe for concurrent use.
type Meter struct{ in *meter.Meter }

// NewMeter returns a Meter for this process.
func NewMeter() *Meter { return MeterOf(meter.New(meter.Limits{})) }

// MeterOf is for packages of this module.
func MeterOf(m *meter.Meter) *Meter { return &Meter{m} }

// MeterFor returns the meter of s, or a new one for this process if s has none.
func MeterFor(s Source) *Meter {
	if m, ok := s.(Metered); ok {
		return m.Meter()
	}
	return NewMeter()
}

// Count returns the count of the key with that id, which is the same at every call while the ring
// holds the key. Ask for it once, and only for keys of the ring: a meter that is asked for ids from
// tokens fills up.
func (m *Meter) Count(kid string) Count { return Count{m.in.Count(kid)} }

// A Count counts what one key seals, and when it last sealed and opened. It is a small value that may
// be copied, and is safe for concurrent use. Counting takes no lock and allocates nothing.
type Count struct{ in *meter.Count }

// Seal counts a seal by the key. The error is [ErrSpent], for a [Renewal] sooner than for a [Login];
// the key must not seal then.
func (c Count) Seal(p Purpose, now time.Time) error {
	switch {
	case c.in.Seal(p == Renewal, now):
		return nil
	case p == Renewal:
		return errSparing
	}
	return ErrSpent
}

// Opened notes that the key opened a token.
func (c Count) Opened(now time.Time) { c.in.Opened(now) }

// Use returns what is known of the use of a key.
func (m *Meter) Use(kid string) Use {
	u := m.in.Use(kid)
	return Use{Seals: u.Seals, Sealed: seconds(u.Sealed), Opened: seconds(u.Opened), Fleet: m.in.Fleet()}
}

// Tired reports whether a key has sealed 2^31 times, half as often as it may. It is then time to
// rotate the ring.
func (m *Meter) Tired(kid string) bool { return m.in.Tired(kid) }

// Left returns which part of its 2^32 seals a key has left, from 1 down to 0.
func (m *Meter) Left(kid string) float64 { return m.in.Left(kid) }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (m *Meter) Format(f fmt.State, _ rune) { io.WriteString(f, "keys.Meter") }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Count) Format(f fmt.State, _ rune) { io.WriteString(f, "keys.Count") }

// Meter implements [Metered]. It counts this process.
func (f *File) Meter() *Meter { return f.meter }

func (s static) Meter() *Meter { return s.meter }
