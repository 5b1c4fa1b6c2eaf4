package keys

import "time"

// Needed returns until when a living session may still need the key k of r, given its use: until it
// expires, and if it sealed later than the ring's times say, until what it sealed last has ended. A
// machine whose clock is behind seals with a key after another one took over, and so does one that
// did not hear of the other one. The result is zero if no end is known, because no newer key is due
// to take over.
//
// [Ring.Prune] goes by the time alone. Something that prunes for people should keep a key that is
// still needed.
func Needed(r *Ring, k Key, u Use) (until time.Time) {
	if own, ok := r.Key(k.id); ok {
		k = own // r knows best when it ends
	}
	if k.end == 0 || u.Sealed.IsZero() {
		return k.Expires()
	}
	return seconds(max(k.end, u.Sealed.Unix()+k.opens()))
}
