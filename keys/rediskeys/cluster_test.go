package rediskeys_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// A server of a Cluster dies and stays dead. The ring can be read and changed at its successor as
// soon as the Cluster is whole.
func TestClusterNodeThatStaysDead(t *testing.T) {
	t.Parallel()
	primaries, replicas := redistest.StartReplicatedCluster(t)
	i := redistest.Owner(t, primaries, "{wafer}:ring")
	c := config()
	c.Poll = 100 * time.Millisecond
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{primaries[(i+1)%3].Addr}, IsClusterMode: true}, kek(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	primaries[i].Kill()
	redistest.Await(t, "the cluster is whole", func() bool {
		return replicas[i].Info("role") == "master" && strings.Contains(replicas[i].Do("CLUSTER", "INFO"), "cluster_state:ok") &&
			strings.Contains(primaries[(i+1)%3].Do("CLUSTER", "INFO"), "cluster_state:ok")
	})
	whole := time.Now()
	redistest.Await(t, "an edit arrives", func() bool {
		return r.Edit(t.Context(), func(k *keys.Ring) (*keys.Ring, error) { return k.Rotate(time.Now(), keys.Rotation{}) }) == nil
	})
	if d := time.Since(whole); d > 5*time.Second {
		t.Errorf("found the new primary after %v", d)
	}
}
