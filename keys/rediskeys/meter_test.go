package rediskeys_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

const often = 50 * time.Millisecond // between tellings, in these tests

// total returns how many seals of a key Redis has.
func total(s *redistest.Server, kid string) uint64 {
	n, _ := strconv.ParseUint(s.Do("HGET", "{wafer}:seals", kid), 10, 64)
	return n
}

func sealing(t *testing.T, r keys.Source) string {
	t.Helper()
	k, ok := r.Ring().Sealing(time.Now())
	if !ok {
		t.Fatal("no key seals")
	}
	return k.ID()
}

func TestSealsOfAFleetAreCounted(t *testing.T) {
	s := redistest.Start(t)
	var fleet [4]*rediskeys.Ring
	for i := range fleet {
		fleet[i] = open(t, s, config().Counting(meter.Limits{First: 16, Block: 64}, often))
	}
	kid := sealing(t, fleet[0])
	var wg sync.WaitGroup
	for i, r := range fleet {
		wg.Go(func() {
			for range 500 * i { // the first one seals nothing
				if err := r.Meter().Count(kid).Seal(keys.Login, time.Now()); err != nil {
					t.Errorf("Seal: %v", err)
				}
			}
		})
	}
	wg.Wait()
	redistest.Await(t, "all seals are counted", func() bool { return total(s, kid) >= 3000 })
	if n := total(s, kid); n > 3000+4*64*2 {
		t.Errorf("%d seals are counted for 3000", n)
	}
	redistest.Await(t, "the one that sealed nothing knows", func() bool {
		u := fleet[0].Meter().Use(kid)
		return u.Seals >= 3000 && u.Fleet && time.Since(u.Sealed) < time.Minute && u.Opened.IsZero()
	})
	opened := time.Now().Add(time.Minute)
	fleet[0].Meter().Count(kid).Opened(opened)
	redistest.Await(t, "another one knows that a key opened", func() bool { return fleet[3].Meter().Use(kid).Opened.Unix() == opened.Unix() })
	late := open(t, s, config().Counting(meter.Limits{}, time.Hour))
	if u := late.Meter().Use(kid); u.Seals < 3000 || u.Opened.Unix() != opened.Unix() {
		t.Errorf("a process that just started knows %+v", u)
	}
}

// The last telling is at Close.
func TestCloseTellsUses(t *testing.T) {
	s := redistest.Start(t)
	r := open(t, s, config().Counting(meter.Limits{}, time.Hour))
	kid := sealing(t, r)
	r.Meter().Count(kid).Opened(time.Unix(1_700_000_000, 0))
	r.Close()
	if uses := s.Do("HGET", "{wafer}:uses", kid); uses != "0 1700000000" {
		t.Errorf("uses: %q", uses)
	}
}

func TestTheCountOutlivesFLUSHALL(t *testing.T) {
	s := redistest.Start(t)
	l := meter.Limits{First: 1 << 10}
	a := open(t, s, config().Counting(l, often))
	kid := sealing(t, a)
	for range 900 {
		a.Meter().Count(kid).Seal(keys.Login, time.Now())
	}
	redistest.Await(t, "seals are counted", func() bool { return total(s, kid) >= 900 })
	b := open(t, s, config().Counting(l, often))
	before := total(s, kid)
	a.Close() // the one that knows more
	s.Do("FLUSHALL")
	redistest.Await(t, "the count is put back", func() bool { return total(s, kid) >= before })
	redistest.Await(t, "and the uses", func() bool { return s.Do("HGET", "{wafer}:uses", kid) != "" })
	b.Meter().Count(kid).Seal(keys.Login, time.Now())
	redistest.Await(t, "and the next block comes on top", func() bool { return total(s, kid) > before })
}

// Without Redis a process goes on with its share of what was left, and no further. That is counted
// when Redis is back.
func TestSealingWithoutRedis(t *testing.T) {
	s := redistest.Start(t)
	var out logs
	c := config().Counting(meter.Limits{First: 16, Block: 16, Shares: 64, All: 64_000}, often)
	c.Logger = out.logger()
	r := open(t, s, c)
	kid := sealing(t, r)
	s.Kill()
	sealed := uint64(0)
	for r.Meter().Count(kid).Seal(keys.Login, time.Now()) == nil {
		if sealed++; sealed > 2000 {
			break
		}
	}
	if sealed != 1000 {
		t.Errorf("%d sealed without Redis, want a 64th of 64,000", sealed)
	}
	if err := r.Meter().Count(kid).Seal(keys.Login, time.Now()); !errors.Is(err, keys.ErrSpent) {
		t.Errorf("then: %v", err)
	}
	redistest.Await(t, "the log says so", func() bool { return out.Count("cannot count seals over the fleet") > 0 })
	s.Restart()
	redistest.Await(t, "it is counted, and sealing goes on", func() bool {
		return r.Meter().Count(kid).Seal(keys.Login, time.Now()) == nil && total(s, kid) > sealed
	})
	redistest.Await(t, "the log says that, too", func() bool { return out.Count("counted over the fleet again") > 0 })
	if n := out.Count("cannot count seals"); n > 3 {
		t.Errorf("%d lines about one outage", n)
	}
}

// Counts of keys that are in no ring go, but not those of a key that somebody uses: our copy of the
// ring may be too old to have it.
func TestCountsOfGoneKeysAreDropped(t *testing.T) {
	s := redistest.Start(t)
	now, old := time.Now().Unix(), time.Now().Add(-25*time.Hour).Unix()
	for kid, use := range map[string]string{"gone1111111": fmt.Sprintf("%d %d", old, old-9), "newer111111": fmt.Sprintf("%d 0", now), "damaged1111": "what?"} {
		s.Do("HSET", "{wafer}:seals", kid, "77")
		s.Do("HSET", "{wafer}:uses", kid, use)
	}
	s.Do("HSET", "{wafer}:seals", "unused11111", "77")
	r := open(t, s, config().Counting(meter.Limits{}, often))
	kid := sealing(t, r)
	r.Meter().Count(kid).Seal(keys.Login, time.Now())
	redistest.Await(t, "ours is counted", func() bool { return total(s, kid) > 0 })
	redistest.Await(t, "others are gone", func() bool {
		return s.Do("HLEN", "{wafer}:seals") == "2" && s.Do("HLEN", "{wafer}:uses") == "2"
	})
	if total(s, "newer111111") != 77 {
		t.Error("the count of a key that somebody just used was dropped")
	}
}

// One wrong clock does not keep a key from being pruned for years.
func TestUsesFromTheFutureDoNotStay(t *testing.T) {
	s := redistest.Start(t)
	r := open(t, s, config().Counting(meter.Limits{}, often))
	kid := sealing(t, r)
	far := time.Now().AddDate(9, 0, 0)
	s.Do("HSET", "{wafer}:uses", kid, fmt.Sprintf("%d %d", far.Unix(), far.Unix()))
	if err := r.Meter().Count(kid).Seal(keys.Login, time.Now()); err != nil {
		t.Fatal(err)
	}
	soon := func() bool {
		var sealed, opened int64
		fmt.Sscan(s.Do("HGET", "{wafer}:uses", kid), &sealed, &opened)
		return sealed > 0 && sealed < time.Now().Add(2*time.Hour).Unix() && opened == 0
	}
	redistest.Await(t, "the true time is there", soon)
	if err := r.Meter().Count(kid).Seal(keys.Login, far); err != nil { // a clock that is ahead
		t.Fatal(err)
	}
	redistest.Await(t, "it is told as the latest that may stay", func() bool {
		var sealed, opened int64
		fmt.Sscan(s.Do("HGET", "{wafer}:uses", kid), &sealed, &opened)
		return sealed > time.Now().Add(50*time.Minute).Unix() && sealed < time.Now().Add(2*time.Hour).Unix()
	})
}

// What is no count is none, and the fleet's is put in its place. Another type of key is told to the
// log, and sessions go on.
func TestDamagedCounts(t *testing.T) {
	s := redistest.Start(t)
	r := open(t, s, config().Counting(meter.Limits{First: 64}, often))
	kid := sealing(t, r)
	seal := func() {
		t.Helper()
		if err := r.Meter().Count(kid).Seal(keys.Login, time.Now()); err != nil {
			t.Error(err)
		}
	}
	for range 60 {
		seal()
	}
	redistest.Await(t, "seals are counted", func() bool { return total(s, kid) >= 60 })
	for _, damaged := range []string{"", "x", "-5", "nan", "inf", "1e300", "18446744073709551616", "1 2"} {
		s.Do("HSET", "{wafer}:seals", kid, damaged)
		s.Do("HSET", "{wafer}:uses", kid, damaged)
		redistest.Await(t, fmt.Sprintf("%q is replaced", damaged), func() bool {
			return total(s, kid) >= 60 && total(s, kid) < 1<<20 && len(s.Do("HGET", "{wafer}:uses", kid)) == len("1767225600 0")
		})
		seal()
	}
	s.Do("DEL", "{wafer}:seals")
	s.Do("SET", "{wafer}:seals", "a string")
	for range 100 {
		seal()
	}
	s.Do("DEL", "{wafer}:seals")
	redistest.Await(t, "the count is back", func() bool { return total(s, kid) >= 160 })
}

func TestAUserWhoMayNotCount(t *testing.T) {
	s := redistest.Start(t)
	open(t, s, config()).Close()
	s.Do("ACL", "SETUSER", "reader", "on", ">pw", "~{wafer}:ring", "~{wafer}:replaced", "-@all", "+get", "+getrange", "+set", "+eval", "+hset", "+hdel", "+info", "+ping", "+hello")
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}, Username: "reader", Password: "pw"}
	_, err := rediskeys.Open(t.Context(), o, kek(1), config())
	if !errors.Is(err, rediskeys.ErrUnsafe) || !strings.Contains(err.Error(), "+hgetall") {
		t.Errorf("Open = %v", err)
	}
	s.Do("ACL", "SETUSER", "reader", "~{wafer}:seals", "~{wafer}:uses", "+hget", "+hgetall")
	r, err := rediskeys.Open(t.Context(), o, kek(1), config())
	if err != nil {
		t.Fatalf("Open after what the error says = %v", err)
	}
	r.Close()
}

func TestSealsAreCountedInACluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	c := config().Counting(meter.Limits{First: 16, Block: 16}, often)
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{nodes[0].Addr}, IsClusterMode: true}, kek(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	owner := nodes[redistest.Owner(t, nodes, "{wafer}:seals")]
	kid := sealing(t, r)
	r.Meter().Count(kid).Seal(keys.Login, time.Now())
	redistest.Await(t, "the seal is counted", func() bool { return total(owner, kid) == 17 })
}
