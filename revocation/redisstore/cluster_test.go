package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// A server of a Cluster dies and stays dead. Running replicas of the application find its successor
// as soon as the Cluster is whole, although no server that they reach redirects them there.
func TestClusterNodeThatStaysDead(t *testing.T) {
	primaries, replicas := redistest.StartReplicatedCluster(t)
	i := redistest.Owner(t, primaries, "{wafer}:head")
	ring := keys.Generate(24 * time.Hour)
	replica := func() *revocation.List {
		o := &redis.UniversalOptions{Addrs: []string{primaries[(i+1)%3].Addr}, IsClusterMode: true}
		store := open(t, o, redisstore.Config{AllowVolatile: true, AllowSplit: true})
		l, err := revocation.Open(t.Context(), store, ring, revocation.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	old := replica()
	if _, err := old.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	primaries[i].Kill()
	redistest.Await(t, "the cluster is whole", func() bool {
		return replicas[i].Info("role") == "master" && strings.Contains(replicas[i].Do("CLUSTER", "INFO"), "cluster_state:ok") &&
			strings.Contains(primaries[(i+1)%3].Do("CLUSTER", "INFO"), "cluster_state:ok")
	})
	whole := time.Now()
	redistest.Await(t, "the old replica reads", func() bool { return old.Stats().State == "synced" && old.Stats().Age < time.Second })
	if _, err := old.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{}); err != nil {
		t.Error(err)
	}
	if d := time.Since(whole); d > 5*time.Second {
		t.Errorf("found the new primary after %v", d)
	}
}
