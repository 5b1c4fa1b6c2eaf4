package capacity

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

var quiet = slog.New(slog.DiscardHandler)

// replicaOn opens a list in a Redis with a connection of its own, as a process does.
func replicaOn(t *testing.T, s *redistest.Server, c revocation.Config) *revocation.List {
	t.Helper()
	o, err := redisstore.ParseURL("redis://" + s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.Open(t.Context(), o, redisstore.Config{AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(0), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		store.Close()
	})
	return l
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func session() revocation.Target {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return revocation.Session(base64.RawURLEncoding.EncodeToString(id[:]))
}

// near checks an estimate: it must not be much less than what is measured, nor far above it.
func near(t *testing.T, what string, estimate, measured float64) {
	t.Helper()
	t.Logf("%s: estimated %.0f, measured %.0f", what, estimate, measured)
	if estimate < 0.9*measured || estimate > 1.6*measured {
		t.Errorf("%s: estimated %.0f, measured %.0f", what, estimate, measured)
	}
}

func TestMemoryOfRedis(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("it writes tens of thousands of revocations")
	}
	const sessions, people = 20_000, 4_000
	s := redistest.Start(t)
	l := replicaOn(t, s, revocation.Config{Logger: quiet})
	revoke := func(target revocation.Target) {
		if _, err := l.Revoke(t.Context(), target, revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	for range sessions {
		revoke(session())
	}
	usage := number(t, s.Do("MEMORY", "USAGE", "{wafer}:log", "SAMPLES", "0"))
	near(t, "the log of sessions", float64(held{loggedSessions: sessions}.bytes().Log), float64(usage))
	for i := range people {
		revoke(revocation.Subject("person " + strconv.Itoa(i)))
	}
	usage = number(t, s.Do("MEMORY", "USAGE", "{wafer}:log", "SAMPLES", "0"))
	near(t, "the log", float64(held{loggedSessions: sessions, loggedPeople: people}.bytes().Log), float64(usage))
	replies := strings.Count(s.Do("KEYS", "{wafer}:q:*"), "\n") + 1 // on a slow machine, some have expired
	h := held{sessions: sessions, people: people, loggedSessions: sessions, loggedPeople: people, replies: float64(replies)}
	near(t, "memory of Redis", float64(h.bytes().Memory), float64(number(t, s.Info("used_memory"))))
}

// A revocation leaves Redis when its hash expires.
func TestHowLongRedisKeepsARevocation(t *testing.T) {
	s := redistest.Start(t)
	l := replicaOn(t, s, revocation.Config{Logger: quiet})
	if _, err := l.Revoke(t.Context(), session(), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	retain := Load{Idle: 2 * time.Hour}.Retention()
	kept := time.Duration(number(t, s.Do("PTTL", s.Do("KEYS", "{wafer}:x:*")))) * time.Millisecond
	if most := retain + late; kept > most || kept < most-time.Minute {
		t.Errorf("an entry is kept for %v, expected %v", kept, most)
	}
}

func TestCommandsOfReads(t *testing.T) {
	const replicas, reads = 4, 120
	s := redistest.Start(t)
	var lists []*revocation.List
	for range replicas {
		lists = append(lists, replicaOn(t, s, revocation.Config{Logger: quiet}))
	}
	done := func() (n uint64) {
		for _, l := range lists {
			n += l.Stats().Reads["ok"]
		}
		return n
	}
	const few = 2 // a log of fewer needs one command more
	for range few {
		if _, err := lists[0].Revoke(t.Context(), session(), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Await(t, "all have read the revocations", func() bool {
		return !slices.ContainsFunc(lists, func(l *revocation.List) bool { return l.Stats().Entries < few })
	})
	commands, before, begun := monitor(t, s, ""), done(), time.Now()
	redistest.Await(t, "the replicas have read", func() bool { return done()-before >= reads })
	// A loaded machine reads less often, so reads are counted, and only the rest by the time that passed.
	e := redisOf(Load{Replicas: replicas, Idle: time.Hour})
	rest := (e.Commands - e.Reads*readCommands) * time.Since(begun).Seconds()
	near(t, "commands", float64(done()-before)*readCommands+rest, float64(commands.Load()))
}

// monitor counts the commands that clients send and that contain a text, without those that scripts
// call.
func monitor(t *testing.T, s *redistest.Server, with string) *atomic.Int64 {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	lines := bufio.NewScanner(c)
	if _, err := c.Write([]byte("MONITOR\r\n")); err != nil || !lines.Scan() {
		t.Fatal("MONITOR: ", err)
	}
	var n atomic.Int64
	go func() {
		for lines.Scan() {
			if line := lines.Text(); strings.Contains(line, with) && !strings.Contains(line, " lua] ") {
				n.Add(1)
			}
		}
	}()
	return &n
}
