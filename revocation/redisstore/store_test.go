package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revocationtest"
)

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{}) // the client logs every failover, and tests make many
	os.Exit(m.Run())
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// kit runs the kit on a server or servers that are there already, with a list of
// its own for each test.
func kit(t *testing.T, o *redis.UniversalOptions) {
	var n atomic.Int64
	revocationtest.TestStore(t, func(t *testing.T) revocation.Store {
		return open(t, o, redisstore.Config{Prefix: fmt.Sprint("kit", n.Add(1)), AllowVolatile: true, AllowSplit: true})
	})
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

func TestStore(t *testing.T) {
	s := redistest.Start(t)
	kit(t, &redis.UniversalOptions{Addrs: []string{s.Addr}})
}

func TestStoreUnderSentinel(t *testing.T) {
	g := redistest.StartSentinel(t)
	kit(t, &redis.UniversalOptions{Addrs: []string{g.Addr}, MasterName: "wafer"})
}

func TestStoreInCluster(t *testing.T) {
	nodes := redistest.StartCluster(t)
	kit(t, &redis.UniversalOptions{Addrs: []string{nodes[0].Addr}, IsClusterMode: true})
}
