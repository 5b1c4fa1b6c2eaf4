package redisstore_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A group is revoked while a replica is stopped, and then many sessions of the group wait for the
// replica to continue. It accepts none of them. This holds even if Redis was restarted meanwhile,
// so that every answer comes from a primary that the replica has not followed yet.
func TestACrowdWaitsForAPausedReplica(t *testing.T) {
	for name, meanwhile := range map[string]func(*redistest.Server){
		"nothing else": func(*redistest.Server) {},
		"restart":      func(s *redistest.Server) { s.Kill(); s.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			l := openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}})
			child, in, out := startChild(t, s.Addr)
			groups := []revlog.Tag{l.Tag(revocation.Group("tenant:7"))}
			start, err := l.Replica().Begin(t.Context(), replica.Login{Subject: l.Tag(revocation.Subject("ada")), Groups: groups})
			if err != nil {
				t.Fatal(err)
			}
			q := replica.Query{Subject: l.Tag(revocation.Subject("ada")), Epoch: start.Epoch, Checked: start.Checked, Term: start.Term}
			q.SetGroups(groups...)
			answers := bufio.NewScanner(out)
			answer := func() replica.Outcome {
				var v replica.Verdict
				if !answers.Scan() || json.Unmarshal(answers.Bytes(), &v) != nil {
					t.Fatalf("the child said %q", answers.Text())
				}
				return v.Outcome
			}
			json.NewEncoder(in).Encode(q)
			if o := answer(); o != replica.Accept {
				t.Fatalf("before the pause: %v", o)
			}
			child.Process.Signal(syscall.SIGSTOP)
			meanwhile(s)
			redistest.Await(t, "the group is revoked", func() bool {
				_, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{})
				return err == nil
			})
			<-time.After(2 * within)
			const crowd = 300
			go func() { // the pipe cannot hold all of them
				for range crowd {
					rand.Read(q.Session[:])
					json.NewEncoder(in).Encode(q)
				}
			}()
			child.Process.Signal(syscall.SIGCONT)
			counts := map[string]int{}
			for range crowd {
				counts[answer().String()]++
			}
			if counts["accept"] > 0 {
				t.Errorf("%v, want none accepted", counts)
			}
			t.Log(counts)
		})
	}
}

// startChild starts a replica in its own process. It decides the queries written to in, all at
// once, and answers on out.
func startChild(t *testing.T, addr string) (child *exec.Cmd, in io.Writer, out io.Reader) {
	t.Helper()
	child = exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "REDISSTORE_CHILD="+addr)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err = child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	return child, in, out
}

// child is that replica.
func child(addr string) error {
	st, l, err := connect(context.Background(), &redis.UniversalOptions{Addrs: []string{addr}})
	if err != nil {
		return err
	}
	defer st.Close()
	defer l.Close()
	lines := bufio.NewScanner(os.Stdin)
	answers := make(chan replica.Verdict)
	go func() {
		out := json.NewEncoder(os.Stdout)
		for v := range answers {
			out.Encode(v)
		}
	}()
	for lines.Scan() {
		var q replica.Query
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		go func() { answers <- verdict(l, q) }()
	}
	return nil
}
