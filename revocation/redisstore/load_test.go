package redisstore_test

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// The load: how many replicas, and how many revocations in the recent entries of each. The replicas
// are lists of one process, which does the work of all of them. On a machine that does other things
// as well, the times say nothing.
//
//	go test -run TestLoad -v ./revocation/redisstore -load.replicas=100 -load.entries=30000 -load.strict
var (
	loadReplicas = flag.Int("load.replicas", 20, "replicas of the load tests")
	loadEntries  = flag.Int("load.entries", 5_000, "recent entries of the load tests")
	loadStrict   = flag.Bool("load.strict", false, "also fail if something takes too long")
)

// A crowd is many replicas of one list, with many recent entries.
type crowd struct {
	t       *testing.T
	server  *redistest.Server
	loaded  time.Time
	address atomic.Pointer[string] // of the primary
	lists   []*revocation.List
}

func (c *crowd) options() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: []string{c.server.Addr}, PoolSize: 4,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *c.address.Load())
		},
	}
}

func (c *crowd) serve(s *redistest.Server) {
	c.server = s
	c.address.Store(&s.Addr)
}

// loadConfig uses the default S, because these tests are about what must happen within S.
var loadConfig = revocation.Config{MaxIdle: time.Hour, Logger: slog.New(slog.DiscardHandler)}

func (c *crowd) join() *revocation.List {
	st, err := redisstore.Open(c.t.Context(), c.options(), redisstore.Config{AllowVolatile: true})
	if err != nil {
		c.t.Error(err)
		return nil
	}
	c.t.Cleanup(func() { st.Close() })
	l, err := revocation.Open(c.t.Context(), st, revlogtest.Secrets(0), loadConfig)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	c.t.Cleanup(func() { l.Close() })
	return l
}

// newCrowd creates a list, revokes many sessions, and starts the replicas.
func newCrowd(t *testing.T, s *redistest.Server) *crowd {
	t.Helper()
	if testing.Short() {
		t.Skip("a large fleet takes long")
	}
	c := &crowd{t: t}
	c.serve(s)
	revokeMany(t, c.join(), *loadEntries)
	c.loaded = time.Now()
	c.lists = make([]*revocation.List, *loadReplicas)
	var wg sync.WaitGroup
	for i := range c.lists {
		wg.Go(func() { c.lists[i] = c.join() })
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	ready := time.Since(c.loaded)
	c.await("all replicas have read the revocations", func() bool {
		for _, l := range c.lists {
			if l.Stats().Entries < int64(*loadEntries) {
				return false
			}
		}
		return true
	})
	t.Logf("%d replicas are ready after %v, and have read all after %v", len(c.lists), ready.Round(10*time.Millisecond), time.Since(c.loaded).Round(10*time.Millisecond))
	return c
}

// revokeMany revokes n sessions, one by one.
func revokeMany(t testing.TB, l *revocation.List, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for from := range 16 {
		wg.Go(func() {
			for i := from; i < n; i += 16 {
				if _, err := l.Revoke(t.Context(), revocation.Session(sessionID(i)), revocation.Options{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

const loadWithin = 2 * time.Second

func sessionID(n int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "revoked %08d", n))
}

func (c *crowd) login(name string) replica.Query {
	c.t.Helper()
	l := c.lists[0]
	subject := l.Replica().Tag(revlog.ScopeSubject, name)
	s, err := l.Replica().Begin(c.t.Context(), replica.Login{Subject: subject})
	if err != nil {
		c.t.Fatal(err)
	}
	q := replica.Query{Subject: subject, Epoch: s.Epoch, Checked: s.Checked, Term: s.Term}
	copy(q.Session[:], name)
	return q
}

// revoke revokes every session of name, and returns the time of the acknowledgement.
func (c *crowd) revoke(name string) time.Time {
	c.t.Helper()
	by := c.lists[mrand.IntN(len(c.lists))]
	redistest.Await(c.t, "a revocation is acknowledged", func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		defer cancel()
		_, err := by.Revoke(ctx, revocation.Subject(name), revocation.Options{})
		return err == nil
	})
	return time.Now()
}

// refused waits until every replica refuses q without a question, and returns when a replica last
// accepted it.
func (c *crowd) refused(q replica.Query) (last time.Time) {
	c.t.Helper()
	in := map[int]bool{}
	c.await("all replicas refuse", func() bool {
		for i, l := range c.lists {
			if in[i] {
				continue
			}
			v := verdict(l, q)
			switch v.Outcome {
			case replica.Refuse:
				in[i] = true
			case replica.Accept:
				last = time.Now()
			}
		}
		return len(in) == len(c.lists)
	})
	return last
}

// synced waits until every replica is in step again.
func (c *crowd) synced() {
	c.t.Helper()
	c.await("all replicas are in step", func() bool {
		for _, l := range c.lists {
			if l.Stats().State != "synced" {
				return false
			}
		}
		return true
	})
}

// received returns how many bytes the server received.
func (c *crowd) received() int {
	n, err := strconv.Atoi(c.server.Info("total_net_input_bytes"))
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// mends breaks the store with fault, then revokes ada, and waits until everything works again. The
// cost must be in proportion to what was lost, and not to the number of replicas that hold it.
// mends starts once every replica has read the earlier revocations.
func (c *crowd) mends(fault func()) {
	c.t.Helper()
	<-time.After(time.Until(c.loaded.Add(2*loadWithin + loadWithin/2)))
	ada, bob := c.login("ada"), c.login("bob")
	fault()
	start := time.Now()
	used, received := c.server.CPU(), c.received()
	acknowledged := c.revoke("ada")
	var late time.Duration
	if last := c.refused(ada); last.After(acknowledged) {
		late = last.Sub(acknowledged)
	}
	c.synced()
	healed := time.Since(start)
	// Wait until the server is idle.
	for quiet := 0; quiet < 2; {
		before := c.server.CPU()
		<-time.After(500 * time.Millisecond)
		if c.server.CPU()-before < 100*time.Millisecond {
			quiet++
		} else {
			quiet = 0
		}
		if time.Since(start) > 3*time.Minute {
			c.t.Fatal("the server does not become idle")
		}
	}
	took := time.Since(start)
	cpu, received := c.server.CPU()-used, c.received()-received
	c.t.Logf("%d replicas, %d entries: acknowledged after %v, accepted for %v, in step after %v, idle after %v; the server: %v of processor time, %d kB received",
		len(c.lists), *loadEntries, acknowledged.Sub(start).Round(time.Millisecond), late.Round(time.Millisecond),
		healed.Round(time.Millisecond), took.Round(100*time.Millisecond), cpu.Round(time.Millisecond), received>>10)
	for i, l := range c.lists {
		if v := verdict(l, bob); v.Outcome == replica.Refuse {
			c.t.Errorf("replica %d refuses a session that was not revoked: %+v", i, v)
		}
	}
	// Writing an entry takes 39 bytes, and each replica reads five times a second.
	once := 39**loadEntries + 39*500*len(c.lists)
	polls := int(took.Seconds()*1.5+1) * 5 * 400 * len(c.lists)
	if received > 2*once+polls {
		c.t.Errorf("the server received %d bytes: more than writing back the lost entries once takes", received)
	}
	if *loadStrict && late > loadWithin {
		c.t.Errorf("accepted for %v after the revocation was acknowledged", late)
	}
	if *loadStrict && cpu > 2*time.Second {
		c.t.Errorf("the server used %v of processor time", cpu)
	}
}

// A failover loses one entry, which every replica has read. A revocation right after it is refused
// everywhere within S, however many replicas there are and however much each of them holds. The
// lost entry comes back (R10).
func TestLoadFailover(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	c := newCrowd(t, primary)
	follower := redistest.Start(t, "--replicaof", "127.0.0.1 "+primary.Port)
	redistest.Await(t, "the replica follows", func() bool { return follower.Info("master_link_status") == "up" })
	redistest.Await(t, "the replica has everything", func() bool {
		return follower.Do("HGET", "{wafer}:head", "n") == primary.Do("HGET", "{wafer}:head", "n")
	})
	lost := c.login("carol")
	c.mends(func() {
		follower.Do("REPLICAOF", "NO", "ONE")
		c.revoke("carol")
		c.refused(lost)
		c.serve(follower)
		primary.Kill()
	})
	if v := verdict(c.join(), lost); v.Outcome != replica.Refuse {
		t.Errorf("a replica that boots does not refuse a session whose revocation was lost: %+v", v)
	}
}

// The same after FLUSHALL: the entries that every replica holds are written back once, not by each
// replica (R11).
func TestLoadFlushAll(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, redistest.Start(t))
	old := c.login("carol")
	c.revoke("carol")
	c.refused(old)
	c.mends(func() { c.server.Do("FLUSHALL") })
	if v := verdict(c.join(), old); v.Outcome != replica.Refuse {
		t.Errorf("a replica that boots does not refuse a session revoked before: %+v", v)
	}
}

// The same after a restart from a snapshot without the entries that the replicas hold. They go back
// into the log, so each replica has to read them (R10).
func TestLoadSnapshot(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--dbfilename", "dump.rdb")
	openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}).Close()
	s.Do("SAVE")
	c := newCrowd(t, s)
	old := c.login("carol")
	c.revoke("carol")
	c.refused(old)
	c.mends(func() { s.Restart() })
	if v := verdict(c.join(), old); v.Outcome != replica.Refuse {
		t.Errorf("a replica that boots does not refuse a session revoked before: %+v", v)
	}
}

// A server that follows another one is promoted while the replicas write back what both have lost.
// What they had written by then is lost with the first server, as far as the second has not copied
// it, and is written again (R26).
func TestLoadFailoverDuringARepair(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	c := newCrowd(t, primary)
	follower := redistest.Start(t, "--replicaof", "127.0.0.1 "+primary.Port)
	redistest.Await(t, "the replica follows", func() bool { return follower.Info("master_link_status") == "up" })
	<-time.After(time.Until(c.loaded.Add(2*loadWithin + loadWithin/2)))
	ada, bob := c.login("ada"), c.login("bob")
	primary.Do("FLUSHALL")
	redistest.Await(t, "the replicas write back", func() bool {
		n, _ := strconv.Atoi(primary.Do("DBSIZE"))
		return n > 8 // keys of the list itself, and some of the exact set
	})
	follower.Do("REPLICAOF", "NO", "ONE")
	held := 0
	for key := range strings.FieldsSeq(follower.Do("KEYS", "{wafer}:x:*")) {
		n, _ := strconv.Atoi(follower.Do("HLEN", key))
		held += n
	}
	t.Logf("promoted with %d of %d sessions", held, *loadEntries)
	c.serve(follower)
	primary.Kill()
	c.revoke("ada")
	c.refused(ada)
	c.synced()
	l := c.join()
	refused := 0
	c.await("a replica that boots refuses everything that was revoked", func() bool {
		for refused < *loadEntries {
			revoked := bob
			copy(revoked.Session[:], fmt.Appendf(nil, "revoked %08d", refused))
			if verdict(l, revoked).Outcome != replica.Refuse {
				return false
			}
			refused++
		}
		return true
	})
	for i, l := range c.lists {
		// After two losses, a replica that this machine stalled in between may not be able to tell.
		if v := verdict(l, bob); v.Outcome == replica.Refuse && v.Reason != replica.ListLost {
			t.Errorf("replica %d refuses a session that was not revoked: %+v", i, v)
		}
	}
}

// asks waits until every replica accepts q and asks this of it, and returns when one last asked less.
func (c *crowd) asks(q replica.Query, want revlog.Asks, lists ...*revocation.List) (last time.Time) {
	c.t.Helper()
	in := map[int]bool{}
	c.await("all replicas ask", func() bool {
		for i, l := range lists {
			if in[i] {
				continue
			}
			switch v := verdict(l, q); {
			case v.Outcome == replica.Accept && v.Asks == want:
				in[i] = true
			case v.Outcome == replica.Accept:
				last = time.Now()
			case v.Outcome == replica.Refuse:
				c.t.Fatalf("replica %d refuses a session that was not revoked: %+v", i, v)
			}
		}
		return len(in) == len(lists)
	})
	return last
}

// R36, R37: what is asked of sessions reaches every replica within S, nothing is asked of others, and
// FLUSHALL takes none of it back.
func TestLoadAsks(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, redistest.Start(t))
	ada, bob, carol := c.login("ada"), c.login("bob"), c.login("carol")
	dan := carol
	copy(dan.Session[:], "dan")
	dan.SetGroups(c.lists[0].Replica().Tag(revlog.ScopeGroup, "tenant:7"))
	<-time.After(time.Until(c.loaded.Add(2 * loadWithin)))
	by := func() *revocation.List { return c.lists[mrand.IntN(len(c.lists))] }
	for _, err := range []error{
		second(by().Reload(t.Context(), revocation.Subject("ada"), revocation.Options{})),
		second(by().RequireLogin(t.Context(), revocation.Subject("bob"), revocation.Options{})),
		second(by().Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{Over: time.Hour})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	acknowledged := time.Now()
	check := func(lists ...*revocation.List) (late time.Duration) {
		for _, row := range []struct {
			q    replica.Query
			want revlog.Asks
		}{{ada, revlog.AsksReload}, {bob, revlog.AsksLogin}, {dan, revlog.Ending}, {carol, 0}} {
			late = max(late, c.asks(row.q, row.want, lists...).Sub(acknowledged))
		}
		return late
	}
	late := check(c.lists...)
	t.Logf("%d replicas, %d entries: accepted without asking for %v", len(c.lists), *loadEntries, max(late, 0))
	if *loadStrict && late > loadWithin {
		t.Error("that is longer than S")
	}
	c.server.Do("FLUSHALL")
	<-time.After(2 * loadWithin)
	c.synced()
	check(c.lists...)
}

func second[T any](_ T, err error) error { return err }

// await is redistest.Await for conditions that may take minutes.
func (c *crowd) await(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("still waiting: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
