package proxies

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/apptest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
)

// patience is how long anything may take on a machine with much else to do.
const patience = 30 * time.Second

// A fleet is three replicas of the application, each a process of its own, with one Redis.
type fleet struct {
	t     *testing.T
	redis *redistest.Server
	all   [3]*replica
}

// A replica keeps its addresses when it is replaced.
type replica struct {
	settings
	log string
	*apptest.Process
}

// newFleet starts a fleet. The durations are those in s.
func newFleet(t *testing.T, s settings) *fleet {
	t.Helper()
	f := &fleet{t: t, redis: redistest.Start(t, "--appendonly", "yes")}
	s.Redis, s.Ring, s.AdminToken = "redis://"+f.redis.Addr, filepath.Join(t.TempDir(), "ring"), rand.Text()
	ring, err := keys.OpenFile(t.Context(), s.Ring, keys.KEKFile(s.Ring+".kek"), keys.FileConfig{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	ring.Close()
	for i := range f.all {
		dir := t.TempDir()
		r := &replica{settings: s, log: filepath.Join(dir, "log")}
		r.Replica, r.Audit, r.App, r.Admin = i, filepath.Join(dir, "audit"), "127.0.0.1:0", "127.0.0.1:0"
		f.all[i] = r
		t.Cleanup(func() {
			if r.Process != nil && r.Cmd.ProcessState == nil {
				r.Cmd.Process.Kill()
				r.Cmd.Wait()
			}
			if t.Failed() {
				t.Logf("log of replica %d:\n%s", i, apptest.Tail(r.log))
			}
		})
		f.start(r)
	}
	return f
}

// start starts a replica and returns when it serves.
func (f *fleet) start(r *replica) {
	f.t.Helper()
	p, err := apptest.Start(appEnv, r.settings, r.log, 2*patience)
	if err != nil {
		f.t.Fatalf("replica %d: %v", r.Replica, err)
	}
	r.Process = p
	r.App, r.Admin, _ = strings.Cut(p.Addr, " ")
}

// stop ends a replica as a deployment does, and returns when it has ended.
func (f *fleet) stop(r *replica) {
	f.t.Helper()
	r.Stdin.Close()
	if err := r.Cmd.Wait(); err != nil {
		f.t.Errorf("replica %d: %v: %s", r.Replica, err, apptest.Tail(r.log))
	}
}

// audit returns the audit records of all replicas.
func (f *fleet) audit() string {
	var all strings.Builder
	for _, r := range f.all {
		b, err := os.ReadFile(r.Audit)
		if err != nil {
			f.t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
