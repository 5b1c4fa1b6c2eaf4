package rediskeys_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	flag.Set("test.parallel", "6") // most tests wait: for a poll, for a server
	os.Exit(m.Run())
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func kek(b byte) keys.KEK {
	secret := sha256.Sum256([]byte{b})
	return keys.KEKFunc(func(context.Context) ([]byte, error) { return secret[:], nil })
}

func config() rediskeys.Config {
	return rediskeys.Config{Create: true, AllowVolatile: true, Poll: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
}

func open(t *testing.T, s *redistest.Server, c rediskeys.Config) *rediskeys.Ring {
	t.Helper()
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, kek(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func rotate(r *keys.Ring) (*keys.Ring, error) {
	return r.Rotate(time.Now(), keys.Rotation{Immediate: true})
}

func kids(r *rediskeys.Ring) (out []string) {
	for _, k := range r.Ring().Keys() {
		out = append(out, k.ID())
	}
	return out
}

func same(a, b *rediskeys.Ring) bool { return fmt.Sprint(kids(a)) == fmt.Sprint(kids(b)) }

func TestShared(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	strict := config()
	strict.Create = false
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	if _, err := rediskeys.Open(t.Context(), o, kek(1), strict); !errors.Is(err, rediskeys.ErrMissing) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open without a ring = %v", err)
	}
	var all [20]*rediskeys.Ring
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = rediskeys.Open(context.WithoutCancel(t.Context()), o, kek(1), config()); err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, r := range all {
		t.Cleanup(func() { r.Close() })
	}
	for _, r := range all[1:] {
		if r.Ring().ID() != all[0].Ring().ID() || !same(r, all[0]) {
			t.Fatal("two processes that created at once hold two rings")
		}
	}
	if err := all[0].Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "a rotation reaches the others", func() bool { return same(all[1], all[0]) && same(all[19], all[0]) && len(kids(all[19])) == 2 })
	before := all[1].Ring()
	if err := all[1].Refresh(t.Context()); err != nil || all[1].Ring() != before {
		t.Errorf("Refresh of what did not change = %v", err)
	}
	if _, err := rediskeys.Open(t.Context(), o, kek(2), strict); !errors.Is(err, keys.ErrKEK) {
		t.Errorf("Open with another KEK = %v", err)
	}
	if doc := s.Do("GET", "{wafer}:ring"); strings.Contains(doc, `"k"`) || strings.Count(doc, ".") != 4 {
		t.Errorf("in Redis there is %.40q", doc)
	}
}

func TestEditsAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := open(t, s, config()), open(t, s, config())
	var wg sync.WaitGroup
	for _, r := range []*rediskeys.Ring{a, b, a, b, a, b} {
		wg.Go(func() {
			if err := r.Edit(context.WithoutCancel(t.Context()), rotate); err != nil {
				t.Errorf("Edit: %v", err)
			}
		})
	}
	wg.Wait()
	redistest.Await(t, "all have all keys", func() bool { return len(kids(a)) == 7 && same(a, b) })
	kid := kids(a)[0]
	if err := b.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), kid) }); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "a revoked key is revoked for the other", func() bool {
		k, ok := a.Ring().Key(kid)
		_, revoked := k.Revoked()
		return ok && revoked
	})
	mine := errors.New("mine")
	if err := a.Edit(t.Context(), func(*keys.Ring) (*keys.Ring, error) { return nil, mine }); !errors.Is(err, mine) {
		t.Errorf("Edit that fails = %v", err)
	}
}

func TestLossIsMended(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := open(t, s, config()), open(t, s, config())
	old := s.Do("GET", "{wafer}:ring")
	if err := a.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "both have two keys", func() bool { return len(kids(b)) == 2 })
	want, id := fmt.Sprint(kids(a)), a.Ring().ID()
	back := func(what string) {
		t.Helper()
		c := config()
		c.Create = false
		redistest.Await(t, what, func() bool {
			fresh, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, kek(1), c)
			if err != nil {
				return false
			}
			defer fresh.Close()
			return fmt.Sprint(kids(fresh)) == want && fresh.Ring().ID() == id
		})
		if fmt.Sprint(kids(a)) != want || fmt.Sprint(kids(b)) != want {
			t.Errorf("%s: a key was given up: %v and %v", what, kids(a), kids(b))
		}
	}
	s.Do("FLUSHALL")
	back("the ring is written back after FLUSHALL")
	s.Do("SET", "{wafer}:ring", old)
	back("an older copy gets its keys back")
	s.Do("SET", "{wafer}:ring", "no ring at all")
	if err := a.Edit(t.Context(), rotate); err == nil {
		t.Error("what cannot be read was written over")
	}
	s.Do("DEL", "{wafer}:ring")
	back("and once more")
}

// A process that started between FLUSHALL and the write-back created its own ring. The fleet's ring
// is older and wins.
func TestTheOlderRingWins(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	t.Parallel()
	s := redistest.Start(t)
	lazy := config()
	lazy.Poll, lazy.Create = time.Hour, false
	aged(t, s, time.Hour)
	fleet := open(t, s, lazy)
	s.Do("FLUSHALL")
	young := open(t, s, config())
	if young.Ring().ID() == fleet.Ring().ID() {
		t.Fatal("there is one ring only")
	}
	if err := young.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if err := fleet.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if fresh := open(t, s, lazy); fresh.Ring().ID() != fleet.Ring().ID() {
		t.Error("the younger ring stayed")
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s, config())
	before := r.Ring()
	s.Kill()
	if err := r.Edit(t.Context(), rotate); err == nil {
		t.Error("Edit without a server succeeded")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := rediskeys.Open(ctx, &redis.UniversalOptions{Addrs: []string{s.Addr}}, kek(1), config()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open without a server = %v", err)
	}
	if r.Ring() != before {
		t.Error("the ring changed")
	}
	s.Restart() // empty: nothing was saved
	redistest.Await(t, "the ring is there again", func() bool { return s.Do("EXISTS", "{wafer}:ring") == "1" })
	r.Close()
	if err := r.Refresh(t.Context()); !errors.Is(err, keys.ErrClosed) {
		t.Errorf("Refresh after Close = %v", err)
	}
	if got := fmt.Sprintf("%v %+v %#v %s", r, r, r, r); strings.Count(got, "rediskeys.Ring({wafer}:ring)") != 4 {
		t.Errorf("prints as %s", got)
	}
}
