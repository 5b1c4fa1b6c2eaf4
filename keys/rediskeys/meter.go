package rediskeys

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/lograte"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/keys"
)

const (
	countEvery = time.Minute     // between tellings of what keys were used
	countGap   = time.Second     // at least, between reservations
	countAgain = 5 * time.Second // after one that failed
	countLast  = time.Second     // for the last telling, in Close
	// unusedFor is how long a key that the ring does not hold must be unused before its count is
	// dropped. Our copy of the ring may be too old to hold it.
	unusedFor = 24 * time.Hour
)

// reserve raises the seals of keys in the hash KEYS[1] and returns the hash. ARGV has three values
// for each key: its kid, the highest count that this process was told, and the block to reserve. A
// count that was lost comes back as the highest that any process was told.
const reserve = `for i = 1, #ARGV, 3 do
	local n = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0) or 0
	if not (n >= 0 and n < 2^53) then n = 0 end
	local next = math.max(n, tonumber(ARGV[i+1])) + tonumber(ARGV[i+2])
	if next > n then redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', next)) end
end
return redis.call('HGETALL', KEYS[1])`

// use raises the times at which keys last sealed and last opened in the hash KEYS[1], and returns
// the hash. ARGV has three values for each key: its kid and the two times. No time stays that is
// more than an hour ahead of the server's clock, if the user may read that: one wrong clock would
// keep a key from ever being pruned.
const use = `local t = redis.pcall('TIME')
local latest = t.err and 2^53 or tonumber(t[1]) + 3600
local function later(was, new)
	was = tonumber(was or 0)
	return math.min(math.max(was <= latest and was or 0, tonumber(new)), latest)
end
for i = 1, #ARGV, 3 do
	local was = redis.call('HGET', KEYS[1], ARGV[i]) or ''
	local s, o = string.match(was, '^(%d+) (%d+)$')
	local now = string.format('%.0f %.0f', later(s, ARGV[i+1]), later(o, ARGV[i+2]))
	if now ~= was then redis.call('HSET', KEYS[1], ARGV[i], now) end
end
return redis.call('HGETALL', KEYS[1])`

// Meter implements keys.Metered. It counts over all processes that share the ring: each reserves
// blocks of seals in Redis before it needs them, and a block counts as spent. A process that has to
// do without Redis goes on with a small share of what was left, and has that counted afterwards.
func (r *Ring) Meter() *keys.Meter { return r.meter }

var _ keys.Metered = (*Ring)(nil)

// count keeps the count until ctx ends, and then tells a last time.
func (r *Ring) count(ctx context.Context) {
	defer close(r.counted)
	flush := time.NewTicker(r.conf.counting.every)
	defer flush.Stop()
	last := time.Now()
	var due <-chan time.Time // nil: no reservation is due
	for {
		within := lookFor
		select {
		case <-ctx.Done():
			within = countLast
		case <-r.counts.Wake():
			if due == nil {
				due = time.After(countGap - time.Since(last))
			}
			continue
		case <-due:
		case <-flush.C:
		}
		due, last = nil, time.Now()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
		err := r.account(bounded)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if r.sayCount(err); err != nil {
			due = time.After(countAgain)
		}
	}
}

// account tells Redis how keys were used, reserves blocks, and takes in what Redis knows. Uses come
// first, so that a key with a count has been used lately.
func (r *Ring) account(ctx context.Context) error {
	wanted := r.counts.Wanted()
	var used, blocks []any
	for _, w := range wanted {
		if w.Sealed > 0 || w.Opened > 0 {
			used = append(used, w.KID, w.Sealed, w.Opened)
		}
		if w.Told > 0 || w.Block > 0 {
			blocks = append(blocks, w.KID, w.Told, w.Block)
		}
	}
	uses, err := r.eval(ctx, use, r.uses, used)
	if err != nil {
		return err
	}
	totals, err := r.eval(ctx, reserve, r.seals, blocks)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		if total, ok := number(totals[w.KID]); ok && w.Block > 0 {
			r.counts.Reserved(w.KID, w.Block, total)
		}
	}
	ring := r.ring.Load()
	for _, k := range ring.Keys() {
		total, _ := number(totals[k.ID()])
		sealed, opened := times(uses[k.ID()])
		r.counts.Told(k.ID(), total, sealed, opened)
	}
	return r.dropCounts(ctx, ring, totals, uses)
}

// eval runs a script on a hash and returns the hash. One key for each script: while a Cluster moves
// slots, it accepts none with two.
func (r *Ring) eval(ctx context.Context, script, key string, args []any) (map[string]string, error) {
	flat, err := r.client.Eval(ctx, script, []string{key}, args...).StringSlice()
	if err != nil {
		return nil, r.failed(err)
	}
	hash := map[string]string{}
	for i := 0; i+1 < len(flat); i += 2 {
		hash[flat[i]] = flat[i+1]
	}
	return hash, nil
}

// dropCounts drops the counts of keys that are in no ring any more, here and in Redis.
func (r *Ring) dropCounts(ctx context.Context, ring *keys.Ring, totals, uses map[string]string) error {
	gone := func(kid string, sealed, opened int64) bool {
		_, held := ring.Key(kid)
		return !held && time.Since(time.Unix(max(sealed, opened), 0)) > unusedFor
	}
	r.counts.Keep(func(kid string) bool {
		u := r.counts.Use(kid)
		return !gone(kid, u.Sealed, u.Opened)
	})
	var drop []string
	for _, hash := range []map[string]string{totals, uses} {
		for kid := range hash {
			if sealed, opened := times(uses[kid]); gone(kid, sealed, opened) {
				drop = append(drop, kid)
			}
		}
	}
	if len(drop) == 0 {
		return nil
	}
	for _, key := range []string{r.seals, r.uses} {
		if err := r.client.HDel(ctx, key, drop...).Err(); err != nil {
			return r.failed(err)
		}
	}
	return nil
}

// firstCount takes in what the fleet knows before the ring is used.
func (r *Ring) firstCount(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	err := r.account(bounded)
	if denied(err) {
		return fmt.Errorf("%w: the user at %s may not count seals; allow it: ACL SETUSER … ~%s ~%s +eval +hget +hset +hgetall +hdel", ErrUnsafe, r.addr, r.seals, r.uses)
	}
	r.sayCount(err)
	return nil
}

func denied(err error) bool {
	var refused redis.Error
	return errors.As(err, &refused) && strings.Contains(refused.Error(), "NOPERM") // also inside a script
}

// sayCount logs each kind of failure once.
func (r *Ring) sayCount(err error) {
	log := r.conf.Logger.With("key", r.seals)
	switch kind := lograte.Kind(err); {
	case err != nil && r.toldCount != kind:
		r.toldCount = kind
		log.Warn("rediskeys: cannot count seals over the fleet; going on with a share of what was left", "address", r.addr, "error", err)
	case err == nil && r.toldCount != "":
		r.toldCount = ""
		log.Info("rediskeys: seals are counted over the fleet again")
	}
}

// number reads a count. Anything else is none.
func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// times reads the two times of a key. What is none is 0.
func times(s string) (sealed, opened int64) {
	a, b, _ := strings.Cut(s, " ")
	sealed, _ = strconv.ParseInt(a, 10, 64)
	opened, _ = strconv.ParseInt(b, 10, 64)
	return sealed, opened
}

// counting is what tests change.
type counting struct {
	limits meter.Limits
	every  time.Duration // zero: countEvery
}
