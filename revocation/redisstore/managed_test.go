package redisstore_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// managed are the commands that services say they do not have, with the address of that page. Where a
// service lacks a part of a command, here it lacks all of it.
var managed = map[string][]string{
	// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ClientConfig.RestrictedCommands.html
	"ElastiCache": {"bgrewriteaof", "bgsave", "config", "debug", "migrate", "replicaof", "save", "slaveof", "shutdown", "sync"},
	// https://docs.aws.amazon.com/memorydb/latest/devguide/restrictedcommands.html
	"MemoryDB": {"acl", "bgrewriteaof", "bgsave", "config", "debug", "migrate", "module", "psync", "replicaof", "save", "shutdown", "slaveof", "sync"},
	// https://cloud.google.com/memorystore/docs/redis/product-constraints
	"Memorystore": {"acl", "bgrewriteaof", "bgsave", "client", "cluster", "command", "config", "debug", "lastsave", "migrate", "monitor", "object",
		"shutdown", "replicaof", "save"},
}

// Ring and list need none of the commands that managed services do not have.
func TestManagedRedisHasTheCommands(t *testing.T) {
	for name, commands := range managed {
		t.Run(name, func(t *testing.T) {
			args := []string{"--appendonly", "yes"}
			for _, c := range commands {
				args = append(args, "--rename-command", c, "")
			}
			s := redistest.Start(t, args...)
			o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
			useManaged(t, o)
			findings, err := redisstore.Examine(t.Context(), o, redisstore.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if f.Level != redisstore.Good {
					t.Errorf("%s: %s", f.Check, f.Message)
				}
			}
		})
	}
}

// useManaged makes a ring and a list, rotates, revokes, and sees the revocation at another replica.
func useManaged(t *testing.T, o *redis.UniversalOptions) {
	t.Helper()
	kek := keys.InsecurePlaintext()
	ring, err := rediskeys.Open(t.Context(), o, kek, rediskeys.Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	if err := ring.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Rotate(time.Now(), keys.Rotation{}) }); err != nil {
		t.Fatal(err)
	}
	var lists []*revocation.List
	for range 2 {
		st := open(t, o, redisstore.Config{})
		l, err := revocation.Open(t.Context(), st, ring.Ring(), revocation.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		lists = append(lists, l)
	}
	if _, err := lists[0].Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "the other replica has the revocation", func() bool { return lists[1].Stats().Entries == 1 })
	if all, err := lists[1].Replicas(t.Context()); err != nil || len(all) == 0 {
		t.Errorf("%d replicas, %v", len(all), err)
	}
}
