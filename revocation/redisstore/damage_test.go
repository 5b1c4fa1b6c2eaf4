package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// damages are commands by which somebody, or a bug, may damage the keys of a list, each with a part
// of the error.
var damages = []struct {
	name  string
	do    [][]string
	names string
}{
	{"no v", [][]string{{"HDEL", "{wafer}:head", "v"}}, "field v of head"},
	{"no g", [][]string{{"HDEL", "{wafer}:head", "g"}}, "field g of head"},
	{"no v and no g", [][]string{{"HDEL", "{wafer}:head", "v", "g"}}, "head is gone"},
	{"no k", [][]string{{"HDEL", "{wafer}:head", "k"}}, "field k of head"},
	{"no b", [][]string{{"HDEL", "{wafer}:head", "b"}}, "field b of head"},
	{"no n", [][]string{{"HDEL", "{wafer}:head", "n"}}, "field n of head"},
	{"no ms", [][]string{{"HDEL", "{wafer}:head", "ms"}}, "field ms of head"},
	{"no c", [][]string{{"HDEL", "{wafer}:head", "c"}}, "field c of head"},
	{"no f", [][]string{{"HDEL", "{wafer}:head", "f"}}, "field f of head"},
	{"no l", [][]string{{"HDEL", "{wafer}:head", "l"}}, "field l of head"},
	{"no r", [][]string{{"HDEL", "{wafer}:head", "r"}}, "field r of head"},
	{"no kn", [][]string{{"HDEL", "{wafer}:head", "kn"}}, "field kn of head"},
	{"no t", [][]string{{"HDEL", "{wafer}:head", "t"}}, "field t of head"},
	{"no m", [][]string{{"HDEL", "{wafer}:head", "m"}}, "field m of head"},
	{"no ev", [][]string{{"HDEL", "{wafer}:head", "ev"}}, "field ev of head"},
	{"a layout of garbage", [][]string{{"HSET", "{wafer}:head", "v", "garbage"}}, "field v of head"},
	{"terms of garbage", [][]string{{"HSET", "{wafer}:head", "l", "garbage"}}, "field l of head"},
	{"terms in the future", [][]string{{"HSET", "{wafer}:head", "l", strings.Repeat("g", 16)}}, "field l of head"},
	{"retentions of garbage", [][]string{{"HSET", "{wafer}:head", "r", "garbage"}}, "field r of head"},
	{"an open epoch of garbage", [][]string{{"HSET", "{wafer}:head", "e", "garbage"}}, "field e of head"},
	{"closed epochs of garbage", [][]string{{"HSET", "{wafer}:head", "x", "garbage"}}, "field x of head"},
	{"known of garbage", [][]string{{"HSET", "{wafer}:head", "kn", "garbage"}}, "field kn of head"},
	{"a negative number", [][]string{{"HSET", "{wafer}:head", "n", "-1"}}, "field n of head"},
	{"a number with a fraction", [][]string{{"HSET", "{wafer}:head", "n", "1.5"}}, "field n of head"},
	{"an enormous number", [][]string{{"HSET", "{wafer}:head", "n", strings.Repeat("9", 40)}}, "field n of head"},
	{"log time of the year 2286", [][]string{{"HSET", "{wafer}:head", "ms", "9999999999999"}}, "field ms of head"},
	{"complete from the future", [][]string{{"HSET", "{wafer}:head", "b", "9999999999999"}}, "field b of head"},
	{"a floor in the future", [][]string{{"HSET", "{wafer}:head", "f", "9999999999999"}}, "field f of head"},
	{"another number", [][]string{{"HSET", "{wafer}:head", "n", "99"}}, "log and head disagree"},
	{"another chain", [][]string{{"HSET", "{wafer}:head", "c", "otherone"}}, "newest entry"},
	{"the head is a string", [][]string{{"SET", "{wafer}:head", "x"}}, "head is not a hash"},
	{"the log is a string", [][]string{{"SET", "{wafer}:log", "x"}}, "log is not a stream"},
	{"the global entries are a string", [][]string{{"SET", "{wafer}:globals", "x"}}, "global entries"},
	{"the global entries are gone", [][]string{{"DEL", "{wafer}:globals"}}, "the global entries are gone"},
	{"the global entries hold garbage", [][]string{{"HSET", "{wafer}:globals", "e" + strings.Repeat("\x00", 16), "garbage"}}, "the global entries are damaged"},
	{"the global entries hold a strange field", [][]string{{"HSET", "{wafer}:globals", "strange", "garbage"}}, "the global entries are damaged"},
	{"an entry far away", [][]string{{"XADD", "{wafer}:log", "9999999999999-9", "e", "x"}}, "log and head disagree"},
	{"the newest entry is gone", [][]string{{"EVAL", drop, "1", "{wafer}:log", "1"}}, "log lacks its newest entry"},
	{"an entry in between is gone", [][]string{{"EVAL", drop, "1", "{wafer}:log", "2"}}, "log has a gap"},
	{"an entry of another form", [][]string{{"XADD", "{wafer}:log", "*", "foo", "bar", "foo", "bar"}}, "log and head disagree"},
	{"a watermark of garbage", [][]string{{"SET", "{wafer}:u:" + string(subjectTag[:]), "garbage"}}, "exact set"},
	{"a watermark of another type", [][]string{{"DEL", "{wafer}:u:" + string(subjectTag[:])}, {"HSET", "{wafer}:u:" + string(subjectTag[:]), "a", "b"}}, "exact set"},
}

var subjectTag = tagOf(7)

// drop deletes the n-th newest entry of the log.
const drop = `local all = redis.call('XRANGE', KEYS[1], '-', '+')
return redis.call('XDEL', KEYS[1], all[#all - ARGV[1] + 1][1])`

// R1: if anything in the store is missing, damaged or impossible, the list counts as lost, and the
// error names the damage. The new list is whole.
func TestR1DamageIsALoss(t *testing.T) {
	s, st := volatile(t)
	subject := revlog.Assertion{Scope: revlog.ScopeSubject, Tag: subjectTag, When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever}
	everyone := revlog.Assertion{Scope: revlog.ScopeEveryone, When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever}
	all := revlog.Append{List: list, Assertions: []revlog.Assertion{session(1), subject, everyone}}
	ask := revlog.Question{List: list, Session: tagOf(1), Subject: subjectTag}
	// use makes the calls that replicas make all the time.
	use := func(t *testing.T) error {
		_, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10})
		if err == nil {
			_, err = st.Confirm(t.Context(), ask)
		}
		if err == nil {
			_, err = st.Write(t.Context(), all)
		}
		return err
	}
	for _, tt := range damages {
		t.Run(tt.name, func(t *testing.T) {
			s.Do("FLUSHALL")
			h := create(t, st, time.Hour)
			write(t, st, revlog.Append{Assertions: all.Assertions[:1]})
			write(t, st, all)
			for _, c := range tt.do {
				s.Do(c...)
			}
			if err := use(t); !errors.Is(err, revlog.ErrLost) || !strings.Contains(err.Error(), tt.names) || strings.Contains(err.Error(), "script") {
				t.Errorf("%v, want a loss that names %q", err, tt.names)
			}
			// Replicas replace a list when they read of its loss. So the next read with a heartbeat, as when
			// a floor is ahead, must find the damage as well.
			if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10, Floor: time.Now().Add(time.Second).UnixMilli()}); !errors.Is(err, revlog.ErrLost) {
				t.Errorf("a read after that: %v, want a loss", err)
			}
			again, err := st.Create(t.Context(), revlog.CreateOptions{ID: list, Retain: time.Hour})
			if err != nil || again.N != 0 || again.Born < h.Born {
				t.Fatalf("new list: %+v, %v", again, err)
			}
			if year := time.Now().AddDate(1, 0, 0).UnixMilli(); again.MS > year {
				t.Errorf("log time continues from %v", time.UnixMilli(again.MS))
			}
			if err := use(t); err != nil {
				t.Errorf("the new list: %v", err)
			}
		})
	}
}

// R2: undamaged revocations of the exact set stay in force in the new list.
func TestR2DamageKeepsWhatIsWhole(t *testing.T) {
	s, st := volatile(t)
	h := create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}, Floor: h.MS + time.Hour.Milliseconds()})
	s.Do("HDEL", "{wafer}:head", "r")
	again := create(t, st, time.Hour)
	if again.Born < h.MS+time.Hour.Milliseconds() {
		t.Errorf("log time went back: %+v", again)
	}
	if a, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(1)}); err != nil || len(a.Found) == 0 {
		t.Errorf("the exact set: %+v, %v", a, err)
	}
}

// A damaged list is repaired without help: running replicas follow the new one and write back what
// they know, and a process can start.
func TestDamageHeals(t *testing.T) {
	for _, tt := range damages {
		if strings.Contains(tt.names, "exact set") {
			continue // no session here has this tag
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
			a, b := openList(t, o), openList(t, o)
			if _, err := a.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Revoke(t.Context(), revocation.Key("kid"), revocation.Options{}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Revoke(t.Context(), revocation.Group("last"), revocation.Options{}); err != nil {
				t.Fatal(err)
			}
			redistest.Await(t, "b has read it", func() bool { return b.Replica().KeyRevoked("kid") })
			for _, c := range tt.do {
				s.Do(c...)
			}
			if !strings.Contains(tt.names, "global") { // only replicas that start look at these
				redistest.Await(t, "the loss is noticed", func() bool {
					return a.Stats().Anomalies["lost"]+b.Stats().Anomalies["lost"] > 0
				})
			}
			c := openList(t, o)
			redistest.Await(t, "all replicas are in step", func() bool {
				return a.Stats().State == "synced" && b.Stats().State == "synced" && c.Stats().State == "synced"
			})
			redistest.Await(t, "the process that started refuses the revoked session", func() bool {
				_, subject, err := c.Revoked(t.Context(), revocation.Subject("ada"))
				return err == nil && subject && c.Replica().KeyRevoked("kid")
			})
			redistest.Await(t, "revocations work", func() bool {
				_, err := b.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{})
				return err == nil
			})
		})
	}
}

// A script does not start a write that it cannot finish. While the slot of the list moves to
// another node of a Cluster, a script cannot read a key that its node does not hold, such as a new
// bucket. The log stays readable.
func TestMovingSlotLeavesNoHalfWrite(t *testing.T) {
	nodes := redistest.StartCluster(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{nodes[0].Addr}, IsClusterMode: true},
		redisstore.Config{AllowVolatile: true, AllowSplit: true})
	create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(1)}})

	i := redistest.Owner(t, nodes, "{wafer}:head")
	from, to := nodes[i], nodes[(i+1)%3]
	slot := from.Do("CLUSTER", "KEYSLOT", "{wafer}:head")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", from.Do("CLUSTER", "MYID"))
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", to.Do("CLUSTER", "MYID"))
	head := from.Do("HGETALL", "{wafer}:head")
	for _, second := range []revlog.Assertion{
		{Scope: revlog.ScopeSubject, Tag: tagOf(3), When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever},
		{Scope: revlog.ScopeGroup, Tag: tagOf(3), When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever},
		session(5), // in a bucket that does not exist
	} {
		b := revlog.Append{List: list, Assertions: []revlog.Assertion{session(1), second, session(2)}}
		if w, err := st.Write(t.Context(), b); err == nil {
			t.Errorf("Write = %+v: this test shows nothing", w)
		}
	}
	if now := from.Do("HGETALL", "{wafer}:head"); now != head {
		t.Errorf("half a write is in the head: %q, was %q", now, head)
	}
	if n := from.Do("XLEN", "{wafer}:log"); n != "1" {
		t.Errorf("half a write is in the log: %s entries", n)
	}
	if p, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10, Globals: true}); err != nil || len(p.Entries) != 1 {
		t.Errorf("Read while the slot moves = %+v, %v", p, err)
	}

	from.Do("CLUSTER", "SETSLOT", slot, "STABLE")
	to.Do("CLUSTER", "SETSLOT", slot, "STABLE")
	subject := revlog.Assertion{Scope: revlog.ScopeSubject, Tag: tagOf(3), When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever}
	if w := write(t, st, revlog.Append{Assertions: []revlog.Assertion{session(2), subject}}); w.Head.N != 3 {
		t.Errorf("after the move was canceled: %+v", w)
	}
}
