package keys

import (
	"encoding"
	"fmt"
	"time"
)

// State is where a key is in its life.
type State uint8

// The states follow from time, but for Revoked, which follows from [Ring.Revoke]
// and ends all others. The zero State is none of them.
const (
	_       State = iota
	Pending       // its time to seal has not come
	Sealing       // seals and opens: the newest whose time came
	Opening       // opens what it sealed
	Expired       // opens nothing any more
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

// MarshalText returns the name, for encoding/json and slog.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var _ encoding.TextMarshaler = State(0)

// State returns where the key is in its life at the given time. It answers for
// this ring's copy of the key, whichever copy k is; a key that the ring does not
// hold is [Expired].
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

// Sealing returns the key to seal with: the newest whose time came, neither
// revoked nor expired. If there is none, it is the one whose time comes first,
// however far that is, because then our clock is behind the one that made it: the
// time of a key only lets every replica have it before it seals, and the one that
// comes first has been in the ring for longest. It allocates nothing.
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
