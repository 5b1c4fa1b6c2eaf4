package redisstore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

var losses = flag.Int("losses", 10, "how often TestRingAndListAgreeAfterALoss loses everything")

// A member is a process of an application that keeps its ring and its list in one Redis.
type member struct {
	ring *rediskeys.Ring
	st   *redisstore.Store
	list *revocation.List
}

// testKEK is a key encryption key made of one byte.
func testKEK(b byte) keys.KEK {
	secret := sha256.Sum256([]byte{b})
	return keys.KEKFunc(func(context.Context) ([]byte, error) { return secret[:], nil })
}

// startProcess starts a process as docs/redis.md shows.
func startProcess(ctx context.Context, addr string, kek keys.KEK, poll time.Duration, log *slog.Logger) (p *member, err error) {
	o := &redis.UniversalOptions{Addrs: []string{addr}}
	p = &member{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.st, err = redisstore.Open(ctx, o, redisstore.Config{AllowVolatile: true, Logger: log}); err != nil {
		return p, err
	}
	if p.ring, err = rediskeys.Open(ctx, o, kek, rediskeys.Config{Create: true, AllowVolatile: true, Poll: poll, Logger: log}); err != nil {
		return p, err
	}
	p.list, err = revocation.Open(ctx, p.st, p.ring.Ring(), revocation.Config{Within: within, Grace: grace, Logger: log})
	return p, err
}

func (p *member) close() {
	if p.list != nil {
		p.list.Close()
	}
	if p.ring != nil {
		p.ring.Close()
	}
	if p.st != nil {
		p.st.Close()
	}
}

func mustStart(t *testing.T, addr string, kek keys.KEK, poll time.Duration, log *slog.Logger) *member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := startProcess(ctx, addr, kek, poll, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// inStep waits until all processes follow one list: the others know what the last one revokes.
func inStep(t *testing.T, what string, all []*member) {
	t.Helper()
	group := revocation.Group(what)
	redistest.Await(t, what, func() bool {
		_, err := all[len(all)-1].list.Revoke(t.Context(), group, revocation.Options{})
		return err == nil
	})
	redistest.Await(t, what, func() bool {
		for _, p := range all {
			if _, ok, err := p.list.Revoked(t.Context(), group); !ok || err != nil || p.list.Stats().State != "synced" {
				return false
			}
		}
		return true
	})
}

const fleetPoll = 300 * time.Millisecond

// Ring and list are in one Redis, which comes back empty while one process starts. Whichever
// process is first, all of them end up with one ring and one list.
func TestRingAndListAgreeAfterALoss(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	quiet := slog.New(slog.DiscardHandler)
	s := redistest.Start(t)
	var fleet []*member
	for range 3 {
		fleet = append(fleet, mustStart(t, s.Addr, testKEK(1), fleetPoll, quiet))
	}
	id := fleet[0].ring.Ring().ID()
	<-time.After(1100 * time.Millisecond) // the age of a ring is kept in seconds
	for round := range *losses {
		s.Kill()
		var late *member
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var err error
			if late, err = startProcess(ctx, s.Addr, testKEK(1), fleetPoll, quiet); err != nil {
				t.Errorf("round %d: a process that started meanwhile: %v", round, err)
			}
		})
		<-time.After(time.Duration(round%4) * 70 * time.Millisecond) // it waits, and so do the others
		s.Restart()
		wg.Wait()
		if t.Failed() {
			return
		}
		if late.ring.Ring().ID() != id {
			t.Fatalf("round %d: the process that started meanwhile has another ring", round)
		}
		inStep(t, fmt.Sprintf("round %d: all follow one list", round), append([]*member{late}, fleet...))
		late.close()
	}
}

// A process made a new ring and used it while the processes with the older ring did not reach
// Redis. Once these are back, they and every process that starts have one list again.
func TestAListOfAReplacedRingIsReplaced(t *testing.T) {
	var l logtest.Log
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr)
	old := mustStart(t, proxy.Addr, testKEK(1), fleetPoll, slog.New(slog.DiscardHandler))
	<-time.After(1100 * time.Millisecond)
	proxy.Blackhole()
	s.Do("FLUSHALL")
	young := mustStart(t, s.Addr, testKEK(1), 20*time.Millisecond, slog.New(slog.NewTextHandler(&l, nil)))
	if young.ring.Ring().ID() == old.ring.Ring().ID() {
		t.Fatal("both processes have the same ring")
	}
	proxy.Restore()
	inStep(t, "the older ring has a list again", []*member{old})
	inStep(t, "a process that starts joins it", []*member{old, mustStart(t, s.Addr, testKEK(1), fleetPoll, slog.New(slog.DiscardHandler))})

	// The process with the younger ring must be restarted. Until then it does not fight for the
	// list.
	redistest.Await(t, "the younger one logs an error", func() bool { return l.Count("level=ERROR", "another key ring") == 1 })
	s.Do("DEL", "{wafer}:head", "{wafer}:log")
	for range 20 {
		if l, err := revocation.Open(t.Context(), young.st, young.ring.Ring(), revocation.Config{}); err == nil {
			l.Close()
			t.Fatal("the process with the replaced ring created a list")
		} else if !errors.Is(err, revocation.ErrWrongKey) {
			t.Fatal(err)
		}
	}
	inStep(t, "a new list is created", []*member{old})
	if n := l.Count("level=ERROR", "another key ring"); n > 2 {
		t.Errorf("it logged %d errors", n)
	}
}

// Another application with the same prefix logs an error. It does not take the list from the first
// one.
func TestANeighbourWithTheSamePrefix(t *testing.T) {
	var l logtest.Log
	s := redistest.Start(t)
	quiet := slog.New(slog.DiscardHandler)
	neighbour, err := connectAs(t, s, keys.Generate(0), slog.New(slog.NewTextHandler(&l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(1100 * time.Millisecond)
	s.Do("FLUSHALL")
	ours := keys.Generate(0) // the younger ring comes first, and stays
	var first *revocation.List
	redistest.Await(t, "the first application has its list", func() bool {
		s.Do("DEL", "{wafer}:head", "{wafer}:log")
		first, err = connectAs(t, s, ours, quiet)
		return err == nil
	})
	list := s.Do("HGET", "{wafer}:head", "g")
	redistest.Await(t, "the neighbour logs an error", func() bool { return l.Count("level=ERROR", "another key ring") > 0 })
	redistest.Await(t, "the neighbour is not in step", func() bool { return neighbour.Stats().State != "synced" })
	if _, err := startProcess(t.Context(), s.Addr, testKEK(2), 20*time.Millisecond, quiet); !errors.Is(err, revocation.ErrWrongKey) {
		t.Errorf("a third application with a ring in this Redis: %v", err)
	}
	if got := s.Do("HGET", "{wafer}:head", "g"); got != list || first.Stats().State != "synced" {
		t.Errorf("the first application lost its list: %s", first.Stats().State)
	}
	if n := l.Count("level=ERROR", "another key ring"); n != 1 {
		t.Errorf("the neighbour logged %d errors within seconds", n)
	}
}

func connectAs(t *testing.T, s *redistest.Server, ring *keys.Ring, log *slog.Logger) (*revocation.List, error) {
	t.Helper()
	st := open(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{AllowVolatile: true})
	l, err := revocation.Open(t.Context(), st, ring, revocation.Config{Within: within, Grace: grace, Logger: log})
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return l, err
}
