package redisstore_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// minimalUser is the user of docs/redis.md.
var minimalUser = strings.Fields("ACL SETUSER wafer on >secret resetkeys ~{wafer}:* resetchannels -@all " +
	"+eval +evalsha +info +time +ping +hello +wait +persist +del +exists +hset +hget +hmget +hexists +hgetall +hdel " +
	"+xadd +xrange +xinfo|stream +set +get +getrange +pexpireat +pexpiretime +zadd +zrangebyscore +zremrangebyscore")

// clusterUser adds the commands of a client of a Cluster.
var clusterUser = []string{"+command", "+cluster|slots", "+asking"}

func TestOpenRefusesUnsafe(t *testing.T) {
	s := redistest.Start(t)
	o := redis.UniversalOptions{Addrs: []string{s.Addr}}
	aof := func() { s.Do("CONFIG", "SET", "appendonly", "yes") }
	for _, tt := range []struct {
		name  string
		set   func()
		o     func(o *redis.UniversalOptions)
		c     redisstore.Config
		wants string // a part of the message; "" if Open succeeds
	}{
		{name: "volatile", wants: "appendonly"},
		{name: "AllowVolatile", c: redisstore.Config{AllowVolatile: true}},
		{name: "append-only file", set: aof},
		{name: "eviction", set: func() { s.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru") }, wants: "maxmemory-policy noeviction"},
		{name: "eviction, with every Allow", c: redisstore.Config{AllowVolatile: true, AllowSplit: true}, wants: "noeviction"},
		{name: "eviction turned off", set: func() { s.Do("CONFIG", "SET", "maxmemory-policy", "noeviction") }},
		{name: "reads from replicas", o: func(o *redis.UniversalOptions) { o.RouteByLatency = true }, wants: "RouteByLatency"},
		{name: "a brace in the prefix", c: redisstore.Config{Prefix: "a}b"}, wants: "Prefix"},
		{name: "a user without permissions", set: func() { s.Do("ACL", "SETUSER", "nobody", "on", ">x", "+hello") },
			o: func(o *redis.UniversalOptions) { o.Username, o.Password = "nobody", "x" }, wants: "+info"},
		{name: "a user that lacks one command", set: func() { s.Do(slices.Concat(minimalUser, []string{"-xadd"})...) },
			o: func(o *redis.UniversalOptions) { o.Username, o.Password = "wafer", "secret" }, wants: "+xadd"},
		{name: "a user of other keys", set: func() { s.Do(minimalUser...) }, c: redisstore.Config{Prefix: "other"},
			o: func(o *redis.UniversalOptions) { o.Username, o.Password = "wafer", "secret" }, wants: "scripts on {other}:"},
		{name: "wrong password", o: func(o *redis.UniversalOptions) { o.Username, o.Password = "wafer", "wrong" }, wants: "WRONGPASS"},
		{name: "the minimal user", o: func(o *redis.UniversalOptions) { o.Username, o.Password = "wafer", "secret" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.set != nil {
				tt.set()
			}
			o := o
			if tt.o != nil {
				tt.o(&o)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			st, err := redisstore.Open(ctx, &o, tt.c)
			if err == nil {
				st.Close()
			}
			switch {
			case tt.wants == "" && err != nil:
				t.Error(err)
			case tt.wants != "" && (err == nil || !strings.Contains(err.Error(), tt.wants)):
				t.Errorf("%v, want an error that names %q", err, tt.wants)
			case ctx.Err() != nil:
				t.Error("Open kept trying although it cannot succeed")
			}
		})
	}
}

func TestOpenRefusesAReplica(t *testing.T) {
	g := redistest.StartSentinel(t, "--appendonly", "yes")
	_, err := redisstore.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{g.Servers[1].Addr}}, redisstore.Config{})
	if !errors.Is(err, redisstore.ErrUnsafe) || !strings.Contains(err.Error(), "MasterName") {
		t.Errorf("Open on a replica = %v", err)
	}
	sentinel := &redis.UniversalOptions{Addrs: []string{g.Addr}, MasterName: "wafer"}
	_, err = redisstore.Open(t.Context(), sentinel, redisstore.Config{})
	if !errors.Is(err, redisstore.ErrUnsafe) || !strings.Contains(err.Error(), "min-replicas-to-write 1") {
		t.Errorf("Open without min-replicas-to-write = %v", err)
	}
	g.Servers[0].Do("CONFIG", "SET", "min-replicas-to-write", "1")
	open(t, sentinel, redisstore.Config{})
	findings, err := redisstore.Examine(t.Context(), sentinel, redisstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Check == "max lag" && (f.Level != redisstore.Warning || !strings.Contains(f.Fix, "min-replicas-max-lag 2")) {
			t.Errorf("a lag of 10 s: %+v", f)
		}
	}
}

// A demoted primary must not be read, even by a client that was connected before.
func TestDemotedPrimaryIsNotRead(t *testing.T) {
	s, other := redistest.Start(t), redistest.Start(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{AllowVolatile: true})
	list := revlog.ListID{1}
	if _, err := st.Create(t.Context(), revlog.CreateOptions{ID: list, Retain: time.Hour}); err != nil {
		t.Fatal(err)
	}
	s.Do("REPLICAOF", "127.0.0.1", other.Port)
	redistest.Await(t, "it is an empty replica", func() bool { return s.Info("master_link_status") == "up" })
	s.Do("REPLICAOF", "NO", "ONE")
	if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 1}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Read of an overwritten list = %v", err)
	}
	if _, err := st.Create(t.Context(), revlog.CreateOptions{ID: list, Retain: time.Hour}); err != nil {
		t.Fatal(err)
	}
	other.Kill()
	s.Do("REPLICAOF", "127.0.0.1", other.Port)
	if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 1}); err == nil {
		t.Error("Read of a replica returned no error")
	}
	if _, err := st.Confirm(t.Context(), revlog.Question{List: list}); err == nil {
		t.Error("Confirm of a replica returned no error")
	}
}

func TestExamine(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes")
	findings, err := redisstore.Examine(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]redisstore.Finding{}
	for _, f := range findings {
		checks[f.Check] = f
		if f.Level != redisstore.Good && f.Fix == "" {
			t.Errorf("no fix for %+v", f)
		}
	}
	for _, name := range []string{"version", "role", "eviction", "persistence", "replicas", "max lag", "memory", "acl", "clock", "latency"} {
		if _, ok := checks[name]; !ok {
			t.Errorf("%s was not examined", name)
		}
	}
	used, err := strconv.Atoi(s.Info("used_memory"))
	if err != nil {
		t.Fatal(err)
	}
	s.Do("CONFIG", "SET", "maxmemory", strconv.Itoa(used*5/4))
	findings, err = redisstore.Examine(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Check == "memory" && f.Level.String() != "warning" {
			t.Errorf("of 2 MB, %s are used: %+v", s.Info("used_memory"), f)
		}
	}
	if got := s.Do("KEYS", "{wafer}*"); got != "" {
		t.Errorf("Examine left %q", got)
	}
}

// byCheck returns the worst finding of one check.
func byCheck(t *testing.T, o *redis.UniversalOptions, check string) redisstore.Finding {
	t.Helper()
	findings, err := redisstore.Examine(t.Context(), o, redisstore.Config{AllowVolatile: true, AllowSplit: true})
	if err != nil {
		t.Fatal(err)
	}
	worst := redisstore.Finding{Level: -1}
	for _, f := range findings {
		if f.Level != redisstore.Good && f.Fix == "" {
			t.Errorf("no fix for %+v", f)
		}
		if f.Check == check && f.Level > worst.Level {
			worst = f
		}
	}
	return worst
}

// A server may pass all other checks and refuse every write. Examine finds out by writing.
func TestExamineWrites(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes")
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	if f := byCheck(t, o, "write"); f.Level != redisstore.Good {
		t.Errorf("a healthy server: %+v", f)
	}
	for _, tt := range []struct {
		name        string
		set         []string
		check, says string
		reset       []string
	}{
		{"too few replicas", []string{"min-replicas-to-write", "1"}, "write", "NOREPLICAS", []string{"min-replicas-to-write", "0"}},
		{"maxmemory reached", []string{"maxmemory", "1mb"}, "write", "OOM", []string{"maxmemory", "0"}},
		{"maxmemory reached", []string{"maxmemory", "1mb"}, "memory", "nothing can be revoked now", []string{"maxmemory", "0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Do(append([]string{"CONFIG", "SET"}, tt.set...)...)
			defer s.Do(append([]string{"CONFIG", "SET"}, tt.reset...)...)
			if f := byCheck(t, o, tt.check); f.Level != redisstore.Failing || !strings.Contains(f.Message, tt.says) {
				t.Errorf("%+v", f)
			}
		})
	}
	if got := s.Do("KEYS", "{wafer}*"); got != "" {
		t.Errorf("Examine left %q", got)
	}
}

func TestExamineFsyncAndWait(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	if f := byCheck(t, o, "persistence"); f.Level != redisstore.Warning || !strings.Contains(f.Message, "appendfsync is no") {
		t.Errorf("appendfsync no: %+v", f)
	}
	s.Do(slices.Concat(minimalUser, []string{"-wait"})...)
	o.Username, o.Password = "wafer", "secret"
	if f := byCheck(t, o, "ack"); f.Level != redisstore.Warning || !strings.Contains(f.Fix, "+wait") {
		t.Errorf("a user without WAIT: %+v", f)
	}
}

// Examine also checks what matters after a failover: the settings of every server, and how far
// replicas are behind.
func TestExamineReplicas(t *testing.T) {
	g := redistest.StartSentinel(t, "--appendonly", "yes", "--min-replicas-to-write", "1", "--min-replicas-max-lag", "2")
	o := &redis.UniversalOptions{Addrs: []string{g.Addr}, MasterName: "wafer"}
	redistest.Await(t, "all servers are healthy", func() bool {
		return byCheck(t, o, "nodes").Level == redisstore.Good && byCheck(t, o, "replication").Level == redisstore.Good
	})
	g.Servers[1].Do("CONFIG", "SET", "min-replicas-to-write", "0")
	g.Servers[1].Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	findings, err := redisstore.Examine(t.Context(), o, redisstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, f := range findings {
		if f.Check == "nodes" && f.Level == redisstore.Warning {
			told = append(told, f.Message)
		}
	}
	if all := strings.Join(told, "\n"); len(told) != 2 || !strings.Contains(all, g.Servers[1].Addr+": maxmemory-policy is allkeys-lru") ||
		!strings.Contains(all, "min-replicas-to-write is 0") {
		t.Errorf("findings about the replica: %q", told)
	}
	g.Servers[1].Pause()
	defer g.Servers[1].Resume()
	redistest.Await(t, "the lag is noticed", func() bool { return byCheck(t, o, "replication").Level == redisstore.Warning })
	redistest.Await(t, "no replica counts any more", func() bool { return byCheck(t, o, "replicas").Level == redisstore.Failing })
}

func TestExamineCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, "--appendonly", "yes")
	one := &redis.UniversalOptions{Addrs: []string{nodes[0].Addr}}
	if f := byCheck(t, one, "cluster"); f.Level != redisstore.Refused || !strings.Contains(f.Fix, "redis+cluster://") {
		t.Errorf("one server of a Cluster: %+v", f)
	}
	if _, err := redisstore.Open(t.Context(), one, redisstore.Config{}); !errors.Is(err, redisstore.ErrUnsafe) || !strings.Contains(err.Error(), "IsClusterMode") {
		t.Errorf("Open on it = %v", err)
	}
	nodes[(redistest.Owner(t, nodes, "{wafer}:head")+1)%3].Do("CONFIG", "SET", "appendonly", "no")
	o := &redis.UniversalOptions{Addrs: []string{nodes[0].Addr}, IsClusterMode: true}
	if f := byCheck(t, o, "nodes"); f.Level != redisstore.Warning || !strings.Contains(f.Message, "appendonly is no, and yes on the primary") {
		t.Errorf("another server of the Cluster: %+v", f)
	}
}
