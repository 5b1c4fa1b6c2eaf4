package rediskeys_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// Whatever stands in place of the ring, a running process keeps the one that it has, logs one line, and
// writes nothing over it. When the ring is back, it goes on.
func TestWhatIsNoRing(t *testing.T) {
	s := redistest.Start(t)
	var l logs
	c := config()
	c.Logger = l.logger()
	c.Poll = 5 * time.Millisecond
	r := open(t, s, c)
	good := s.Do("GET", "{wafer}:ring")
	ring := r.Ring()
	_, afterHeader, _ := strings.Cut(good, ".")
	argon := "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiandrLXNldCtqc29uIiwia2RmIjoiYXJnb24yaWQiLCJzYWx0IjoiamlIVFpRLWJSOG9TZU85V2tLczB6USIsInQiOjEwMDAsIm0iOjQxOTQzMDQsInAiOjF9." + afterHeader
	for _, row := range []struct {
		name string
		do   []string
		want error // nil: some other error
	}{
		{"cut short", []string{"SET", "{wafer}:ring", good[:len(good)-9]}, keys.ErrDocument},
		{"altered", []string{"SETRANGE", "{wafer}:ring", strconv.Itoa(len(good) / 2), "AAAAAAAA"}, keys.ErrKEK},
		{"junk", []string{"SET", "{wafer}:ring", "junk"}, keys.ErrDocument},
		{"under another KEK", []string{"SET", "{wafer}:ring", must(kek(2).Seal(t.Context(), ring))}, keys.ErrKEK},
		{"in plain text", []string{"SET", "{wafer}:ring", string(ring.PlaintextJWKSet())}, keys.ErrKEK},
		{"with a hostile argon2", []string{"SET", "{wafer}:ring", argon}, keys.ErrDocument},
		{"of another type", []string{"HSET", "{wafer}:ring", "a", "b"}, nil},
		{"100 MB", []string{"SETRANGE", "{wafer}:ring", "100000000", "x"}, keys.ErrDocument},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.Do("DEL", "{wafer}:ring")
			s.Do("SET", "{wafer}:ring", good)
			redistest.Await(t, "the ring is read", func() bool { return r.Refresh(t.Context()) == nil })
			lines, sent := l.Count("cannot read the ring"), sentBytes(t, s)
			if row.do[0] == "HSET" || row.name == "100 MB" {
				s.Do("DEL", "{wafer}:ring")
			}
			s.Do(row.do...)
			redistest.Await(t, "it is noticed", func() bool { return l.Count("cannot read the ring") > lines })
			for range 3 {
				err := r.Refresh(t.Context())
				if err == nil || row.want != nil && !errors.Is(err, row.want) || !strings.Contains(err.Error(), "{wafer}:ring") {
					t.Errorf("Refresh = %v, want %v", err, row.want)
				}
			}
			if err := r.Edit(t.Context(), rotate); err == nil {
				t.Error("an edit wrote over it")
			}
			if n := l.Count("cannot read the ring") - lines; n != 1 {
				t.Errorf("%d log lines", n)
			}
			if r.Ring() != ring {
				t.Error("the process has another ring")
			}
			if n := sentBytes(t, s) - sent; n > 80_000_000 {
				t.Errorf("%d bytes were read", n)
			}
		})
	}
}

// sentBytes returns how many bytes the server has sent.
func sentBytes(t *testing.T, s *redistest.Server) int {
	t.Helper()
	_, after, _ := strings.Cut(s.Do("INFO", "stats"), "total_net_output_bytes:")
	n, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(after, "\n", 2)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A server that resets connections is logged once, though each of them has a port of its own.
func TestResetConnectionsAreLoggedOnce(t *testing.T) {
	s := redistest.Start(t)
	var l logs
	var resets atomic.Int64 // -1: none yet
	resets.Store(-1)
	c := config()
	c.Logger = l.logger()
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if resets.Load() < 0 {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(50_000 + resets.Add(1))}
		return nil, &net.OpError{Op: "read", Net: network, Source: here, Addr: here, Err: syscall.ECONNRESET}
	}}, kek(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	resets.Store(0)
	s.Do("CLIENT", "KILL", "TYPE", "normal")
	redistest.Await(t, "many attempts", func() bool { return resets.Load() > 10 })
	if n := l.Count("cannot read the ring"); n != 1 {
		t.Errorf("%d log lines:\n%s", n, l.String())
	}
}
