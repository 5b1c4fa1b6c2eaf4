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

// place is swap for a ring that comes to where another one was, or none, which
// ARGV[1] says with "". KEYS[2] is a hash of the list keys of rings that lost their
// place to an older one (ARGV[4]). A revocation list that was begun with one of them
// keeps out everybody else, so redisstore begins it anew.
const place = `if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], ARGV[4], '') end
return 1`

// put writes next in the place of doc, which nil says there is none of. If doc is no
// copy of next, it is loser. It is compare-and-set: one that was sent twice because
// its answer was lost reports false, and the next look finds what it wrote.
func (r *Ring) put(ctx context.Context, doc []byte, next, loser *keys.Ring) (bool, error) {
	sealed, err := r.kek.Seal(ctx, next)
	if err != nil {
		return false, err
	}
	var cmd *redis.Cmd
	if doc != nil && loser == nil { // one key: a Cluster that moves slots takes nothing else
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
	r.ring.Store(next)
	return true, nil
}

// listKey is what the head of a revocation list says of its list key.
func listKey(r *keys.Ring) string {
	check := r.ListSecret("wafer list: key check")
	return string(check[:16])
}
