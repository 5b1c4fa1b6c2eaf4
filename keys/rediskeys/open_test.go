package rediskeys_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// logs collects what is logged.
type logs struct{ logtest.Log }

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// The key encryption key may come from a service with a price and a quota.
func TestKEKIsAskedForWhenTheBytesChange(t *testing.T) {
	s := redistest.Start(t)
	var calls atomic.Int64
	secret := sha256.Sum256([]byte{1})
	counting := keys.KEKFunc(func(context.Context) ([]byte, error) { calls.Add(1); return secret[:], nil })
	c := config()
	c.Poll = 2 * time.Millisecond
	other := open(t, s, config()) // creates the ring
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, counting, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if n := calls.Load(); n != 1 {
		t.Errorf("asked %d times to open it", n)
	}
	looks := func() {
		t.Helper()
		gets := func() int { return strings.Count(s.Do("INFO", "commandstats"), "cmdstat_getrange:") }
		if gets() == 0 {
			t.Fatal("the server counts no GETRANGE")
		}
		s.Do("CONFIG", "RESETSTAT")
		redistest.Await(t, "many looks", func() bool {
			_, after, _ := strings.Cut(s.Do("INFO", "commandstats"), "cmdstat_getrange:calls=")
			n, _, _ := strings.Cut(after, ",")
			return len(n) >= 2 // ten and more
		})
		for range 10 { // as unknown kids do
			if err := r.Refresh(t.Context()); err != nil && !errors.Is(err, keys.ErrKEK) && !errors.Is(err, keys.ErrForeign) && !errors.Is(err, keys.ErrDocument) {
				t.Fatal(err)
			}
		}
	}
	looks()
	if n := calls.Load(); n != 1 {
		t.Errorf("asked %d times, and nothing changed", n)
	}
	if err := other.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "the rotation is seen", func() bool { return same(r, other) })
	looks()
	if n := calls.Load(); n != 2 {
		t.Errorf("asked %d times for one change", n-1)
	}
	other.Close()
	stranger := keys.Generate(0) // as young as ours, so it stays
	doc, err := kek(1).Seal(t.Context(), stranger)
	if err != nil {
		t.Fatal(err)
	}
	for stays, doc := range map[string]string{
		"sealed under another KEK": must(kek(2).Seal(t.Context(), stranger)), "another ring": string(doc), "no ring": "junk",
	} {
		before := calls.Load()
		s.Do("SET", "{wafer}:ring", doc)
		looks()
		if stays == "another ring" && s.Do("GET", "{wafer}:ring") != doc {
			continue // a second passed, so ours was older and is back
		}
		want := int64(1)
		if doc == "junk" {
			want = 0 // no key opens that
		}
		if n := calls.Load() - before; n != want {
			t.Errorf("asked %d times for what is %s", n, stays)
		}
	}
}

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestServersThatForget(t *testing.T) {
	t.Parallel()
	o := func(s *redistest.Server) *redis.UniversalOptions {
		return &redis.UniversalOptions{Addrs: []string{s.Addr}}
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"snapshots only": {nil, "appendonly"},
		"evicts":         {[]string{"--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"}, "maxmemory-policy is allkeys-lru"},
		"keeps":          {[]string{"--appendonly", "yes"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t, c.args...)
			strict := config()
			strict.AllowVolatile = false
			r, err := rediskeys.Open(t.Context(), o(s), kek(1), strict)
			if err == nil {
				r.Close()
			}
			if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, rediskeys.ErrUnsafe) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), s.Addr)) {
				t.Errorf("Open = %v, want %q", err, c.want)
			}
			if err != nil && s.Do("EXISTS", "{wafer}:ring") != "0" {
				t.Error("a ring was made there")
			}
			open(t, s, config()).Close()
		})
	}
	s := redistest.StartSentinel(t, "--min-replicas-to-write", "1")
	strict := config()
	strict.AllowVolatile = false
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}, MasterName: "wafer"}, kek(1), strict)
	if err != nil {
		t.Fatalf("with a replica that it waits for: %v", err)
	}
	r.Close()
}

func TestNewRingIsAnnounced(t *testing.T) {
	s := redistest.Start(t)
	var l logs
	c := config()
	c.Logger = l.logger()
	r := open(t, s, c)
	if l.Count("level=WARN", "created a ring", "ring="+r.Ring().ID(), s.Addr) != 1 {
		t.Errorf("the log says\n%s", l.String())
	}
	open(t, s, c)
	if l.Count("created a ring") != 1 {
		t.Error("one that was there is announced too")
	}
}

// While Redis does not answer, the log says what Open waits for, and so does the error in the end.
func TestOpenSaysWhatItWaitsFor(t *testing.T) {
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, c := range map[string]struct {
		addr string
		text string
	}{
		"nobody there": {closed.Addr().String(), "connection refused"},
		"no answer":    {hangs.Addr().String(), "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			var l logs
			conf := config()
			conf.Logger = l.logger()
			ctx, cancel := context.WithTimeout(t.Context(), 450*time.Millisecond)
			defer cancel()
			_, err := rediskeys.Open(ctx, &redis.UniversalOptions{Addrs: []string{c.addr}, Password: "hunter2hunter2"}, kek(1), conf)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.addr) || !strings.Contains(err.Error(), c.text) ||
				strings.Count(err.Error(), "deadline") != 1 || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Open = %v, want %q", err, c.text)
			}
			if name == "nobody there" && l.Count("level=WARN", "waiting for Redis", c.addr) != 1 {
				t.Errorf("the log says\n%s", l.String())
			}
		})
	}
}

// Open waits for a server that refuses writes temporarily, such as one that is about to become the
// primary.
func TestOpenWaitsForAPrimary(t *testing.T) {
	s := redistest.Start(t, "--replicaof", "127.0.0.1 1")
	var l logs
	conf := config()
	conf.Logger = l.logger()
	opened := make(chan error)
	go func() {
		r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, kek(1), conf)
		if err == nil {
			r.Close()
		}
		opened <- err
	}()
	redistest.Await(t, "it waits", func() bool { return l.Count("level=WARN", "waiting for Redis", "READONLY") == 1 })
	s.Do("REPLICAOF", "NO", "ONE")
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestOpenChecksItsConfig(t *testing.T) {
	for name, change := range map[string]func(*rediskeys.Config){
		"a negative poll":       func(c *rediskeys.Config) { c.Poll = -1 },
		"sessions below zero":   func(c *rediskeys.Config) { c.MaxSession = -1 },
		"sessions for 11 years": func(c *rediskeys.Config) { c.MaxSession = 11 * 365 * 24 * time.Hour },
		"a prefix with a brace": func(c *rediskeys.Config) { c.Prefix = "a}" },
	} {
		conf := config()
		change(&conf)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := rediskeys.Open(ctx, &redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}}, kek(1), conf); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
