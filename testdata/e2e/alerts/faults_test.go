package alerts

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/apptest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

const (
	head = "{wafer}:head"
	log  = "{wafer}:log"
)

// A fault is one that docs/redis.md tells of, or another one that has an alert.
type fault struct {
	name   string
	alerts []string // that it fires; none: it fires nothing
	// play begins it, and returns what ends it. It is called again if Prometheus missed what
	// happened.
	play func(*stage) (end func())
}

// once is a fault that needs no end.
func once(play func(*stage)) func(*stage) func() {
	return func(s *stage) func() {
		play(s)
		return func() {}
	}
}

// faults are played in this order. A failover changes which server is the primary: first the one with
// an append-only file.
var faults = []fault{
	{"Redis is killed, and restarted with its append-only file", []string{"WaferReplicaCutOff", "WaferRevocationsWait"}, func(s *stage) func() {
		s.redis.Kill()
		return s.redis.Restart
	}},
	{"Redis is stopped (SIGSTOP)", []string{"WaferReplicaCutOff", "WaferRevocationsWait"}, func(s *stage) func() {
		s.redis.Pause()
		return s.redis.Resume
	}},
	{"the network swallows the packets of one process", []string{"WaferReplicaCutOff", "WaferRevocationsWait"}, func(s *stage) func() {
		s.demos[1].link.Blackhole()
		return s.demos[1].link.Restore
	}},
	{"the network swallows the packets of one process for 22 s", []string{"WaferEnforceBurnsFast"}, once(func(s *stage) {
		s.demos[1].link.Blackhole()
		<-time.After(22 * time.Second) // another replica writes the next canary within 17 s
		s.demos[1].link.Restore()
	})},
	{"Redis answers, but takes more than half a second", []string{"WaferReplicaCutOff"}, func(s *stage) func() {
		s.links(func(l *redistest.Proxy) { l.Delay(400 * time.Millisecond) })
		return func() { s.links(func(l *redistest.Proxy) { l.Delay(0) }) }
	}},
	{"Redis refuses writes: `maxmemory` reached", []string{"WaferRevocationsWait"}, func(s *stage) func() {
		s.redis.Do("CONFIG", "SET", "maxmemory", "1mb")
		return func() { s.redis.Do("CONFIG", "SET", "maxmemory", "0") }
	}},
	{"Redis refuses writes: too few copies", []string{"WaferReplicaCutOff", "WaferRevocationsWait"}, func(s *stage) func() {
		s.redis.Do("CONFIG", "SET", "min-replicas-to-write", "5")
		return func() { s.redis.Do("CONFIG", "SET", "min-replicas-to-write", "0") }
	}},
	{"Redis refuses writes: the server became a copy of another", []string{"WaferReplicaCutOff", "WaferRevocationsWait"}, func(s *stage) func() {
		s.redis.Do("REPLICAOF", "127.0.0.1", "1")
		return func() { s.redis.Do("REPLICAOF", "NO", "ONE") }
	}},
	{"Redis allows questions, but not to read the log (ACL)", []string{"WaferReplicaStale"}, func(s *stage) func() {
		s.redis.Do("ACL", "SETUSER", "default", "-xrange")
		return func() { s.redis.Do("ACL", "SETUSER", "default", "+xrange") }
	}},
	{"SCRIPT FLUSH, CLIENT KILL", nil, once(func(s *stage) {
		for range 20 {
			s.redis.Do("SCRIPT", "FLUSH")
			s.redis.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			<-time.After(100 * time.Millisecond)
		}
	})},
	{"failover", []string{"WaferFailover"}, func(s *stage) func() {
		s.failover()
		return s.replace
	}},
	{"keys are evicted, because `maxmemory-policy` is wrong", []string{"WaferListLost"}, once(evict)},
	{"Redis restarts empty", []string{"WaferListLost"}, func(s *stage) func() {
		s.redis.Kill()
		s.empty()
		return s.restartNow()
	}},
	{"Redis restarts from a snapshot", []string{"WaferLogDamaged"}, func(s *stage) func() {
		s.redis.Do("SAVE")
		s.revoked()
		s.redis.Kill()
		return s.restartNow()
	}},
	{"FLUSHALL", []string{"WaferListLost"}, once(func(s *stage) { s.redis.Do("FLUSHALL") })},
	{"a process starts right after FLUSHALL", []string{"WaferListLost"}, once(func(s *stage) {
		s.redis.Do("FLUSHALL")
		s.demos[1].kill()
		s.demos[1].start()
	})},
	{"the head of the list is deleted", []string{"WaferListLost"}, once(func(s *stage) { s.redis.Do("DEL", head) })},
	{"a field of the head is damaged", []string{"WaferListLost"}, once(func(s *stage) { s.redis.Do("HSET", head, "n", "x") })},
	{"the log is deleted", []string{"WaferListLost"}, once(func(s *stage) { s.redis.Do("DEL", log) })},
	{"an entry of the log is deleted", []string{"WaferLogDamaged"}, once(func(s *stage) {
		s.revoked()
		newest, _, _ := strings.Cut(s.redis.Do("XREVRANGE", log, "+", "-", "COUNT", "1"), "\n")
		s.redis.Do("XDEL", log, newest)
	})},
	{"the log is trimmed past a process that was away", []string{"WaferLogDamaged"}, once(func(s *stage) {
		s.demos[1].link.Blackhole()
		for range 5 {
			s.await("a revocation is acknowledged", func() bool { return s.demos[0].revoke("session", random(16)) })
		}
		s.redis.Do("XTRIM", log, "MAXLEN", "1")
		s.demos[1].link.Restore()
	})},
	{"failover to a copy that is behind", []string{"WaferFailover", "WaferLogDamaged"}, func(s *stage) func() {
		s.wire.Blackhole()
		s.revoked()
		s.failover()
		return s.replace
	}},
	{"somebody writes to Redis", []string{"WaferListForged"}, forge},
	{"a process is stopped (SIGSTOP) again and again", []string{"WaferProcessPauses"}, func(s *stage) func() {
		return again(time.Second, func() {
			s.demos[1].signal(syscall.SIGSTOP)
			<-time.After(3 * time.Second)
			s.demos[1].signal(syscall.SIGCONT)
		})
	}},
	{"all processes are stopped", []string{"WaferNotScraped"}, func(s *stage) func() {
		for _, d := range s.demos {
			d.signal(syscall.SIGSTOP)
		}
		return func() {
			for _, d := range s.demos {
				d.signal(syscall.SIGCONT)
			}
		}
	}},
	{"the key that seals is revoked in the list, but not in the ring", []string{"WaferSealsRefused"}, func(s *stage) func() {
		s.revokeKey()
		return func() { s.keys("rotate", "--now", "--yes") }
	}},
	{"somebody tries forged cookies", []string{"WaferCookiesDoNotOpen"}, forgedCookies},
	{"Redis is away when a process starts with `StartWithoutStore`", []string{"WaferReplicaBooting", "WaferUndecidedBurnsFast", "WaferUndecidedBurnsSlowly"}, boot},
	{"a server of a Cluster dies and stays dead", []string{"WaferFailover"}, func(s *stage) func() { return s.inCluster().nodeDies() }},
	{"a Cluster is down, because a part of it has neither primary nor copy", []string{"WaferReplicaCutOff", "WaferRevocationsWait"},
		func(s *stage) func() { return s.inCluster().partDies() }},
	{"the slot of the list moves to another server of a Cluster", []string{"WaferFailover"}, once(func(s *stage) { s.inCluster().moveSlot() })},
	{"the clock of Redis jumps ahead", []string{"WaferStoreClock"}, once(func(s *stage) { s.leap() })},
}

// revokeKey revokes the key that seals, in the list alone. It is as if an old copy of the ring had been
// put back.
func (s *stage) revokeKey() {
	ctx, quiet := s.t.Context(), slog.New(slog.DiscardHandler)
	s.t.Setenv("WAFER_KEK", s.kek)
	o := &redis.UniversalOptions{Addrs: []string{s.redis.Addr}}
	ring, err := rediskeys.Open(ctx, o, keys.KEKEnv("WAFER_KEK"), rediskeys.Config{AllowVolatile: true, Logger: quiet})
	if err != nil {
		s.t.Fatal(err)
	}
	defer ring.Close()
	store, err := redisstore.Open(ctx, o, redisstore.Config{AllowVolatile: true, AllowSplit: true, Logger: quiet})
	if err != nil {
		s.t.Fatal(err)
	}
	defer store.Close()
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{Logger: quiet})
	if err != nil {
		s.t.Fatal(err)
	}
	defer list.Close()
	if _, err := list.Revoke(ctx, revocation.Key(s.sealing()), revocation.Options{}); err != nil {
		s.t.Fatal(err)
	}
}

// restartNow restarts the primary. What a restart changed has no end.
func (s *stage) restartNow() func() {
	s.redis.Restart()
	s.follow()
	return func() {}
}

// evict makes the server evict keys of the list. A list younger than a minute does not react to that.
func evict(s *stage) {
	began, err := strconv.ParseInt(s.redis.Do("HGET", head, "b"), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	<-time.After(time.Until(time.UnixMilli(began).Add(time.Minute + time.Second)))
	s.redis.Do("CONFIG", "SET", "maxmemory-policy", "volatile-random")
	for i := range 40 {
		s.redis.Do("SET", fmt.Sprint("other", i), strings.Repeat("x", 10_000), "EX", "60")
	}
	before := s.redis.Info("evicted_keys")
	used, _ := strconv.Atoi(s.redis.Info("used_memory"))
	s.redis.Do("CONFIG", "SET", "maxmemory", strconv.Itoa(used-100_000))
	s.await("keys are evicted", func() bool { s.redis.Try("SET", "more", "x"); return s.redis.Info("evicted_keys") != before })
	s.redis.Do("CONFIG", "SET", "maxmemory", "0")
	s.redis.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
}

// forge puts the revocation of one person in the place of that of another, as somebody can who may
// write to Redis. Then the two log in, and a replica looks at what stands there.
func forge(s *stage) func() {
	users, ctx, c := []string{"eve" + random(4), "mallory" + random(4)}, s.t.Context(), s.client()
	before := c.Keys(ctx, "{wafer}:u:*").Val()
	for _, u := range users {
		s.await("a person is revoked", func() bool { return s.demos[0].revoke("subject", u) })
	}
	var ours []string
	for _, k := range c.Keys(ctx, "{wafer}:u:*").Val() {
		if !strings.Contains(strings.Join(before, "\n"), k) {
			ours = append(ours, k)
		}
	}
	if len(ours) != 2 {
		s.t.Fatalf("two people make %d keys", len(ours))
	}
	a, b := c.Get(ctx, ours[0]).Val(), c.Get(ctx, ours[1]).Val()
	c.Set(ctx, ours[0], b, time.Hour)
	c.Set(ctx, ours[1], a, time.Hour)
	stop := again(100*time.Millisecond, func() {
		for _, u := range users {
			newBrowser(s.demos[0]).login(u)
		}
	})
	return func() {
		stop()
		c.Del(ctx, ours...)
	}
}

// forgedCookies sends cookies that nobody sealed.
func forgedCookies(s *stage) func() {
	b := newBrowser(s.demos[0])
	s.await("a login", func() bool { return b.login("ada") == http.StatusSeeOther })
	site := &url.URL{Scheme: "http", Host: s.demos[0].addr, Path: "/"}
	all := b.client.Jar.Cookies(site)
	for _, c := range all {
		if n := len(c.Value) / 2; n > 0 {
			c.Value = c.Value[:n] + map[bool]string{true: "B", false: "A"}[c.Value[n] == 'A'] + c.Value[n+1:]
		}
	}
	forged := newBrowser(s.demos[0])
	return again(5*time.Millisecond, func() {
		forged.client.Jar.SetCookies(site, all)
		forged.get("/api/session")
	})
}

// boot starts an application whose Redis is away, and whose users have sessions.
func boot(s *stage) func() {
	dir := s.t.TempDir()
	link := redistest.NewProxy(s.t, s.redis.Addr)
	settings := settings{Redis: "redis://" + link.Addr, Ring: filepath.Join(dir, "ring"), KEK: filepath.Join(dir, "kek"), Addr: s.booting}
	start := func() *apptest.Process {
		p, err := apptest.Start(appEnv, settings, filepath.Join(dir, "log"), time.Minute)
		if err != nil {
			s.t.Fatal(err)
		}
		return p
	}
	p := start()
	user := newBrowser(&demo{t: s.t, addr: p.Addr, client: s.demos[0].client})
	s.await("a login", func() bool { return user.login("ada") == http.StatusOK })
	s.await("the session works", func() bool { return user.get("/api/session") == http.StatusOK })
	p.Cmd.Process.Kill()
	p.Cmd.Wait()
	link.Blackhole()
	p = start()
	s.t.Cleanup(func() { p.Cmd.Process.Kill(); p.Cmd.Wait() })
	stop := again(20*time.Millisecond, func() { user.get("/api/session") })
	return func() {
		link.Restore()
		s.await("the session works again", func() bool { return user.get("/api/session") == http.StatusOK })
		stop()
	}
}

// leap sets the clocks of the servers further ahead.
func (s *stage) leap() {
	s.ahead += 20 * time.Minute
	advance(s.t, s.clock, s.ahead)
}
