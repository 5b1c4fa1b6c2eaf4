package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	defaultAfter = 10 * time.Minute
	longestAfter = 366 * 24 * time.Hour
)

// Rotation says how [Ring.Rotate] introduces a new key.
type Rotation struct {
	// After is how long the new key waits before it seals, so that every replica has it by then. It
	// must be at least a second. Zero: 10 minutes.
	After time.Duration
	// Immediate makes the new key seal at once. A replica that does not have the key yet refuses
	// sessions sealed with it until it has. Zero: the key waits.
	Immediate bool
}

// Rotate returns the ring with a new key, which seals from now plus how.After. The key that seals
// until then still opens for [Ring.MaxSession] and 24 hours more.
//
// While a new key is already waiting, Rotate returns [ErrPending]. So two people who rotate at
// once, or two replicas that find a key too old, make one key and not two. An Immediate rotation
// goes ahead; the key that waits still takes over at its time. If no key can seal now, the new key
// seals at once.
func (r *Ring) Rotate(now time.Time, how Rotation) (*Ring, error) {
	switch {
	case how.Immediate && how.After != 0:
		return nil, errors.New("keys: Rotation: set Immediate or After, not both")
	case how.After != 0 && how.After < time.Second || how.After > longestAfter:
		return nil, errors.New("keys: Rotation.After must be between 1 second and 366 days")
	}
	old, ok := r.Sealing(now)
	if how.Immediate || !ok {
		return r.with(now, max(now.Unix(), old.nbf))
	}
	if k, waits := r.waiting(now); waits {
		return nil, fmt.Errorf("%w: it begins to seal at %s", ErrPending, k.NotBefore().Format(time.RFC3339))
	}
	if how.After == 0 {
		how.After = defaultAfter
	}
	return r.with(now, max(now.Add(how.After).Unix(), old.nbf))
}

// waiting returns the newest key that is pending.
func (r *Ring) waiting(now time.Time) (Key, bool) {
	for _, k := range r.keys { // newest first
		if r.State(k, now) == Pending {
			return k, true
		}
	}
	return Key{}, false
}

// Revoke returns the ring with that key revoked: every replica that has this ring refuses what the
// key sealed. If it was the key that seals, a new key is added, which seals at once. If it was a
// key that waits, another key waits in its place. If the key is revoked already, Revoke returns r
// itself. If the ring does not hold the kid, the error is [ErrUnknownKey].
func (r *Ring) Revoke(now time.Time, kid string) (*Ring, error) {
	i, ok := r.byID[kid]
	if !ok {
		return nil, ErrUnknownKey
	}
	if r.keys[i].revoked != 0 {
		return r, nil
	}
	keys := slices.Clone(r.keys)
	keys[i].revoked = now.Unix()
	revoked := newRing(r.identity, r.maxSession, keys)
	switch k := keys[i]; r.State(k, now) {
	case Sealing:
		return revoked.with(now, max(now.Unix(), k.nbf))
	case Pending:
		if i > 0 {
			break // another key takes over later
		}
		return revoked.with(now, max(now.Add(defaultAfter).Unix(), k.nbf))
	}
	return revoked, nil
}

// Prune returns the ring without expired keys. Revoked keys stay until they expire, since only the
// ring knows that they are revoked. A key stays as long as an older one does, which ends because of
// it, and the newest key that was not cancelled always stays. If no key goes, Prune returns r
// itself.
func (r *Ring) Prune(now time.Time) *Ring {
	var opens int64 // the longest that a key older than the one at hand opens after it seals no more
	keep := len(r.keys)
	for i := len(r.keys) - 1; i >= 0; i-- { // oldest first
		k := &r.keys[i]
		// Every older key ends by then, also when an old copy brings it back without the keys that
		// ended it before.
		if !k.cancelled() && k.nbf+opens <= now.Unix() {
			keep = i + 1
		}
		opens = max(opens, k.opens())
	}
	if keep == len(r.keys) {
		return r
	}
	return newRing(r.identity, r.maxSession, slices.Clone(r.keys[:keep]))
}

// with returns the ring with one more key, made now.
func (r *Ring) with(now time.Time, nbf int64) (*Ring, error) {
	if len(r.keys) >= maxKeys {
		return nil, ErrFull
	}
	iat := now.Unix()
	for _, k := range r.keys { // newest first
		if k.nbf == nbf && k.iat >= iat {
			iat = k.iat + 1 // of two keys made in one second, the later one comes later
		}
	}
	// The key that seals may come from a copy that was not extended, and may have sealed longer
	// sessions since that copy was merged here.
	return newRing(r.identity, r.maxSession, append(r.fit(now, r.maxSession), newKey(iat, nbf, r.maxSession))), nil
}
