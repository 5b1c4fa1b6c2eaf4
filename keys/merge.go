package keys

import (
	"fmt"
	"slices"
)

// Merge returns the union of two copies of one ring: every key of either, revoked
// if either says so and as early as either says, ending as early as either says,
// and the longer of the two longest sessions. Where one copy is extended and the other
// is not, the ends in the extended one count. It adds and revokes and never removes,
// and the order in which copies meet does not matter.
//
// Copies have the same id, the same time of making and the same list key; anything
// else is [ErrForeign], and so is a key that one of them knows with another secret
// or another beginning. If other brings nothing, Merge returns r itself.
func (r *Ring) Merge(other *Ring) (*Ring, error) {
	if r.id != other.id || r.iat != other.iat || r.listKey.bytes() != other.listKey.bytes() {
		return nil, ErrForeign
	}
	keys := slices.Clone(r.keys)
	for _, theirs := range other.keys {
		i, ok := r.byID[theirs.id]
		if !ok {
			keys = append(keys, theirs)
			continue
		}
		ours := &keys[i]
		if ours.iat != theirs.iat || ours.nbf != theirs.nbf || ours.secret.bytes() != theirs.secret.bytes() {
			return nil, fmt.Errorf("%w: it holds another key under the same kid", ErrForeign)
		}
		switch { // an end counts for the longest session that the key seals
		case ours.max < theirs.max:
			ours.max, ours.exp = theirs.max, theirs.exp
		case ours.max == theirs.max:
			ours.exp = earliest(ours.exp, theirs.exp)
		}
		ours.revoked = earliest(ours.revoked, theirs.revoked)
	}
	if len(keys) > maxKeys {
		return nil, ErrFull
	}
	merged := newRing(r.identity, max(r.maxSession, other.maxSession), keys)
	if merged.same(r) {
		return r, nil
	}
	return merged, nil
}

// earliest returns the earlier of two times, of which zero is none.
func earliest(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// same says whether the document of one copy says what that of the other says.
func (r *Ring) same(other *Ring) bool {
	return r.maxSession == other.maxSession && slices.EqualFunc(r.keys, other.keys, func(a, b Key) bool {
		return a.id == b.id && a.exp == b.exp && a.max == b.max && a.revoked == b.revoked
	})
}
