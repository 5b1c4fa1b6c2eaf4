package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNothingPending means that there is no rotation to cancel: no new key is waiting, or it begins
// to seal so soon that a replica may not learn in time that it must not.
var ErrNothingPending = errors.New("keys: no rotation to cancel")

// Cancel takes back a rotation while its new key is still waiting. The key that seals now goes on,
// with no end, as if the ring had not been rotated, and nobody is logged out. If several keys wait,
// Cancel takes back all of them.
//
// The key stays in the ring, revoked before its time, so that a copy of the ring that still has it
// cannot bring it back. It counts as the newest key for [Ring.RotateIfOlder], so automatic rotation
// waits for its next turn.
//
// A replica that does not learn of this before the key's time seals with it, and those sessions
// end. So a key that begins to seal within the next minute can no longer be cancelled, and the
// error is [ErrNothingPending].
func (r *Ring) Cancel(now time.Time) (*Ring, error) {
	keys := slices.Clone(r.keys)
	err := ErrNothingPending
	for i, k := range r.keys {
		if r.State(k, now) != Pending {
			continue
		}
		if k.nbf <= now.Unix()+ahead {
			return nil, fmt.Errorf("%w: the new key begins to seal at %s, and some replicas may not learn of this in time; rotate once more instead", ErrNothingPending, k.NotBefore().Format(time.RFC3339))
		}
		keys[i].revoked = now.Unix()
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return newRing(r.identity, r.maxSession, keys), nil
}
