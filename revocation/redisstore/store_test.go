package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{}) // the client logs every failover, and tests make many
	if addr := os.Getenv("REDISSTORE_CHILD"); addr != "" {
		if err := child(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// kit runs the kit on running servers, with a new list for each test.
func kit(t *testing.T, o *redis.UniversalOptions) {
	var n atomic.Int64
	revlogtest.TestStore(t, func(t *testing.T) revlog.Store {
		return open(t, patient(o), redisstore.Config{Prefix: fmt.Sprint("kit", n.Add(1)), AllowVolatile: true, AllowSplit: true})
	})
}

// patient returns o with long timeouts, for a busy machine.
func patient(o *redis.UniversalOptions) *redis.UniversalOptions {
	p := *o
	p.DialTimeout, p.ReadTimeout, p.WriteTimeout, p.PoolTimeout = time.Minute, time.Minute, time.Minute, time.Minute
	return &p
}

func open(t testing.TB, o *redis.UniversalOptions, c redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), o, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// asUser creates the user of docs/redis.md, for the lists of the kit.
func asUser(s *redistest.Server, more ...string) (name, password string) {
	user := slices.Concat(minimalUser, more)
	user[slices.Index(user, "~{wafer}:*")] = "~{kit*}:*"
	s.Do(user...)
	return "wafer", "secret"
}

func TestStore(t *testing.T) {
	s := redistest.Start(t)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	o.Username, o.Password = asUser(s)
	kit(t, o)
}

func TestStoreUnderSentinel(t *testing.T) {
	g := redistest.StartSentinel(t)
	kit(t, &redis.UniversalOptions{Addrs: []string{g.Addr}, MasterName: "wafer"})
}

func TestStoreInCluster(t *testing.T) {
	nodes := redistest.StartCluster(t)
	o := &redis.UniversalOptions{Addrs: []string{nodes[0].Addr}, IsClusterMode: true}
	for _, n := range nodes {
		o.Username, o.Password = asUser(n, clusterUser...)
	}
	kit(t, o)
}

func TestReplicas(t *testing.T) {
	s := redistest.Start(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{AllowVolatile: true})
	a := revlog.Replica{
		ID: "a", Host: "h", Version: "v1", State: "synced", Age: 20 * time.Millisecond, Window: time.Hour,
		Position: "5-1", Report: map[string]string{"build": "7"},
		Keys: []revlog.KeyUse{
			{ID: "k1", Seals: 1 << 33, Sealed: time.Unix(1<<40, 0).UTC(), Opened: time.Unix(1<<31, 0).UTC()},
			{ID: "k2", Revoked: true},
		},
		SignedIn: revlog.SignedIn{
			Sessions: 52_300, Subjects: 41_000, Window: 2 * time.Hour, ActiveSessions: 7000, ActiveSubjects: 6500, At: time.Unix(1<<31, 0).UTC(),
		},
	}
	if err := st.Register(t.Context(), a, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := st.Register(t.Context(), revlog.Replica{ID: "b"}, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	var all []revlog.Replica
	redistest.Await(t, "b expires", func() bool {
		var err error
		if all, err = st.Replicas(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(all) == 1
	})
	if off := time.Since(all[0].Seen).Abs(); off > time.Minute {
		t.Errorf("Seen is %v from now", off)
	}
	all[0].Seen = time.Time{}
	if d := cmp.Diff([]revlog.Replica{a}, all); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// A replica of an earlier release reports no keys.
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	s.Do("ZADD", "{wafer}:replicas", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10), "old")
	s.Do("SET", "{wafer}:r:old", now+` {"id":"old","host":"h","version":"v0","state":"synced","age_ms":1,"window_ms":2,"position":"1-1"}`)
	if all, err := st.Replicas(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("with a replica of an earlier release: %+v, %v", all, err)
	}
	if err := st.Register(t.Context(), revlog.Replica{}, time.Minute); err == nil {
		t.Error("a replica without an id was registered")
	}
	if ttl := s.Do("PTTL", "{wafer}:replicas"); ttl == "-1" {
		t.Error("the registry never expires")
	}
}
