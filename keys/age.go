package keys

import (
	"errors"
	"slices"
	"time"
)

// Daily is the interval at which to rotate automatically, unless there is a reason for another one.
// A key may seal 2^32 times, which is 49,000 a second for a day.
const Daily = 24 * time.Hour

// RotateIfOlder is [Ring.Rotate] if the newest key was made at least that long ago, and no key is
// waiting. Otherwise it returns r itself. It is for rotating by a timer: of many replicas that call
// it at the same time through [Editor.Edit], one rotates.
//
// It rotates whatever the age if no key is left to seal, or only one that a newer key took over
// from, so that what it seals now would outlive it. Copies that were edited apart can come to that:
// one cancelled a new key, and another had not heard and revoked the key before it.
//
// A clock that is ahead cannot make a series of keys: the key it makes is new by that clock, and
// waits by all others. Once it is cancelled, the others go by the keys before it.
func (r *Ring) RotateIfOlder(now time.Time, age time.Duration, how Rotation) (*Ring, error) {
	if age <= 0 {
		return nil, errors.New("keys: RotateIfOlder: the age must be positive")
	}
	k, sealing := r.Sealing(now)
	lasts := k.end == 0 || k.end-k.opens() > now.Unix()
	_, waits := r.waiting(now)
	young := func(k Key) bool {
		fromAhead := k.cancelled() && k.iat > now.Unix()+ahead
		return !fromAhead && now.Sub(k.IssuedAt()) < age
	}
	if sealing && (waits || lasts && slices.ContainsFunc(r.keys, young)) {
		return r, nil
	}
	return r.Rotate(now, how)
}
