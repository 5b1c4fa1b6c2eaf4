package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// TestRedisScripts runs the commands that need a Redis, or an application with an admin API. Each script
// has a prefix of its own.
func TestRedisScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for replicas and servers")
	}
	t.Parallel()
	h := &house{t: t, redis: redistest.Start(t, "--appendonly", "yes"), log: new(logtest.Log), kek: sha256.Sum256([]byte(t.Name()))}
	unsafe := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	variables, writeCertificates := h.applications()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/redis",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "kid": kid, "lines": ids, "latin1": latin1, "bolt": bolt, "found": found,
			"shared": h.shared, "audited": h.audited, "lose": h.lose, "signin": h.signin,
			// redis ARGS sends a command, for a fault.
			"redis": func(_ *testscript.TestScript, _ bool, args []string) { h.redis.Do(args...) },
		},
		Setup: func(env *testscript.Env) error {
			for name, value := range variables {
				env.Setenv(name, value)
			}
			env.Setenv("REDIS", "redis://"+h.redis.Addr)
			env.Setenv("TLS", "rediss://"+h.redis.Addr)
			env.Setenv("UNSAFE", "redis://"+unsafe.Addr)
			env.Setenv("PREFIX", filepath.Base(env.WorkDir))
			env.Setenv("WAFER_KEK", base64.RawURLEncoding.EncodeToString(h.kek[:]))
			if err := writeCertificates(env.WorkDir); err != nil {
				return err
			}
			return quickExit(env)
		},
	})
}

// house is what the scripts share.
type house struct {
	t     *testing.T
	redis *redistest.Server
	log   *logtest.Log // audit records of the applications
	kek   [sha256.Size]byte
}

// shared VARIABLE PREFIX makes a ring in Redis, and names its key.
func (h *house) shared(ts *testscript.TestScript, _ bool, args []string) {
	o, err := redisstore.ParseURL("redis://" + h.redis.Addr)
	ts.Check(err)
	r, err := rediskeys.Open(h.t.Context(), o,
		keys.KEKFunc(func(context.Context) ([]byte, error) { return h.kek[:], nil }),
		rediskeys.Config{Prefix: args[1], Create: true, Poll: time.Millisecond, Logger: quiet})
	ts.Check(err)
	ts.Setenv(args[0], r.Ring().Keys()[0].ID())
	ts.Check(r.Close())
}

// audited TEXT wants the text in an audit record of an application.
func (h *house) audited(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 || !strings.Contains(h.log.String(), args[0]) {
		ts.Fatalf("%q is not in the audit log:\n%s", args, h.log)
	}
}

// lose PREFIX deletes the newest entry of a log.
func (h *house) lose(_ *testscript.TestScript, _ bool, args []string) {
	log := "{" + args[0] + "}:log"
	id, _, _ := strings.Cut(h.redis.Do("XREVRANGE", log, "+", "-", "COUNT", "1"), "\n")
	h.redis.Do("XDEL", log, id)
}

// signin PREFIX N starts a replica with the ring of ring.jwe, where N sessions of N/2 people are in
// use, and waits until it has told.
func (h *house) signin(ts *testscript.TestScript, _ bool, args []string) {
	ctx := h.t.Context()
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	kek := keys.KEKFunc(func(context.Context) ([]byte, error) { return h.kek[:], nil })
	ring, err := keys.OpenFile(ctx, ts.MkAbs("ring.jwe"), kek, keys.FileConfig{PollOnly: true, Logger: quiet})
	ts.Check(err)
	o, err := redisstore.ParseURL("redis://" + h.redis.Addr)
	ts.Check(err)
	s, err := redisstore.Open(ctx, o, redisstore.Config{Prefix: args[0]})
	ts.Check(err)
	l, err := revocation.Open(ctx, s, ring.Ring(), revocation.Config{Logger: quiet})
	ts.Check(err)
	ts.Defer(func() { l.Close(); s.Close(); ring.Close() })
	for i := range n {
		start := l.Replica().Anonymous()
		q := replica.Query{Subject: l.Replica().Tag(revlog.ScopeSubject, strconv.Itoa(i/2)), Epoch: start.Epoch, Checked: start.Checked, Term: start.Term}
		binary.BigEndian.PutUint64(q.Session[:], uint64(i))
		redistest.Await(h.t, "the session is accepted", func() bool { return l.Replica().Decide(&q).Outcome == replica.Accept })
	}
	told := func() bool {
		all, err := s.Replicas(ctx)
		ts.Check(err)
		return len(all) == 1 && all[0].SignedIn.Sessions > int64(n)*9/10
	}
	for deadline := time.Now().Add(3 * time.Minute); !told(); time.Sleep(50 * time.Millisecond) { // some may be counted a minute later
		if time.Now().After(deadline) {
			ts.Fatalf("the replica does not tell who is signed in: %+v", l.Stats())
		}
	}
}

// found FILE OTHER wants the word in one file to be in the other.
func found(ts *testscript.TestScript, _ bool, args []string) {
	if word := strings.TrimSpace(ts.ReadFile(args[0])); word == "" || !strings.Contains(ts.ReadFile(args[1]), word) {
		ts.Fatalf("%q is not in %s", word, args[1])
	}
}

// lines FILE N writes N session ids, one a line.
func ids(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	for i := range n {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:16]) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// latin1 FILE writes ids of which one is not UTF-8.
func latin1(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("ada\nren\xe9\n"), 0o600))
}

// bolt FILE begins a list in a file with the ring of ring.jwe, and closes it.
func bolt(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	ring, err := keys.OpenFile(ctx, ts.MkAbs("ring.jwe"), keys.KEKFile(ts.MkAbs("kek")), keys.FileConfig{PollOnly: true})
	ts.Check(err)
	defer ring.Close()
	s, err := boltstore.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer s.Close()
	l, err := revocation.Open(ctx, s, ring.Ring(), revocation.Config{})
	ts.Check(err)
	ts.Check(l.Close())
}

var quiet = slog.New(slog.DiscardHandler)
