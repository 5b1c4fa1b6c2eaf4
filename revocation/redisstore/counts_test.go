package redisstore_test

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// ofReading are the commands of reads, of the registration of a replica, and of the count of who is
// signed in.
var ofReading = []string{
	"evalsha", "eval", "hmget", "exists", "time", "persist", "hset", "info", "xrange", "xinfo|stream",
	"zremrangebyscore", "zadd", "pexpireat", "set", "get", "config|resetstat", "hello", "ping",
}

// sketches is how many sketches a replica reads when it first counts who is signed in.
const sketches = 15

// openPatient opens a list with an S of 10 s, because a million decisions can keep a small machine
// from reading in time.
func openPatient(t testing.TB, addr string) *revocation.List {
	t.Helper()
	st := open(t, &redis.UniversalOptions{Addrs: []string{addr}}, redisstore.Config{AllowVolatile: true})
	l, err := revocation.Open(t.Context(), st, revlogtest.Secrets(0), revocation.Config{Within: 10 * time.Second, NoCanary: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func began(t testing.TB, l *revocation.List, name string) replica.Query {
	t.Helper()
	subject := l.Tag(revocation.Subject(name))
	s, err := l.Replica().Begin(t.Context(), replica.Login{Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	q := replica.Query{Subject: subject, Epoch: s.Epoch, Checked: s.Checked, Term: s.Term}
	rand.Read(q.Session[:])
	return q
}

// With a complete window no decision asks Redis anything. The only commands are those of reading
// the log.
func TestAMillionDecisionsAskNothing(t *testing.T) {
	s := redistest.Start(t)
	l := openPatient(t, s.Addr)
	one := began(t, l, "ada")
	sessions := make([]replica.Query, 10_000)
	for i := range sessions {
		sessions[i] = one
		binary.BigEndian.PutUint64(sessions[i].Session[:], uint64(i))
		binary.BigEndian.PutUint64(sessions[i].Subject[:], uint64(i)) // a pseudonym as good as another
	}
	for i := range 500 { // after they began, so that the decisions use the filters
		if _, err := l.Revoke(t.Context(), revocation.Subject(fmt.Sprint("other", i)), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Await(t, "the log is read", func() bool { return l.Stats().Entries == 500 && l.Stats().Outbox == 0 })
	s.Do("CONFIG", "RESETSTAT")
	before, start := l.Stats(), time.Now()
	for n := range 1_000_000 {
		q := &sessions[n%len(sessions)]
		v := l.Replica().Decide(q)
		if v.Outcome != replica.Accept || !v.Renew {
			t.Fatalf("decision %d: %+v, the list is %+v", n, v, l.Stats())
		}
		if n > len(sessions) && n%3 == 0 { // some renew, some do not
			q.Checked, q.Term = v.Checked, v.Term
		}
	}
	redistest.Await(t, "the log is read meanwhile", func() bool { return l.Stats().Reads["ok"] > before.Reads["ok"] })
	took, stats := time.Since(start), s.Do("INFO", "commandstats")
	if after := l.Stats(); after.Confirms["store"] != before.Confirms["store"] {
		t.Errorf("questions: %v, before %v", after.Confirms, before.Confirms)
	}
	for _, m := range regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`).FindAllStringSubmatch(stats, -1) {
		if !slices.Contains(ofReading, m[1]) {
			t.Errorf("%s was called %s times", m[1], m[2])
		}
		if most := 6*(took.Seconds()+1) + 10; m[1] == "evalsha" && float64(must(parse(m[2]))) > most {
			t.Errorf("%s scripts in %v", m[2], took)
		}
		if m[1] == "get" && must(parse(m[2])) > sketches*(1+int(took.Minutes())) {
			t.Errorf("%s gets in %v", m[2], took)
		}
	}
}

// calls returns how often the server was asked for a command so far.
func calls(s *redistest.Server, command string) (n int) {
	fmt.Sscanf(s.Info("cmdstat_"+command), "calls=%d", &n) // never called: 0
	return n
}

func parse(s string) (n int, err error) { _, err = fmt.Sscan(s, &n); return n, err }

// Replays of one token make a replica ask only a few times, whether the token is revoked or was
// checked before the window began.
func TestReplaysAskAFewTimes(t *testing.T) {
	s := redistest.Start(t)
	l := openPatient(t, s.Addr)
	other := openPatient(t, s.Addr)
	revoked, old := began(t, l, "revoked"), began(t, l, "old")
	targets := slices.Values([]revocation.Target{revocation.Subject("revoked")})
	if _, err := other.RevokeMany(t.Context(), targets, nil); err != nil { // not in the window, so replicas ask about every session
		t.Fatal(err)
	}
	redistest.Await(t, "the floor is read", func() bool { q := old; return l.Replica().Decide(&q).Outcome == replica.Ask })
	for _, tt := range []struct {
		name string
		q    replica.Query
		want replica.Outcome
	}{{"revoked", revoked, replica.Refuse}, {"old", old, replica.Accept}} {
		t.Run(tt.name, func(t *testing.T) {
			before := l.Stats().Confirms["store"]
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 50_000 {
						q := tt.q
						v := l.Replica().Decide(&q)
						if v.Outcome == replica.Ask {
							v = l.Replica().Confirm(t.Context(), &q)
						}
						if v.Outcome != tt.want {
							t.Errorf("%+v, the list is %+v", v, l.Stats())
							return
						}
					}
				})
			}
			wg.Wait()
			if n := l.Stats().Confirms["store"] - before; n > 10 {
				t.Errorf("%d questions", n)
			} else {
				t.Logf("%d questions", n)
			}
		})
	}
}

// R9: a poll uses plain commands, and a script runs when a heartbeat is due. Even so, a poll reads
// neither a demoted server nor a list that is gone.
func TestR9APollIsCheap(t *testing.T) {
	s, st := volatile(t)
	create(t, st, time.Hour)
	last := write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}}).Results[0].Position
	read := func() (revlog.Page, error) {
		return st.Read(t.Context(), revlog.Cursor{List: list, From: last, Limit: 10})
	}
	first := must(read())
	before, began, reads := calls(s, "evalsha"), time.Now(), 0
	redistest.Await(t, "heartbeats continue", func() bool {
		reads++
		p := must(read())
		if len(p.Entries) != 1 || p.Oldest != last || p.Heartbeat > 10*time.Second {
			t.Fatalf("a poll returns %+v", p)
		}
		return p.Head.MS >= first.Head.MS+2000
	})
	scripts := calls(s, "evalsha") - before
	if most := 2 + int(time.Since(began)/heartbeat); scripts == 0 || scripts > most {
		t.Errorf("%d scripts in %d reads, want at most %d", scripts, reads, most)
	}
	s.Do("REPLICAOF", "127.0.0.1", "1") // nobody
	if p, err := read(); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("a server that was demoted: %+v, %v", p, err)
	}
	s.Do("REPLICAOF", "NO", "ONE")
	create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}})
	s.Do("DEL", "{wafer}:log")
	if p, err := read(); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("a log that is gone: %+v, %v", p, err)
	}
}

// R9: so is a poll of a replica that holds no entry of the log, because there is none or because it
// booted after the newest one. Without an entry, a log looks like one that is gone.
func TestR9APollWithoutAnEntryIsCheap(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries int
	}{{"nothing was ever revoked", 0}, {"nothing was revoked since", 3}} {
		t.Run(tt.name, func(t *testing.T) {
			s, st := volatile(t)
			head := create(t, st, time.Hour)
			for n := range tt.entries {
				head = write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(n)}}).Head
			}
			read := func() (revlog.Page, error) {
				return st.Read(t.Context(), revlog.Cursor{List: list, From: afterLast(head), Limit: 10})
			}
			must(read())
			scripts, began, reads := calls(s, "evalsha"), time.Now(), 0
			redistest.Await(t, "heartbeats continue", func() bool {
				reads++
				p := must(read())
				if len(p.Entries) != 0 || p.More || p.Head.N != head.N || p.Head.Chain != head.Chain || (p.Oldest.N > 0) != (tt.entries > 0) {
					t.Fatalf("a poll returns %+v", p)
				}
				return p.Head.MS >= head.MS+2000
			})
			if n, most := calls(s, "evalsha")-scripts, 2+int(time.Since(began)/heartbeat); n == 0 || n > most {
				t.Errorf("%d scripts in %d reads, want at most %d", n, reads, most)
			}
			write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(9)}})
			if p := must(read()); len(p.Entries) != 1 || p.Head.N != head.N+1 {
				t.Errorf("the next entry: %+v", p)
			}
		})
	}
	s, st := volatile(t)
	from := afterLast(create(t, st, time.Hour))
	must(st.Read(t.Context(), revlog.Cursor{List: list, From: from, Limit: 10}))
	s.Do("DEL", "{wafer}:log")
	if p, err := st.Read(t.Context(), revlog.Cursor{List: list, From: from, Limit: 10}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("a log that is gone: %+v, %v", p, err)
	}
}

// afterLast returns where a replica reads on that holds no entry, but knows h.
func afterLast(h revlog.Head) revlog.Position { return revlog.Position{MS: h.MS, N: h.N + 1} }

const heartbeat = 400 * time.Millisecond // a little less than the real time: requests take time
