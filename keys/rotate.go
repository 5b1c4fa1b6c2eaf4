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

// Rotation says how [Ring.Rotate] brings a new key in.
type Rotation struct {
	// After is how long the new key waits before it seals, so that every replica
	// has it by then; at least a second. Zero: 10 minutes.
	After time.Duration
	// Immediate lets the new key seal at once. A replica that does not have it
	// yet takes sessions sealed with it for none, until it has. Zero: it waits.
	Immediate bool
}

// Rotate returns the ring with a new key, which seals from now plus r.After. The
// key that seals until then opens for [Ring.MaxSession] and 24 hours more.
//
// While a new key is waiting already, Rotate returns [ErrPending]: two people who
// press the button, or two replicas that find a key too old, make one key and not
// two. An Immediate rotation goes ahead; the key that waits takes over at its time
// nevertheless. If nothing can seal now, the new key seals at once.
func (r *Ring) Rotate(now time.Time, how Rotation) (*Ring, error) {
	switch {
	case how.Immediate && how.After != 0:
		return nil, errors.New("keys: a rotation is either immediate or after some time")
	case how.After != 0 && how.After < time.Second || how.After > longestAfter:
		return nil, errors.New("keys: a rotation waits between a second and 366 days")
	}
	old, ok := r.Sealing(now)
	if how.Immediate || !ok {
		return r.with(now, max(now.Unix(), old.nbf))
	}
	if k := r.keys[0]; k.revoked == 0 && r.State(k, now) == Pending {
		return nil, fmt.Errorf("%w: it begins to seal at %s", ErrPending, k.NotBefore().Format(time.RFC3339))
	}
	if how.After == 0 {
		how.After = defaultAfter
	}
	return r.with(now, max(now.Add(how.After).Unix(), old.nbf))
}

// Revoke returns the ring with that key revoked: what it sealed is refused by
// everyone who has this ring. If it was the key that seals, there is also a new
// one, which seals at once; if it was one that waits, another one waits in its
// place. A key that is revoked already stays as it is, and the ring is the same.
// A kid that the ring does not hold is [ErrUnknownKey].
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
			break // another one takes over later
		}
		// What seals now was given an end because of the key that is revoked
		// here. It needs another one to take over before that end.
		return revoked.with(now, max(now.Add(defaultAfter).Unix(), k.nbf))
	}
	return revoked, nil
}

// Prune returns the ring without the keys that expired; revoked ones too stay
// until then, since only the ring knows that they are revoked. The newest key
// stays always. If none expired, the ring is the same.
func (r *Ring) Prune(now time.Time) *Ring {
	t := now.Unix()
	keys := r.settled()
	newest := keys[0].id
	keys = slices.DeleteFunc(keys, func(k Key) bool {
		return k.id != newest && k.end != 0 && k.end <= t
	})
	if len(keys) == len(r.keys) {
		return r
	}
	return newRing(r.identity, r.maxSession, keys)
}

// with returns the ring with one key more, made now.
func (r *Ring) with(now time.Time, nbf int64) (*Ring, error) {
	if len(r.keys) >= maxKeys {
		return nil, ErrFull
	}
	iat := now.Unix()
	for _, k := range r.keys { // newest first
		if k.nbf == nbf && k.iat >= iat {
			iat = k.iat + 1 // two keys of one second: the later one comes later
		}
	}
	// The key that seals may come from a copy that was not extended, and seals as long
	// sessions as any since that copy met this one.
	r = newRing(r.identity, r.maxSession, append(r.fit(now, r.maxSession), newKey(iat, nbf, r.maxSession)))
	return newRing(r.identity, r.maxSession, r.settled()), nil
}

// settled returns the keys with their ends written down, for the document to say
// them to whoever reads it.
func (r *Ring) settled() []Key {
	keys := slices.Clone(r.keys)
	for i := range keys {
		keys[i].exp = keys[i].end
	}
	return keys
}
