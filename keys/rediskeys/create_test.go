package rediskeys_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

func TestCreateNeverReplacesARing(t *testing.T) {
	s := redistest.Start(t)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	strict := config()
	strict.AllowVolatile = false
	made := keys.Generate(0)
	if err := rediskeys.Create(t.Context(), o, kek(1), made, strict); !errors.Is(err, rediskeys.ErrUnsafe) {
		t.Errorf("on a server that forgets: %v", err)
	}
	if err := rediskeys.Create(t.Context(), o, kek(1), made, config()); err != nil {
		t.Fatal(err)
	}
	if got := open(t, s, config()).Ring().ID(); got != made.ID() {
		t.Errorf("the ring is %s, want %s", got, made.ID())
	}
	if err := rediskeys.Create(t.Context(), o, kek(1), made, config()); err != nil {
		t.Errorf("the same ring again, as after a lost answer: %v", err)
	}
	if err := rediskeys.Create(t.Context(), o, kek(1), keys.Generate(0), config()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another ring: %v", err)
	}
	if err := rediskeys.Create(t.Context(), o, kek(2), keys.Generate(0), config()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a ring that does not open: %v", err)
	}
}
