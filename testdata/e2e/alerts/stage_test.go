package alerts

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// A stage is two demos at one Redis with a copy, in use, and the Prometheus that scrapes them.
type stage struct {
	t           *testing.T
	program     string // the command
	kek         string
	redis, copy *redistest.Server
	wire        *redistest.Proxy // through which copy follows redis
	clock       *os.File         // how far the servers' clocks are ahead
	ahead       time.Duration
	demos       [2]*demo
	booting     string // address of the application that starts without its Redis
	clustered   string // address of the demo at the Cluster
	cluster     *cluster
	began       time.Time // when the fault began
	prom        *prometheus
}

func newStage(t *testing.T, rules string) *stage {
	s := &stage{t: t, program: build(t), kek: random(32), booting: freeAddr(t), clustered: freeAddr(t)}
	s.clock = setClocks(t)
	s.redis = redistest.Start(t, "--appendonly", "yes")
	s.wire = redistest.NewProxy(t, s.redis.Addr)
	s.copy = redistest.Start(t)
	s.follow()
	for i := range s.demos {
		link := redistest.NewProxy(t, s.redis.Addr)
		s.demos[i] = newDemo(t, s.program, s.kek, freeAddr(t), "redis://"+link.Addr)
		s.demos[i].link = link
	}
	s.inStep()
	for _, d := range s.demos {
		use(t, d)
	}
	s.prom = startPrometheus(t, rules, map[string][]string{"demo": {s.demos[0].addr, s.demos[1].addr}, "app": {s.booting}, "cluster": {s.clustered}})
	return s
}

// setClocks makes redis-servers that start from now on take their wall clock from a file.
func setClocks(t *testing.T) *os.File {
	t.Helper()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		return nil // redistest skips or fails
	}
	dir := t.TempDir()
	library, at := filepath.Join(dir, "clock.so"), filepath.Join(dir, "clock")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O1", "-o", library, "testdata/clock.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, out)
	}
	f, err := os.Create(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	advance(t, f, 0)
	script := "#!/bin/sh\nLD_PRELOAD=" + library + " CLOCK_FILE=" + at + " exec " + server + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return f
}

// advance sets the clocks to so much ahead.
func advance(t *testing.T, clock *os.File, by time.Duration) {
	t.Helper()
	if _, err := clock.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by.Microseconds())), 0); err != nil {
		t.Fatal(err)
	}
}

// await is redistest.Await for what takes many seconds on a loaded machine.
func (s *stage) await(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("still waiting: %s", what)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// inStep waits until every replica of the demos serves.
func (s *stage) inStep() {
	s.t.Helper()
	s.await("all replicas are in step", func() bool { return s.demos[0].serves() && s.demos[1].serves() })
}

// follow makes copy follow redis.
func (s *stage) follow() {
	s.t.Helper()
	s.wire.Restore()
	s.wire.Route(s.redis.Addr)
	host, port, _ := strings.Cut(s.wire.Addr, ":")
	s.copy.Do("REPLICAOF", host, port)
	s.await("the copy follows", func() bool {
		return s.copy.Info("master_link_status") == "up" && strings.Contains(s.redis.Info("slave0"), "state=online")
	})
}

// failover ends the primary, and promotes the copy.
func (s *stage) failover() {
	s.redis.Kill()
	s.copy.Do("REPLICAOF", "NO", "ONE")
	s.redis, s.copy = s.copy, s.redis
	for _, d := range s.demos {
		d.link.Route(s.redis.Addr)
	}
}

// replace starts the old primary again, as a copy of the new one.
func (s *stage) replace() {
	s.copy.Restart()
	s.follow()
}

// empty removes the data of the primary, which does not run.
func (s *stage) empty() {
	for _, name := range []string{"dump.rdb", "appendonlydir"} {
		if err := os.RemoveAll(filepath.Join(s.redis.Dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// links does something to the link of each demo.
func (s *stage) links(do func(*redistest.Proxy)) {
	for _, d := range s.demos {
		do(d.link)
	}
}

// revoked waits until something was revoked and every replica has read it.
func (s *stage) revoked() {
	s.t.Helper()
	_, newest := s.positions()
	s.await("a revocation was read by all", func() bool {
		s.demos[0].revoke("session", random(16))
		oldest, _ := s.positions()
		return oldest > newest
	})
}

// positions returns the numbers of the newest entries that replicas know, the lowest and the highest
// of them.
func (s *stage) positions() (lowest, highest int) {
	lowest = math.MaxInt
	for _, d := range s.demos {
		for _, r := range d.state().Replicas {
			_, number, _ := strings.Cut(r.Position, "-")
			n, _ := strconv.Atoi(number) // 0 if there is none
			lowest, highest = min(lowest, n), max(highest, n)
		}
	}
	return lowest, highest
}

// keys runs the command for the ring.
func (s *stage) keys(args ...string) {
	s.t.Helper()
	cmd := exec.Command(s.program, append([]string{"keys"}, args...)...)
	cmd.Env = append(os.Environ(), "WAFER_REDIS=redis://"+s.redis.Addr, "WAFER_KEK="+s.kek)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("wafer keys %s: %v: %s", args[0], err, out)
	}
}

// sealing returns the id of the key that seals.
func (s *stage) sealing() string {
	s.t.Helper()
	kid := s.demos[0].state().KID
	if kid == "" {
		s.t.Fatal("no key seals")
	}
	return kid
}

// client returns a client of Redis for keys that hold any bytes.
func (s *stage) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	s.t.Cleanup(func() { c.Close() })
	return c
}

// again does something again and again, until the function that it returns is called.
func again(pause time.Duration, do func()) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause):
				do()
			}
		}
	}()
	return func() { close(stop); <-done }
}
