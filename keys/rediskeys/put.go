package rediskeys

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/keys"
)

// swap replaces the value of KEYS[1] if it is ARGV[1].
const swap = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

// place is swap for a ring that is not a copy of the one before it. ARGV[1] is "" if there was
// none. KEYS[2] is a hash with the list keys of rings that an older ring replaced (ARGV[4]). A
// revocation list begun with one of them shuts out all replicas that have the older ring, so
// redisstore begins a new one.
const place = `if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], ARGV[4], '') end
return 1`

// put replaces doc with next; nil means that there is no document. If doc is not a copy of next,
// its ring is loser. put is a compare-and-set: if it was sent twice because the first answer was
// lost, it returns false, and the next read finds what it wrote.
func (r *Ring) put(ctx context.Context, k keys.KEK, doc []byte, next, loser *keys.Ring) (bool, error) {
	sealed, err := r.seal(ctx, k, next)
	if err != nil {
		return false, err
	}
	var cmd *redis.Cmd
	// one key: while a Cluster moves slots, it accepts no script with two
	if doc != nil && loser == nil {
		cmd = r.client.Eval(ctx, swap, []string{r.key}, doc, sealed)
	} else {
		lost := ""
		if loser != nil {
			lost = listKey(loser)
		}
		cmd = r.client.Eval(ctx, place, []string{r.key, r.replaced}, string(doc), sealed, listKey(next), lost)
	}
	n, err := cmd.Int()
	if err != nil {
		return false, r.failed(err)
	}
	if n != 1 {
		return false, nil
	}
	r.doc = document{bytes: sealed, ring: next, tried: time.Now(), ours: true}
	r.keep(sealed)
	r.ring.Store(next)
	return true, nil
}

// keep notes the document that our ring was last read from or written to.
func (r *Ring) keep(doc []byte) { r.last, r.unsent = doc, unsent{} }

// unsent is a ring that was sealed, but is not in Redis yet.
type unsent struct {
	ring   *keys.Ring
	sealed []byte
}

// seal seals our ring under the KEK that our last document was under, even if Redis lost it. While
// Redis refuses what was sealed, the same bytes are tried again and the KEK is not asked for.
func (r *Ring) seal(ctx context.Context, k keys.KEK, next *keys.Ring) (sealed []byte, err error) {
	switch {
	case r.last == nil:
		return k.Seal(ctx, next)
	case r.unsent.ring == next:
		return r.unsent.sealed, nil
	}
	if sealed, err = k.Reseal(ctx, next, r.last); err == nil {
		r.unsent = unsent{next, sealed}
	}
	return sealed, err
}

// listKey returns what the head of a revocation list holds about the list key of r.
func listKey(r *keys.Ring) string {
	check := r.ListSecret("wafer list: key check")
	return string(check[:16])
}
