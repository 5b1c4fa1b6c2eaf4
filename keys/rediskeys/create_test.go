package rediskeys_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

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

// Create waits for a Redis that does not answer yet, as Open does.
func TestCreateWaitsForRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	s.Do("CLIENT", "PAUSE", "1500")
	made := keys.Generate(0)
	if err := rediskeys.Create(t.Context(), o, kek(1), made, config()); err != nil {
		t.Fatal(err)
	}
	if got := open(t, s, config()).Ring().ID(); got != made.ID() {
		t.Errorf("the ring is %s, want %s", got, made.ID())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s.Do("CLIENT", "PAUSE", "10000")
	if err := rediskeys.Create(ctx, o, kek(1), made, config()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while Redis does not answer: %v", err)
	}
}

// Redis lost its ring while a process runs that has it. That process writes it back in place of the one
// that Create stored, and Create says so.
func TestCreateWhereARingWasLost(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		kek  keys.KEK
	}{{"under the same KEK", kek(1)}, {"under one of its KEKs", kek(2)}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
			conf := config()
			conf.Create, conf.Poll = true, 500*time.Millisecond
			running, err := rediskeys.Open(t.Context(), o, keys.KEKs(kek(1), kek(2)), conf)
			if err != nil {
				t.Fatal(err)
			}
			defer running.Close()
			s.Do("FLUSHALL")
			conf.Create, conf.Poll = false, 1500*time.Millisecond
			if err := rediskeys.Create(t.Context(), o, row.kek, keys.Generate(0), conf); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Create = %v", err)
			}
			if got := open(t, s, config()).Ring().ID(); got != running.Ring().ID() {
				t.Errorf("the ring is %s, want the older one, %s", got, running.Ring().ID())
			}
		})
	}
}
