package rediskeys_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

func opens(s *redistest.Server, k keys.KEK) bool {
	_, err := k.Open(context.Background(), []byte(s.Do("GET", "{wafer}:ring")))
	return err == nil
}

func TestRewrap(t *testing.T) {
	s := redistest.Start(t)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	if err := rediskeys.Rewrap(t.Context(), o, "", kek(1), kek(2)); !errors.Is(err, rediskeys.ErrMissing) {
		t.Errorf("of no ring: %v", err)
	}
	r := open(t, s, config())
	want := fmt.Sprint(kids(r))
	r.Close()
	if err := rediskeys.Rewrap(t.Context(), o, "", kek(3), kek(4)); !errors.Is(err, keys.ErrKEK) || !opens(s, kek(1)) {
		t.Errorf("from another KEK: %v", err)
	}
	n := byte(0)
	fickle := keys.KEKFunc(func(context.Context) ([]byte, error) { n++; k := sha256.Sum256([]byte{n}); return k[:], nil })
	if err := rediskeys.Rewrap(t.Context(), o, "", kek(1), fickle); !errors.Is(err, keys.ErrKEK) || !opens(s, kek(1)) {
		t.Errorf("to one that differs from call to call: %v", err)
	}
	if err := rediskeys.Rewrap(t.Context(), o, "wafer", kek(1), kek(2)); err != nil || opens(s, kek(1)) {
		t.Fatalf("Rewrap = %v", err)
	}
	before := s.Do("GET", "{wafer}:ring")
	if err := rediskeys.Rewrap(t.Context(), o, "wafer", kek(1), kek(2)); err != nil || s.Do("GET", "{wafer}:ring") != before {
		t.Errorf("once more: %v", err)
	}
	if err := rediskeys.Rewrap(t.Context(), o, "{", kek(1), kek(2)); err == nil {
		t.Error("a prefix with a brace is accepted")
	}
	c := config()
	c.Create = false
	fresh, err := rediskeys.Open(t.Context(), o, kek(2), c)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if fmt.Sprint(kids(fresh)) != want {
		t.Error("it is another ring")
	}
}

// changing is a fleet that shares a ring while its KEK changes.
type changing struct {
	t     *testing.T
	s     *redistest.Server
	conf  rediskeys.Config
	all   [5]*rediskeys.Ring
	under keys.KEK // what the ring is under
}

// start puts a process with another KEK in the place of one.
func (c *changing) start(i int, k keys.KEK) {
	c.t.Helper()
	if c.all[i] != nil {
		c.all[i].Close()
	}
	r, err := rediskeys.Open(c.t.Context(), &redis.UniversalOptions{Addrs: []string{c.s.Addr}}, k, c.conf)
	if err != nil {
		c.t.Fatalf("process %d: %v", i, err)
	}
	c.t.Cleanup(func() { r.Close() })
	c.all[i] = r
	c.conf.Create = false
}

// check lets each process edit the ring, and checks that all see it. Then Redis loses the ring.
func (c *changing) check(step string) {
	c.t.Helper()
	for i, r := range c.all {
		if err := r.Edit(c.t.Context(), rotate); err != nil {
			c.t.Fatalf("%s: process %d: %v", step, i, err)
		}
		redistest.Await(c.t, step+": all see it", func() bool {
			for _, other := range c.all {
				if !same(r, other) {
					return false
				}
			}
			return true
		})
		if !opens(c.s, c.under) {
			c.t.Fatalf("%s: process %d changed the KEK", step, i)
		}
	}
	c.s.Do("FLUSHALL")
	redistest.Await(c.t, step+": it is back", func() bool { return c.s.Do("EXISTS", "{wafer}:ring") == "1" })
	if !opens(c.s, c.under) {
		c.t.Fatalf("%s: it came back under another KEK", step)
	}
}

// While the KEK changes, each process is at a step of its own. All open the ring, edit it, and
// write it back when it is lost, and what they write is under the KEK that the ring is under.
func TestKEKChangesProcessByProcess(t *testing.T) {
	t.Parallel()
	c := changing{t: t, s: redistest.Start(t), conf: config(), under: kek(1)}
	for i := range c.all {
		c.start(i, kek(1))
	}
	c.check("before")
	for i := range c.all {
		c.start(i, keys.KEKs(kek(1), kek(2)))
		c.check(fmt.Sprint("both, up to process ", i))
	}
	if err := rediskeys.Rewrap(t.Context(), &redis.UniversalOptions{Addrs: []string{c.s.Addr}}, "", kek(1), kek(2)); err != nil {
		t.Fatal(err)
	}
	c.under = kek(2)
	c.check("rewrapped")
	for i := range c.all {
		c.start(i, kek(2))
		c.check(fmt.Sprint("the new one, up to process ", i))
	}
}

// counting returns the nth KEK, which counts how often it is asked for, and fails while down is set.
func counting(n byte) (k keys.KEK, asked *atomic.Int64, down *atomic.Bool) {
	asked, down = new(atomic.Int64), new(atomic.Bool)
	secret := sha256.Sum256([]byte{n})
	return keys.KEKFunc(func(context.Context) ([]byte, error) {
		if asked.Add(1); down.Load() {
			return nil, errors.New("throttled")
		}
		return secret[:], nil
	}), asked, down
}

// calls returns how often the server ran a command.
func calls(s *redistest.Server, command string) (n int) {
	_, after, _ := strings.Cut(s.Do("INFO", "commandstats"), "cmdstat_"+command+":calls=")
	fmt.Sscanf(after, "%d,", &n)
	return n
}

// While Redis lost the ring and refuses to take it back, each look tries again, but with the bytes
// that it sealed first.
func TestKEKIsAskedForOnceToWriteBack(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprint("the KEK is away: ", away), func(t *testing.T) {
			s := redistest.Start(t)
			k, asked, down := counting(1)
			r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, k, config())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			before := asked.Load()
			down.Store(away)
			s.Do("FLUSHALL")
			s.Do("REPLICAOF", "127.0.0.1", "1") // READONLY
			s.Do("CONFIG", "SET", "replica-serve-stale-data", "yes")
			start := calls(s, "getrange")
			redistest.Await(t, "many looks", func() bool { return calls(s, "getrange") > start+20 })
			if n := asked.Load() - before; n > 1 {
				t.Errorf("asked %d times", n)
			}
			s.Do("REPLICAOF", "NO", "ONE")
			if away {
				return // it comes back 15 s later
			}
			redistest.Await(t, "the ring is back", func() bool { return s.Do("EXISTS", "{wafer}:ring") == "1" && opens(s, kek(1)) })
			if n := asked.Load() - before; n > 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// Open asks three times to make a ring: twice to try the KEK out, and once to seal. That Redis
// cannot take the ring yet changes nothing about it.
func TestKEKIsAskedForOnceWhileOpenWaits(t *testing.T) {
	s := redistest.Start(t, "--replicaof", "127.0.0.1 1")
	k, asked, _ := counting(1)
	opened := make(chan error)
	go func() {
		r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, k, config())
		if err == nil {
			r.Close()
		}
		opened <- err
	}()
	redistest.Await(t, "it tries several times", func() bool { return calls(s, "eval") > 12 })
	s.Do("REPLICAOF", "NO", "ONE")
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

// An edit asks once, however often other processes come first.
func TestKEKIsAskedForOnceForAnEdit(t *testing.T) {
	s := redistest.Start(t)
	other := open(t, s, config())
	k, asked, _ := counting(1)
	r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, k, config())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := asked.Load()
	n := 0
	err = r.Edit(t.Context(), func(ring *keys.Ring) (*keys.Ring, error) {
		if n++; n <= 5 {
			if err := other.Edit(t.Context(), rotate); err != nil {
				t.Error(err)
			}
		}
		return rotate(ring)
	})
	if err != nil || n != 6 || len(kids(r)) != 7 {
		t.Errorf("Edit = %v after %d times, and there are %d keys", err, n, len(kids(r)))
	}
	if got := asked.Load() - before; got != 1 {
		t.Errorf("asked %d times", got)
	}
}
