package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// several returns assertions about n sessions from number first on, with one about a
// subject after every ten.
func several(first, n int) (all []revlog.Assertion) {
	for i := range n {
		a := session(first + i)
		if i%10 == 9 {
			a.Scope, a.W, a.Limit = revlog.ScopeSubject, 1, 1
		}
		all = append(all, a)
	}
	return all
}

// readAll reads the log from a position on, in pages.
func readAll(t testing.TB, st *redisstore.Store, from revlog.Position, limit int) (all []revlog.Entry) {
	t.Helper()
	for {
		p, err := st.Read(t.Context(), revlog.Cursor{List: list, From: from, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Entries) > limit {
			t.Fatalf("%d entries, but the limit is %d", len(p.Entries), limit)
		}
		all = append(all, p.Entries...)
		if !p.More {
			return all
		}
		last := p.Entries[len(p.Entries)-1].Position
		from = revlog.Position{MS: last.MS, N: last.N + 1}
	}
}

// The entries of a write share items of the log. They can be read from any of them on, and in
// pages of any size.
func TestEntriesOfAWriteShareItems(t *testing.T) {
	t.Parallel()
	s, st := volatile(t)
	create(t, st, time.Hour)
	next, items := 0, 0
	for _, n := range []int{1, 200, 1, 1, 64, 65, 3} {
		write(t, st, revlog.Append{Assertions: several(next, n)})
		next += n
		items += (n + 63) / 64
	}
	if got := must(parse(s.Do("XLEN", "{wafer}:log"))); got != items {
		t.Errorf("%d entries in %d items, want %d", next, got, items)
	}
	whole := readAll(t, st, revlog.Position{}, 4096)
	if len(whole) != next {
		t.Fatalf("%d entries of %d", len(whole), next)
	}
	for i, e := range whole {
		if e.Position.N != int64(i+1) || e.Tag != tagOf(i) || e.Version == 0 {
			t.Fatalf("entry %d is %+v", i+1, e)
		}
	}
	for _, limit := range []int{1, 7, 64, 100, 4096} {
		for from := 0; from < len(whole); from += 1 + from%13 {
			if got := readAll(t, st, whole[from].Position, limit); !slices.Equal(got, whole[from:]) {
				t.Fatalf("from %d, %d at a time: %d entries, want %d", from+1, limit, len(got), len(whole)-from)
			}
		}
	}
}

// A log is trimmed by items. Page.Oldest is the first entry that a read returns.
func TestOldestOfSharedItems(t *testing.T) {
	t.Parallel()
	s, st := volatile(t)
	create(t, st, time.Hour)
	write(t, st, revlog.Append{Assertions: several(0, 100)})
	last := write(t, st, revlog.Append{Assertions: several(100, 50)}).Head.Position()
	s.Do("XTRIM", "{wafer}:log", "MAXLEN", "2")
	for _, c := range []revlog.Cursor{{Limit: 10}, {Limit: 10, Globals: true}, {Limit: 200, From: revlog.Position{MS: last.MS, N: 140}}} {
		c.List = list
		p, err := st.Read(t.Context(), c)
		if err != nil || p.Oldest.N != 65 {
			t.Errorf("%+v: the oldest is %v, %v", c, p.Oldest, err)
		}
	}
	if got := readAll(t, st, revlog.Position{}, 10); len(got) != 86 || got[0].Position.N != 65 {
		t.Errorf("%d entries", len(got))
	}
}

// If an item is missing or changed, the log counts as lost.
func TestAMissingItemIsALoss(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"the first of a write": `redis.call('XDEL', KEYS[1], redis.call('XRANGE', KEYS[1], '-', '+')[2][1])`,
		"one in the middle":    `redis.call('XDEL', KEYS[1], redis.call('XRANGE', KEYS[1], '-', '+')[3][1])`,
		"the newest":           `redis.call('XDEL', KEYS[1], redis.call('XREVRANGE', KEYS[1], '+', '-')[1][1])`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, st := volatile(t)
			create(t, st, time.Hour)
			write(t, st, revlog.Append{Assertions: several(0, 1)})
			write(t, st, revlog.Append{Assertions: several(1, 200)})
			s.Do("EVAL", damage, "1", "{wafer}:log")
			if _, err := st.Write(t.Context(), revlog.Append{List: list, Assertions: several(500, 1)}); err == nil {
				t.Error("Write to a damaged log returned no error")
			}
		})
	}
}
