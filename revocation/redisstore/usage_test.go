package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// The user of docs/redis.md may ask how much memory the server uses.
func TestUsage(t *testing.T) {
	s := redistest.Start(t)
	s.Do(minimalUser...)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}, Username: "wafer", Password: "secret"}
	store, err := redisstore.Open(t.Context(), o, redisstore.Config{AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if u, err := store.Usage(t.Context()); err != nil || u.Bytes < 1<<18 || u.Bytes > 1<<28 || u.Limit != 0 {
		t.Errorf("%+v %v", u, err)
	}
	s.Do("CONFIG", "SET", "maxmemory", "1gb")
	if u, err := store.Usage(t.Context()); err != nil || u.Limit != 1<<30 {
		t.Errorf("%+v %v", u, err)
	}
	s.Do("ACL", "SETUSER", "wafer", "-info")
	if u, err := store.Usage(t.Context()); err == nil {
		t.Errorf("a user without INFO: %+v", u)
	}
}
