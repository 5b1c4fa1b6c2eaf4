package redisstore_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
)

// After each fault the list reaches the state that docs/protocol.md names, and the fault moves its
// metric. During the fault no replica accepts a session that it knows to be revoked.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string // of the server
		fault  func(f *fleet, s *redistest.Server)
		counts []string // anomalies, or "failed" reads
	}{
		{"kill -9 and restart, append-only file", []string{"--appendonly", "yes"}, func(f *fleet, s *redistest.Server) {
			s.Kill()
			f.counted("failed")
			s.Restart()
		}, []string{"failed"}},
		{"kill -9 and restart, empty", nil, func(f *fleet, s *redistest.Server) {
			s.Restart()
		}, []string{"lost", "republished"}},
		{"kill -9 and restart from an older snapshot", []string{"--dbfilename", "dump.rdb"}, func(f *fleet, s *redistest.Server) {
			s.Do("SAVE")
			for range 5 {
				f.revoke(f.lists[0])
			}
			f.known()
			s.Restart()
		}, []string{"broken", "republished"}},
		{"FLUSHALL", nil, func(f *fleet, s *redistest.Server) {
			s.Do("FLUSHALL")
		}, []string{"lost", "republished"}},
		{"the stream is deleted", nil, func(f *fleet, s *redistest.Server) {
			s.Do("DEL", "{wafer}:log")
		}, []string{"lost", "republished"}},
		{"the head is deleted", nil, func(f *fleet, s *redistest.Server) {
			s.Do("DEL", "{wafer}:head")
		}, []string{"lost", "republished"}},
		{"SCRIPT FLUSH", nil, func(f *fleet, s *redistest.Server) {
			for range 20 {
				s.Do("SCRIPT", "FLUSH")
			}
		}, nil},
		{"storm of CLIENT KILL", nil, func(f *fleet, s *redistest.Server) {
			for range 100 {
				s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			}
		}, nil},
		{"eviction", nil, func(f *fleet, s *redistest.Server) {
			evict(t, s)
			f.counted("lost")
		}, []string{"republished"}},
		{"the process is stopped for 1 s", nil, func(f *fleet, s *redistest.Server) {
			s.Pause()
			<-time.After(time.Second)
			s.Resume()
		}, nil},
		{"the process is stopped for five times S", nil, func(f *fleet, s *redistest.Server) {
			s.Pause()
			defer s.Resume()
			f.state("cut_off", f.lists...)
			<-time.After(4 * within)
		}, []string{"failed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tt.args...)
			openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}).Close()
			aged(s) // before any replica follows it
			f := newFleet(t, s.Addr, s.Addr, s.Addr)
			tt.fault(f, s)
			f.mended(tt.counts...)
		})
	}
}

// A replica that boots right after FLUSHALL creates an empty list before the others notice. It must
// not accept sessions that the others know to be revoked, and they write these back (R2, R11).
func TestFaultFlushAllAndABoot(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	f := newFleet(t, s.Addr, s.Addr)
	s.Do("FLUSHALL")
	booted := openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}) // not watched: there, sessions from before stay undecided for a minute
	for _, q := range slices.Concat(f.dead, f.live) {
		if v := verdict(booted, q); v.Outcome == replica.Accept {
			t.Errorf("the replica that booted accepts a session that it cannot decide: %+v", v)
		}
	}
	f.mended("republished")
	for _, q := range f.dead {
		redistest.Await(t, "the replica that booted refuses", func() bool { return verdict(booted, q).Outcome == replica.Refuse })
	}
	for _, q := range f.live[:5] {
		if v := verdict(booted, q); v.Outcome == replica.Refuse {
			t.Errorf("the replica that booted refuses a living session: %+v", v)
		}
	}
}

// A replica is cut off while the log is trimmed past its position.
func TestFaultTrimmedPastACursor(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr)
	f := newFleet(t, s.Addr, p.Addr)
	p.Blackhole()
	for range 5 {
		f.revoke(f.lists[0])
	}
	s.Do("XTRIM", "{wafer}:log", "MAXLEN", "1")
	p.Restore()
	f.mended("trimmed")
}

// The network loses all packets. Until G the replica accepts the sessions that its window decides,
// and renews none. Then it accepts none, and logs nobody out.
func TestFaultBlackhole(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr)
	f := newFleet(t, s.Addr, p.Addr)
	cut := f.lists[1]
	p.Blackhole()
	began := time.Now()
	f.state("cut_off", cut)
	q := f.live[len(f.live)-1]
	if v := verdict(cut, q); v.Outcome == replica.Accept && (v.Renew || v.Fresh) {
		t.Errorf("a replica that is cut off renews: %+v", v)
	} else if v.Outcome != replica.Accept && time.Since(began) < grace {
		t.Errorf("before G: %+v", v)
	}
	old := q
	old.Checked = 0 // the window cannot decide it
	if v := verdict(cut, old); v.Outcome == replica.Accept {
		t.Errorf("a session from before the window was accepted: %+v", v)
	}
	f.mu.Lock()
	quietly := f.live[0]
	f.live = f.live[1:]
	f.mu.Unlock()
	if _, err := cut.Revoke(t.Context(), revocation.Session(encode(quietly.Session)), revocation.Options{}); err == nil {
		t.Error("a revocation that did not reach the store was acknowledged")
	}
	if v := verdict(cut, quietly); v.Outcome != replica.Refuse {
		t.Errorf("the session is not refused here: %+v", v)
	}
	redistest.Await(t, "no session is accepted past G", func() bool { return verdict(cut, q).Outcome == replica.Undecided })
	if took := time.Since(began); took < grace-time.Second { // measured from the last read before
		t.Errorf("this took %v", took)
	}
	p.Restore()
	redistest.Await(t, "the revocation made while cut off reaches the others", func() bool {
		return verdict(f.lists[0], quietly).Outcome == replica.Refuse
	})
	f.mended("failed")
}

func encode(sid [16]byte) string { return base64.RawURLEncoding.EncodeToString(sid[:]) }

// A primary dies, and Sentinel promotes its replica. A new term opens, and revocations that the
// replica acknowledged are there.
func TestFaultFailover(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t)
	f := &fleet{t: t, done: make(chan struct{})}
	o := &redis.UniversalOptions{Addrs: []string{g.Addr}, MasterName: "wafer"}
	for range 2 {
		f.lists = append(f.lists, openList(t, o))
	}
	for i := range 20 {
		f.login(fmt.Sprint("user", i))
	}
	for range 15 {
		f.revoke(f.lists[0])
	}
	f.known()
	f.wg.Add(1)
	go f.watch()
	t.Cleanup(f.rest)
	g.Servers[0].Kill()
	f.mended("failed")
	for _, l := range f.lists {
		redistest.Await(t, "a replica counts the new primary", func() bool { return l.Stats().Terms > 0 })
	}
}

// The process of a replica is stopped, as when its machine pauses, and continues later. Its first
// decision already knows that the list is old.
func TestFaultReaderPaused(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	f := newFleet(t, s.Addr)
	child, in, out := startChild(t, s.Addr)
	answers := bufio.NewScanner(out)
	ask := func(q replica.Query) replica.Verdict {
		t.Helper()
		json.NewEncoder(in).Encode(q)
		var v replica.Verdict
		if !answers.Scan() || json.Unmarshal(answers.Bytes(), &v) != nil {
			t.Fatalf("the child said %q", answers.Text())
		}
		return v
	}
	q := f.live[0]
	if v := ask(q); v.Outcome != replica.Accept {
		t.Fatalf("before the pause: %+v", v)
	}
	child.Process.Signal(syscall.SIGSTOP)
	f.revoke(f.lists[0])
	<-time.After(3 * within)
	json.NewEncoder(in).Encode(q) // the question waits for the process to continue
	child.Process.Signal(syscall.SIGCONT)
	var v replica.Verdict
	if !answers.Scan() || json.Unmarshal(answers.Bytes(), &v) != nil || v.Outcome == replica.Accept {
		t.Errorf("the first decision after the pause: %+v", v)
	}
	redistest.Await(t, "it refuses", func() bool { return ask(q).Outcome == replica.Refuse })
	if v := ask(f.live[0]); v.Outcome != replica.Accept {
		t.Errorf("another session: %+v", v)
	}
}

// Redis holds no id, neither in a key nor in a value, in no encoding.
func TestRedisHoldsNoIDs(t *testing.T) {
	s := redistest.Start(t, "--dbfilename", "dump.rdb", "--rdbcompression", "no")
	l := openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}})
	sid := [16]byte{}
	copy(sid[:], "sixteen bytes id")
	const subject, group, kid = "ada.lovelace@example.org", "tenant:analytical", "kid-of-a-key"
	for _, target := range []revocation.Target{
		revocation.Session(encode(sid)), revocation.Subject(subject), revocation.Group(group), revocation.Key(kid), revocation.Everyone(),
	} {
		if _, err := l.Revoke(t.Context(), target, revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.RevokeMany(t.Context(), func(yield func(revocation.Target) bool) { yield(revocation.Subject("bulk-" + subject)) }, nil); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "the replica is registered", func() bool { return s.Do("EXISTS", "{wafer}:replicas") == "1" })
	s.Do("SAVE")
	dump := must(os.ReadFile(filepath.Join(s.Dir, "dump.rdb")))
	if !strings.Contains(string(dump), "{wafer}:head") || len(s.Do("KEYS", "*")) < 50 {
		t.Fatal("the dump is empty")
	}
	for _, id := range []string{string(sid[:]), encode(sid), subject, group, kid, "lovelace", "analytical"} {
		if strings.Contains(string(dump), id) {
			t.Errorf("Redis holds %q", id)
		}
	}
}
