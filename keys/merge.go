package keys

import (
	"fmt"
	"slices"
)

// Merge returns the union of two copies of one ring. It has every key of either. A key is revoked
// if it is in either copy, at the earlier of the two times, and ends at the earlier of the two
// ends. The longer of the two longest sessions holds. If only one copy is extended, the ends of
// keys in that one hold. Merge adds and revokes and never removes, and the order in which copies
// are merged does not matter.
//
// Copies have the same id, the same time of issue and the same list key. Otherwise the error is
// [ErrForeign], as it is if one kid has different secrets or times (iat, nbf) in them. If other
// adds nothing, Merge returns r itself.
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
			return nil, fmt.Errorf("%w: it has a different key under the same kid", ErrForeign)
		}
		switch { // an end belongs to the longest session that the key seals
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

// earliest returns the earlier of two times. Zero is no time.
func earliest(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// same reports whether two copies have the same document.
func (r *Ring) same(other *Ring) bool {
	return r.maxSession == other.maxSession && slices.EqualFunc(r.keys, other.keys, func(a, b Key) bool {
		return a.id == b.id && a.exp == b.exp && a.max == b.max && a.revoked == b.revoked
	})
}
