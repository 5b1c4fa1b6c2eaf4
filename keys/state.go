package keys

import (
	"encoding"
	"fmt"
	"time"
)

// State is the stage of a key's life.
type State uint8

// States follow from the time. Only Revoked follows from [Ring.Revoke], and it replaces all others.
// The zero State is none of them.
const (
	_       State = iota
	Pending       // not yet time to seal
	Sealing       // seals and opens: the newest key whose time has come
	Opening       // opens what it sealed, and seals no more
	Expired       // opens nothing
	Revoked       // what it sealed is refused
)

// String returns the name of the state in lower case.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Sealing:
		return "sealing"
	case Opening:
		return "opening"
	case Expired:
		return "expired"
	case Revoked:
		return "revoked"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText returns the name of the state, for encoding/json and slog.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var _ encoding.TextMarshaler = State(0)

// State returns the state of a key at the given time. It refers to this ring's copy of the key,
// whichever copy k is. A key that the ring does not hold is [Expired].
func (r *Ring) State(k Key, now time.Time) State {
	k, ok := r.Key(k.id)
	t := now.Unix()
	switch {
	case !ok:
		return Expired
	case k.revoked != 0:
		return Revoked
	case k.end != 0 && k.end <= t:
		return Expired
	}
	if s, ok := r.Sealing(now); ok && s.id == k.id {
		return Sealing
	}
	if k.nbf > t {
		return Pending
	}
	return Opening
}

// Sealing returns the key to seal with: the newest whose time has come and that is neither revoked
// nor expired. If there is none, it is the key whose time comes first, however far off. Our clock
// is then behind the one that made it. That is safe: a key waits only so that every replica has it
// before it seals, and the key whose time comes first has been in the ring longest. Sealing
// allocates nothing.
func (r *Ring) Sealing(now time.Time) (Key, bool) {
	t := now.Unix()
	var soon Key
	for _, k := range r.keys { // newest first
		switch {
		case k.revoked != 0 || k.end != 0 && k.end <= t:
		case k.nbf <= t:
			return k, true
		case soon.id == "" || k.nbf < soon.nbf:
			soon = k
		}
	}
	return soon, soon.id != ""
}
