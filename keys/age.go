package keys

import (
	"errors"
	"time"
)

// Daily is the interval at which to rotate automatically, unless there is a reason for another one.
// A key may seal 2^32 times, which is 49,000 a second for a day.
const Daily = 24 * time.Hour

// RotateIfOlder is [Ring.Rotate] if the newest key was made at least that long ago, and no key is
// waiting. Otherwise it returns r itself. It is for rotating by a timer: of many replicas that call
// it at the same time through [Editor.Edit], one rotates. If no key can seal now, it rotates at
// once.
//
// A clock that is ahead cannot make a series of keys: the key it makes is new by that clock, and
// waits by all others.
func (r *Ring) RotateIfOlder(now time.Time, age time.Duration, how Rotation) (*Ring, error) {
	if age <= 0 {
		return nil, errors.New("keys: RotateIfOlder: the age must be positive")
	}
	_, sealing := r.Sealing(now)
	for _, k := range r.keys {
		if sealing && (r.State(k, now) == Pending || now.Sub(k.IssuedAt()) < age) {
			return r, nil
		}
	}
	return r.Rotate(now, how)
}
