package redisstore_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R7, R20: a revocation that only the primary has is not acknowledged, however often it is
// repeated. This holds for the process that made it, for another one on another connection, and
// when the repetition changes nothing.
func TestR7ARepetitionWaitsForTheCopyToo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		stop, back func(primary, replica *redistest.Server)
	}{
		{"a replica that hangs", func(_, r *redistest.Server) { r.Pause() }, func(_, r *redistest.Server) { r.Resume() }},
		{"a replica that left", func(_, r *redistest.Server) { r.Do("REPLICAOF", "NO", "ONE") },
			func(p, r *redistest.Server) { r.Do("REPLICAOF", "127.0.0.1", p.Port) }},
		{"a replica that is cut off", func(p, r *redistest.Server) { r.Do("REPLICAOF", "127.0.0.1", "1") },
			func(p, r *redistest.Server) { r.Do("REPLICAOF", "127.0.0.1", p.Port) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			primary := redistest.Start(t)
			replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+primary.Port)
			online := func() bool { return strings.Contains(primary.Info("slave0"), "state=online") }
			redistest.Await(t, "the replica follows", online)
			join := func() *revocation.List {
				st := open(t, &redis.UniversalOptions{Addrs: []string{primary.Addr}}, redisstore.Config{AllowVolatile: true})
				l, err := revocation.Open(t.Context(), st, revlogtest.Secrets(0), revocation.Config{
					Ack: revlog.Ack{Replicas: 1, Timeout: 100 * time.Millisecond}, Logger: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				return l
			}
			one, other := join(), join()
			targets := []revocation.Target{
				revocation.Session(encode([16]byte{7})), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Key("kid"), revocation.Everyone(),
			}
			tt.stop(primary, replica)
			redistest.Await(t, "no replica acknowledges", func() bool {
				return tt.name == "a replica that hangs" || primary.Info("connected_slaves") == "0"
			})
			for range 2 {
				for name, l := range map[string]*revocation.List{"the same process": one, "another process": other} {
					for _, target := range targets {
						if r, err := l.Revoke(context.WithoutCancel(t.Context()), target, revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
							t.Errorf("%s, %v: Revoke = %+v, %v", name, target, r, err)
						}
					}
				}
			}
			if n := one.Stats().Outbox; n != len(targets) {
				t.Errorf("Outbox = %d of %d", n, len(targets))
			}
			tt.back(primary, replica)
			redistest.Await(t, "the replica follows again", online)
			redistest.Await(t, "the outboxes are empty", func() bool { return one.Stats().Outbox+other.Stats().Outbox == 0 })
			for _, target := range targets {
				redistest.Await(t, "a repetition is acknowledged by the replica", func() bool {
					r, err := one.Revoke(t.Context(), target, revocation.Options{})
					return err == nil && r.Replicas == 1
				})
			}
			if got, want := replica.Do("HGET", "{wafer}:head", "n"), primary.Do("HGET", "{wafer}:head", "n"); got != want {
				t.Errorf("the replica has %s entries of %s", got, want)
			}
		})
	}
}

// R4: if a quiet revocation is appended, its retention counts from the append, because sessions
// were renewed until then. This holds even if it is stored in an earlier epoch.
func TestR4AnAppendOfAQuietRevocationRestartsItsRetention(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s, st := volatile(t)
		create(t, st, time.Hour)
		write(t, st, revlog.Bulk{Assertions: []revlog.Assertion{session(1)}})
		key := s.Do("KEYS", "{wafer}:x:*")
		if closed { // a later epoch is open
			write(t, st, revlog.Append{Floor: time.Now().Add(30 * time.Minute).UnixMilli(), Assertions: []revlog.Assertion{session(2)}})
		}
		write(t, st, revlog.Repair{Retain: 100 * time.Hour})
		w := write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}})
		if !w.Results[0].Changed || w.Head.N == 0 {
			t.Fatalf("append of a quiet revocation: %+v", w)
		}
		till, err := strconv.ParseInt(s.Do("PEXPIRETIME", key), 10, 64)
		if want := w.Results[0].Position.MS + (100 * time.Hour).Milliseconds(); err != nil || till < want {
			t.Errorf("closed %v: kept until %v, want %v (%v)", closed, time.UnixMilli(till), time.UnixMilli(want), err)
		}
		// The epoch must be kept as long, because lookups go through it.
		write(t, st, revlog.Append{Floor: time.Now().Add(50 * time.Hour).UnixMilli(), Assertions: []revlog.Assertion{session(3)}})
		write(t, st, revlog.Append{Floor: time.Now().Add(90 * time.Hour).UnixMilli(), Assertions: []revlog.Assertion{session(4)}})
		if a, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(1)}); err != nil || len(a.Found) == 0 {
			t.Errorf("closed %v: 90 h later: %+v, %v", closed, a, err)
		}
	}
}
