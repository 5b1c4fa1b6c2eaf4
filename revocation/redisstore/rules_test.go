package redisstore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

var list = revlog.ListID{1}

func create(t testing.TB, st *redisstore.Store, retain time.Duration) revlog.Head {
	t.Helper()
	h, err := st.Create(t.Context(), revlog.CreateOptions{ID: list, Retain: retain})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func session(n int) revlog.Assertion {
	return revlog.Assertion{Scope: revlog.ScopeSession, Tag: tagOf(n), W: revlog.Forever, Version: revlog.EntryVersion, Effect: revlog.End.Byte()}
}

// tagOf returns tags that are spread like real ones.
func tagOf(n int) revlog.Tag {
	sum := sha256.Sum256([]byte(strconv.Itoa(n)))
	return revlog.Tag(sum[:16])
}

// write writes to the list of these tests.
func write(t testing.TB, st *redisstore.Store, w revlog.Write) revlog.Written {
	t.Helper()
	switch b := w.(type) {
	case revlog.Append:
		b.List = list
		w = b
	case revlog.Repair:
		b.List = list
		w = b
	case revlog.Bulk:
		b.List = list
		w = b
	}
	return written(t, st, w)
}

func written(t testing.TB, st *redisstore.Store, w revlog.Write) revlog.Written {
	t.Helper()
	out, err := st.Write(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func volatile(t testing.TB, args ...string) (*redistest.Server, *redisstore.Store) {
	t.Helper()
	s := redistest.Start(t, args...)
	return s, open(t, patient(&redis.UniversalOptions{Addrs: []string{s.Addr}}), redisstore.Config{AllowVolatile: true})
}

// R1: a head without a log, or a log without a head, is a lost list. A log whose entries were all
// trimmed is not.
func TestR1LostAndEmptied(t *testing.T) {
	s, st := volatile(t)
	create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}})
	s.Do("XTRIM", "{wafer}:log", "MAXLEN", "0")
	p, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10})
	if err != nil || p.Oldest.N != 0 || p.Head.N != 1 {
		t.Errorf("an emptied log reads as %+v, %v", p, err)
	}
	w := write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(2)}})
	if w.Head.N != 2 {
		t.Errorf("the next entry has number %d", w.Head.N)
	}
	for _, key := range []string{"{wafer}:log", "{wafer}:head"} {
		old := create(t, st, time.Hour)
		s.Do("DEL", key)
		if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10}); !errors.Is(err, revlog.ErrLost) {
			t.Errorf("Read without %s = %v", key, err)
		}
		_, err := st.Write(t.Context(), revlog.Append{List: list, Assertions: []revlog.Assertion{session(3)}})
		if !errors.Is(err, revlog.ErrLost) {
			t.Errorf("Write without %s = %v", key, err)
		}
		if _, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(3)}); !errors.Is(err, revlog.ErrLost) {
			t.Errorf("Confirm without %s = %v", key, err)
		}
		if h := create(t, st, time.Hour); h.Born < old.Born || h.N != 0 {
			t.Errorf("new list: %+v", h)
		}
	}
	s.Do("HSET", "{wafer}:head", "v", "9")
	if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10}); !errors.Is(err, revlog.ErrLayout) {
		t.Errorf("Read of layout 9 = %v", err)
	}
}

// R2: the exact set outlives a loss of the log alone.
func TestR2ExactOutlivesTheLog(t *testing.T) {
	s, st := volatile(t)
	create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}})
	s.Do("DEL", "{wafer}:log")
	create(t, st, time.Hour)
	if a, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(1)}); err != nil || len(a.Found) == 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

// R3: a new primary opens a new term. Heartbeats come twice a second.
func TestR3TermsAndHeartbeats(t *testing.T) {
	g := redistest.StartSentinel(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{g.Addr}, MasterName: "wafer"}, redisstore.Config{AllowVolatile: true, AllowSplit: true})
	first := create(t, st, time.Hour)
	read := func() (p revlog.Page, err error) {
		return st.Read(t.Context(), revlog.Cursor{List: list, Limit: 1})
	}
	redistest.Await(t, "a heartbeat moves log time", func() bool {
		p, err := read()
		return err == nil && p.Head.MS >= first.MS+1000 && p.Heartbeat < time.Second
	})
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}, Ack: revlog.Ack{Replicas: 1, Timeout: 5 * time.Second}})
	g.Servers[0].Kill()
	var p revlog.Page
	redistest.Await(t, "the new primary is read", func() (ok bool) {
		var err error
		p, err = read()
		return err == nil && p.Head.Term() != first.Term()
	})
	terms := p.Head.Terms
	if len(terms) != 2 || terms[0].ID != first.Term() || terms[1].Start < terms[0].Start || terms[1].Start > p.Head.MS || p.Head.N != 1 {
		t.Errorf("after the failover: %+v", p.Head)
	}
}

// R3: a write that a new primary takes before any replica reads it belongs to the new term.
// Otherwise its log time would run on in the term of the old primary, which may still be serving.
func TestR3AWriteOpensTheTerm(t *testing.T) {
	g := redistest.StartSentinel(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{g.Servers[0].Addr}}, redisstore.Config{AllowVolatile: true})
	first := create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}, Ack: revlog.Ack{Replicas: 1, Timeout: 10 * time.Second}})
	g.Servers[1].Do("REPLICAOF", "NO", "ONE")
	promoted := open(t, &redis.UniversalOptions{Addrs: []string{g.Servers[1].Addr}}, redisstore.Config{AllowVolatile: true})
	unless := revlog.Question{List: list, Session: tagOf(3), Checked: first.MS, Epoch: first.MS}
	careful := revlog.Succession{List: list, Unless: unless, Assertions: []revlog.Assertion{session(3)}, Then: unless}
	if _, err := promoted.Write(t.Context(), careful); err == nil || !strings.Contains(err.Error(), "TERM") {
		t.Errorf("a succession at a primary that no replica has followed: %v", err)
	}
	w := write(t, promoted, revlog.Append{Assertions: []revlog.Assertion{session(2)}})
	terms := w.Head.Terms
	if len(terms) != 2 || terms[0].ID != first.Term() || terms[1].Start > terms[1].Opened || terms[1].Opened > w.Results[0].Position.MS {
		t.Fatalf("terms %+v, written at %+v", terms, w.Results[0].Position)
	}
	if again := written(t, promoted, careful); again.Refused != nil || len(again.Head.Terms) != 2 {
		t.Errorf("once the term is open: %+v", again)
	}
}

// R7: Replicas counts the replicas that hold this very write.
func TestR7Replicated(t *testing.T) {
	g := redistest.StartSentinel(t)
	primary, replica := g.Servers[0], g.Servers[1]
	st := open(t, &redis.UniversalOptions{Addrs: []string{primary.Addr}}, redisstore.Config{AllowVolatile: true})
	create(t, st, time.Hour)
	one := revlog.Append{Assertions: []revlog.Assertion{session(1)}, Ack: revlog.Ack{Replicas: 1, Timeout: 10 * time.Second}}
	if w := write(t, st, one); w.Replicas != 1 {
		t.Errorf("%d replicas acknowledged", w.Replicas)
	}
	primary.Do("SCRIPT", "FLUSH")
	one.Assertions[0] = session(2)
	if w := write(t, st, one); w.Replicas != 1 || !w.Results[0].Changed {
		t.Errorf("after SCRIPT FLUSH: %+v", w)
	}
	replica.Pause()
	defer replica.Resume()
	one.Assertions[0], one.Ack.Timeout = session(3), 200*time.Millisecond
	if w := write(t, st, one); w.Replicas != 0 || !w.Results[0].Changed {
		t.Errorf("with the replica stopped: %+v", w)
	}
	if w := write(t, st, one); w.Replicas != 0 || w.Results[0].Changed {
		t.Errorf("written again: %+v", w) // it is stored, but the replica still lacks it
	}
	replica.Resume()
	one.Ack.Timeout = 10 * time.Second
	if w := write(t, st, one); w.Replicas != 1 {
		t.Errorf("with the replica back: %+v", w)
	}
}

// R7 in a Cluster: WAIT goes to the node that holds the list.
func TestR7ReplicatedInCluster(t *testing.T) {
	nodes := redistest.StartCluster(t)
	for i := range 3 {
		st := open(t, &redis.UniversalOptions{Addrs: []string{nodes[i].Addr}, IsClusterMode: true},
			redisstore.Config{Prefix: fmt.Sprint("list", i), AllowVolatile: true, AllowSplit: true})
		create(t, st, time.Hour)
		w := write(t, st, revlog.Append{
			Assertions: []revlog.Assertion{session(1)}, Ack: revlog.Ack{Replicas: 1, Timeout: 50 * time.Millisecond},
		})
		if w.Replicas != 0 || !w.Results[0].Changed {
			t.Errorf("no node has a replica, but Write returned %+v", w)
		}
	}
}

// R9: a full server can be read and makes heartbeats, and refuses a revocation as a whole. A server
// that lacks replicas to write can be read, but makes no heartbeats.
func TestR9ServerThatRefusesWrites(t *testing.T) {
	s, st := volatile(t)
	create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}})
	s.Do("CONFIG", "SET", "maxmemory", "1")
	_, err := st.Write(t.Context(), revlog.Append{List: list, Assertions: []revlog.Assertion{session(2)}})
	if err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("Write to a full server = %v", err)
	}
	read := func() revlog.Page {
		p, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := read().Head.MS
	redistest.Await(t, "heartbeats continue", func() bool { p := read(); return p.Head.MS > before && p.Heartbeat < 600*time.Millisecond })
	if p := read(); len(p.Entries) != 1 || p.Head.N != 1 {
		t.Errorf("a part of a refused write is there: %+v", p)
	}
	s.Do("CONFIG", "SET", "maxmemory", "0")
	s.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	redistest.Await(t, "no heartbeat without replicas", func() bool { return read().Heartbeat > 700*time.Millisecond })
	a, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(1)})
	if err != nil || len(a.Found) == 0 || a.Heartbeat < 700*time.Millisecond {
		t.Errorf("Confirm without replicas = %+v, %v", a, err)
	}
}

// evict makes the server evict other keys, and restores its settings.
func evict(t testing.TB, s *redistest.Server) {
	t.Helper()
	s.Do("CONFIG", "SET", "maxmemory-policy", "volatile-random")
	for i := range 40 {
		s.Do("SET", fmt.Sprint("other", i), strings.Repeat("x", 10_000), "EX", "60")
	}
	s.Do("CONFIG", "SET", "maxmemory", strconv.Itoa(must(strconv.Atoi(s.Info("used_memory")))-100_000))
	redistest.Await(t, "keys are evicted", func() bool { s.Try("SET", "more", "x"); return s.Info("evicted_keys") != "0" })
	s.Do("CONFIG", "SET", "maxmemory", "0")
	s.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
}

// aged makes the list look older than a minute. A younger list ignores evictions.
func aged(s *redistest.Server) {
	born := must(strconv.ParseInt(s.Do("HGET", "{wafer}:head", "b"), 10, 64))
	s.Do("HSET", "{wafer}:head", "b", strconv.FormatInt(born-120_000, 10))
}

// An eviction is noticed, although the settings should have prevented it: a list that may lack
// something counts as lost. A list younger than a minute is left alone.
func TestEvictionIsLoss(t *testing.T) {
	s, st := volatile(t)
	h := create(t, st, time.Hour)
	evict(t, s)
	read := func() error {
		_, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 1})
		return err
	}
	last := s.Do("HGET", "{wafer}:head", "t")
	redistest.Await(t, "a heartbeat", func() bool {
		if err := read(); err != nil {
			t.Fatal(err)
		}
		return s.Do("HGET", "{wafer}:head", "t") != last
	})
	aged(s)
	redistest.Await(t, "the loss is noticed", func() bool { return errors.Is(read(), revlog.ErrLost) })
	if again := create(t, st, time.Hour); again.Born <= h.Born {
		t.Errorf("new list: %+v", again)
	}
	if err := read(); err != nil {
		t.Error(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A long log is read in pages of plain XRANGE, each entry once.
func TestReadLong(t *testing.T) {
	_, st := volatile(t)
	create(t, st, time.Hour)
	const all = 10_500
	for n := 0; n < all; n += 500 {
		var b revlog.Append
		for i := range 500 {
			b.Assertions = append(b.Assertions, session(n+i))
		}
		write(t, st, b)
	}
	var from revlog.Position
	got, pages := 0, 0
	for {
		p, err := st.Read(t.Context(), revlog.Cursor{List: list, From: from, Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, e := range p.Entries {
			got++
			if e.Position.N != int64(got) || e.Tag != tagOf(got-1) || e.Until != e.Position.MS+time.Hour.Milliseconds() {
				t.Fatalf("entry %d is %+v", got, e)
			}
		}
		last := p.Entries[len(p.Entries)-1].Position
		from = revlog.Position{MS: last.MS, N: last.N + 1}
		if !p.More {
			break
		}
	}
	if got != all || pages > 4 {
		t.Errorf("%d entries in %d pages", got, pages)
	}
}

// A call to a server that hangs fails within the time of one attempt and one retry.
func TestHungServer(t *testing.T) {
	s := redistest.Start(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{AllowVolatile: true})
	create(t, st, time.Hour)
	s.Pause()
	defer s.Resume()
	began := time.Now()
	if _, err := st.Confirm(context.Background(), revlog.Question{List: list}); err == nil {
		t.Error("a server that hangs answered")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("gave up after %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	st.Confirm(ctx, revlog.Question{List: list})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a context of 50 ms ended after %v", took)
	}
}
