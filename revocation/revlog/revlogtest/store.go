// Package revlogtest helps to test stores of the list, and programs that use one.
//
// [TestStore] is the test kit that every [revlog.Store] must pass. [Faulty] is a store that
// fails when a test says so. [Secrets] stands for a key ring.
package revlogtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	skew   = 2 * time.Second
	retain = 3 * time.Hour
)

// TestStore runs the kit. open returns a store without a list; it is called once
// for each test, and cleans up after itself.
func TestStore(t *testing.T, open func(t *testing.T) revlog.Store) {
	for _, tt := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"there is no list before Create (R1)", (*suite).noList},
		{"Create begins once (R2)", (*suite).createOnce},
		{"another list is refused before anything is written (R1)", (*suite).otherList},
		{"positions are contiguous and never run backwards (R3)", (*suite).order},
		{"a writer's highest time is kept up with (R3)", (*suite).floor},
		{"many entries cost no log time (R3)", (*suite).burst},
		{"a watermark reaches every login before it (R3)", (*suite).afterALogin},
		{"log time ahead of the clock goes on slower (R3)", (*suite).slower},
		{"an answer lies between what came before and what comes after (R30)", (*suite).moment},
		{"until is counted from now, never from W (R4)", (*suite).until},
		{"before may not lie in the future (R5)", (*suite).future},
		{"W is the maximum, whatever the order (R5)", (*suite).maximum},
		{"a repeated write changes nothing (R6)", (*suite).repeated},
		{"what only a quiet batch wrote is news for the log (R6)", (*suite).quiet},
		{"the log is read in pages, from a position on, inclusive (R9)", (*suite).pages},
		{"whichever list there is can be looked at", (*suite).nameless},
		{"global entries are read whole (R15)", (*suite).globals},
		{"Confirm answers every scope for itself (R17)", (*suite).confirm},
		{"Unless stops the whole write (R22)", (*suite).unless},
		{"Then sees what the write wrote (R22)", (*suite).then},
		{"a write that is sent again is made once (R29)", (*suite).again},
		{"what was signed comes back with the highest W (R32)", (*suite).proofs},
		{"a watermark beyond its limit is refused (R32)", (*suite).limit},
		{"what nobody believes is replaced (R32)", (*suite).over},
		{"entries of later versions are kept whole (R32)", (*suite).later},
		{"the head is only ever raised", (*suite).raise},
		{"it is the turn of one at a time (R26)", (*suite).turn},
		{"many writers at once", (*suite).concurrent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &suite{Store: open(t), list: revlog.ListID{1}}
			tt.run(s, t)
		})
	}
}

type suite struct {
	revlog.Store
	list revlog.ListID
}

func (s *suite) founding() revlog.CreateOptions {
	return revlog.CreateOptions{ID: s.list, Check: [16]byte{2}, Retain: retain}
}

func (s *suite) create(t *testing.T) revlog.Head {
	t.Helper()
	h, err := s.Create(t.Context(), s.founding())
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return h
}

func tag(n byte) revlog.Tag { return revlog.Tag{15: n} }

// revoke is an assertion about tag n; W is given.
func revoke(scope revlog.Scope, n byte, w int64) revlog.Assertion {
	return revlog.Assertion{
		Scope: scope, Tag: tag(n), W: w, Version: revlog.EntryVersion, Effect: revlog.EndSessions, Limit: revlog.Forever, MAC: [8]byte{n, 1},
	}
}

func session(n byte) revlog.Assertion {
	return revoke(revlog.ScopeSession, n, revlog.Forever)
}

func now(scope revlog.Scope, n byte) revlog.Assertion {
	a := revoke(scope, n, 0)
	a.When = revlog.AtNow
	return a
}

func (s *suite) write(t *testing.T, as ...revlog.Assertion) revlog.Written {
	t.Helper()
	w, err := s.Write(t.Context(), revlog.Append{List: s.list, Skew: skew, Assertions: as})
	if err != nil || len(w.Results) != len(as) {
		t.Fatalf("Write = %+v, %v", w, err)
	}
	return w
}

func (s *suite) read(t *testing.T, c revlog.Cursor) revlog.Page {
	t.Helper()
	c.List = s.list
	if c.Limit == 0 {
		c.Limit = 1000
	}
	p, err := s.Read(t.Context(), c)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return p
}

func (s *suite) noList(t *testing.T) {
	ctx := t.Context()
	_, err := s.Read(ctx, revlog.Cursor{List: s.list, Limit: 1})
	if !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Read = %v", err)
	}
	if _, err := s.Write(ctx, revlog.Append{List: s.list, Assertions: []revlog.Assertion{session(1)}}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Write = %v", err)
	}
	if _, err := s.Confirm(ctx, revlog.Question{List: s.list, Session: tag(1)}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Confirm = %v", err)
	}
}

func (s *suite) nameless(t *testing.T) {
	if _, err := s.Read(t.Context(), revlog.Cursor{Limit: 1}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Read where there is no list = %v", err)
	}
	s.create(t)
	w := s.write(t, session(1))
	p, err := s.Read(t.Context(), revlog.Cursor{Limit: 10})
	if err != nil || p.Head.ID != s.list || len(p.Entries) != 1 || p.Entries[0].Position != w.Results[0].Position {
		t.Errorf("Read of whichever list there is = %+v, %v", p, err)
	}
	if _, err := s.Confirm(t.Context(), revlog.Question{}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Confirm of no list in particular = %v", err)
	}
	if _, err := s.Write(t.Context(), revlog.Append{Assertions: []revlog.Assertion{session(2)}}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Write to no list in particular = %v", err)
	}
}

func (s *suite) createOnce(t *testing.T) {
	first := s.create(t)
	if first.ID != s.list || first.Check != [16]byte{2} || first.Layout != revlog.Layout ||
		first.N != 0 || first.MS != first.Born+1 || first.Retain() != retain || first.Term() == 0 {
		t.Errorf("head of a new list: %+v", first)
	}
	if off := time.Since(time.UnixMilli(first.Born)).Abs(); off > time.Minute {
		t.Errorf("born %v from now", off)
	}
	other := s.founding()
	other.ID, other.Check = revlog.ListID{9}, [16]byte{9}
	again, err := s.Create(t.Context(), other)
	if err != nil || again.ID != s.list || again.Check != first.Check || again.Born != first.Born {
		t.Errorf("Create a second time = %+v, %v", again, err)
	}
	late := time.Now().Add(time.Hour).UnixMilli()
	f := s.founding()
	f.Floor = late
	if h, err := s.Create(t.Context(), f); err != nil || h.Born != first.Born {
		t.Errorf("Create with a floor on a list there is = %+v, %v", h, err)
	}
}

func (s *suite) otherList(t *testing.T) {
	s.create(t)
	ctx, other := t.Context(), revlog.ListID{9}
	if _, err := s.Read(ctx, revlog.Cursor{List: other, Limit: 1}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Read = %v", err)
	}
	if _, err := s.Confirm(ctx, revlog.Question{List: other}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Confirm = %v", err)
	}
	_, err := s.Write(ctx, revlog.Append{List: other, Assertions: []revlog.Assertion{session(1)}})
	if !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Write = %v", err)
	}
	if p := s.read(t, revlog.Cursor{}); p.Head.N != 0 || len(p.Entries) != 0 {
		t.Errorf("a refused write left %+v", p)
	}
}

func (s *suite) order(t *testing.T) {
	s.create(t)
	for n := range byte(20) {
		if n%3 == 0 {
			s.write(t, now(revlog.ScopeSubject, n), session(n))
		} else {
			s.write(t, session(n))
		}
	}
	p := s.read(t, revlog.Cursor{})
	if len(p.Entries) != 27 || p.More {
		t.Fatalf("%d entries, more %v", len(p.Entries), p.More)
	}
	seen := map[[8]byte]bool{}
	last := revlog.Position{}
	for _, e := range p.Entries {
		if e.Position.N != last.N+1 || e.Position.MS < last.MS {
			t.Fatalf("%v follows %v", e.Position, last)
		}
		if seen[e.Chain] {
			t.Fatalf("chain value of %v repeats", e.Position)
		}
		seen[e.Chain], last = true, e.Position
	}
	if p.Head.N != last.N || p.Head.MS < last.MS || p.Head.Chain != p.Entries[26].Chain {
		t.Errorf("head %+v does not end at %v", p.Head, last)
	}
	if p.Oldest != p.Entries[0].Position {
		t.Errorf("Oldest = %v", p.Oldest)
	}
}

func (s *suite) floor(t *testing.T) {
	s.create(t)
	ahead := time.Now().Add(time.Hour).UnixMilli()
	w, err := s.Write(t.Context(), revlog.Append{List: s.list, Floor: ahead, Assertions: []revlog.Assertion{session(1)}})
	if err != nil || w.Results[0].Position.MS < ahead {
		t.Fatalf("Write = %+v, %v", w, err)
	}
	if r := s.write(t, session(2)).Results[0]; r.Position.MS < ahead {
		t.Errorf("log time went back to %d", r.Position.MS)
	}
	if p := s.read(t, revlog.Cursor{}); p.Head.MS < ahead {
		t.Errorf("head went back to %d", p.Head.MS)
	}
}

// ahead takes log time an hour ahead of the clock, so that only what is done to the
// list moves it.
func (s *suite) ahead(t *testing.T) {
	s.create(t)
	floor := time.Now().Add(time.Hour).UnixMilli()
	if _, err := s.Write(t.Context(), revlog.Append{List: s.list, Floor: floor, Assertions: []revlog.Assertion{session(99)}}); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) burst(t *testing.T) {
	s.ahead(t)
	begun := time.Now()
	var r []revlog.Result
	for i := range 500 {
		r = append(r, s.write(t, now(revlog.ScopeSubject, byte(i)), now(revlog.ScopeGroup, byte(i))).Results...)
	}
	passed := time.Since(begun)
	for i, one := range r {
		if one.W != one.Position.MS+skew.Milliseconds() {
			t.Fatalf("entry %d: W = %d at %v", i, one.W, one.Position)
		}
	}
	if took := r[len(r)-1].Position.MS - r[0].Position.MS; took > passed.Milliseconds()/2+1 {
		t.Errorf("%d entries in %v cost %d ms of log time", len(r), passed, took)
	}
}

func (s *suite) afterALogin(t *testing.T) {
	s.ahead(t)
	ask := func(q revlog.Question) revlog.Answer {
		t.Helper()
		q.List, q.Skew = s.list, skew
		a, err := s.Confirm(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	of := revlog.Question{Subject: tag(1), Groups: []revlog.Tag{tag(2)}}
	for _, scope := range []revlog.Scope{revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeEveryone} {
		first := now(scope, map[revlog.Scope]byte{revlog.ScopeSubject: 1, revlog.ScopeGroup: 2}[scope])
		for _, second := range []revlog.Assertion{now(revlog.ScopeSubject, 1), now(revlog.ScopeGroup, 2), now(revlog.ScopeEveryone, 0)} {
			what := scope.String() + " before a login, " + second.Scope.String() + " after it"
			s.write(t, first)
			if ep, w := ask(of).Highest()+1, s.write(t, second).Results[0].W; w < ep {
				t.Errorf("%s: the session begins at %d, the watermark is %d", what, ep, w)
			}
			then := of
			then.List, then.Skew = s.list, skew
			unless := revlog.Question{List: s.list, Session: tag(98), Epoch: 1, Checked: ask(revlog.Question{Session: tag(98)}).Head.MS}
			b, err := s.Write(t.Context(), revlog.Succession{List: s.list, Skew: skew, Unless: unless, Assertions: []revlog.Assertion{first}, Then: then})
			if err != nil {
				t.Fatal(err)
			}
			if ep, w := b.Then.Highest()+1, s.write(t, second).Results[0].W; w < ep {
				t.Errorf("%s: the successor begins at %d, the watermark is %d", what, ep, w)
			}
			before := s.write(t, first).Results[0].W
			since := ask(revlog.Question{}).Head.MS + skew.Milliseconds()
			if w := s.write(t, second).Results[0].W; before > since || w <= since {
				t.Errorf("%s: %d, and then %d, with a login from %d on", what, before, w, since)
			}
			if a := ask(of); a.Highest() > a.Head.MS+skew.Milliseconds() {
				t.Errorf("%s: %d is out of reach of log time %d", what, a.Highest(), a.Head.MS)
			}
		}
	}
}

func (s *suite) slower(t *testing.T) {
	s.ahead(t)
	begun := time.Now()
	from := s.read(t, revlog.Cursor{}).Head.MS
	for {
		at := s.read(t, revlog.Cursor{}).Head.MS - from
		passed := time.Since(begun)
		if at > passed.Milliseconds()/2+1 {
			t.Fatalf("log time, ahead of the clock, came %d ms further in %v", at, passed)
		}
		if at > 0 {
			return
		}
		if passed > 20*time.Second {
			t.Fatal("log time stands still")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A login compares the log time of an answer with a watermark: it has to tell whether
// the revocation came before the answer or after it.
func (s *suite) moment(t *testing.T) {
	s.create(t)
	for i := range 100 {
		w := s.write(t, now(revlog.ScopeSubject, 1)).Results[0].W
		a, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Skew: skew})
		if err != nil {
			t.Fatal(err)
		}
		if since := a.Head.MS + skew.Milliseconds(); since < w {
			t.Fatalf("%d: log time is %d, and a revocation before it reaches %d", i, a.Head.MS, w)
		} else if w := s.write(t, now(revlog.ScopeSubject, 1)).Results[0].W; w <= since {
			t.Fatalf("%d: log time is %d, and a revocation after it reaches %d", i, a.Head.MS, w)
		}
	}
}

func (s *suite) until(t *testing.T) {
	s.create(t)
	long := time.Now().Add(100 * time.Hour).UnixMilli()
	key := revoke(revlog.ScopeKey, 3, revlog.Forever)
	key.Until = long
	before := revoke(revlog.ScopeSubject, 1, 1000) // 1970
	before.When = revlog.Before
	s.write(t, before, session(2), key)
	for i, e := range s.read(t, revlog.Cursor{}).Entries {
		want := e.Position.MS + retain.Milliseconds()
		if i == 2 {
			want = long
		}
		if e.Until != want {
			t.Errorf("entry %d at %v: until %d, want %d", i, e.Position, e.Until, want)
		}
	}
}

func (s *suite) future(t *testing.T) {
	h := s.create(t)
	a := revoke(revlog.ScopeEveryone, 0, h.MS+time.Hour.Milliseconds())
	a.When = revlog.Before
	_, err := s.Write(t.Context(), revlog.Append{List: s.list, Assertions: []revlog.Assertion{session(1), a}})
	if !errors.Is(err, revlog.ErrFuture) {
		t.Fatalf("Write = %v", err)
	}
	if p := s.read(t, revlog.Cursor{}); p.Head.N != 0 {
		t.Errorf("half of the batch was written: %+v", p.Entries)
	}
}

func (s *suite) maximum(t *testing.T) {
	s.create(t)
	ask := func() int64 {
		a, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Subject: tag(1)})
		if err != nil {
			t.Fatal(err)
		}
		return a.W(revlog.Key{Scope: revlog.ScopeSubject, Tag: tag(1)})
	}
	for _, step := range []struct{ w, want int64 }{{500, 500}, {300, 500}, {500, 500}, {700, 700}} {
		s.write(t, revoke(revlog.ScopeSubject, 1, step.w))
		if got := ask(); got != step.want {
			t.Errorf("after W %d: %d, want %d", step.w, got, step.want)
		}
	}
}

func (s *suite) repeated(t *testing.T) {
	s.create(t)
	first := s.write(t, session(1), revoke(revlog.ScopeGroup, 2, 900)).Results
	again := s.write(t, session(1), revoke(revlog.ScopeGroup, 2, 900), revoke(revlog.ScopeGroup, 2, 100)).Results
	for i, r := range again {
		if r.Changed || r.Position.N != first[1].Position.N {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if again[2].W != 900 {
		t.Errorf("W in force = %d", again[2].W)
	}
	if p := s.read(t, revlog.Cursor{}); len(p.Entries) != 2 {
		t.Errorf("%d entries", len(p.Entries))
	}
}

func (s *suite) quiet(t *testing.T) {
	h := s.create(t)
	all := []revlog.Assertion{session(1), revoke(revlog.ScopeSubject, 2, h.MS), revoke(revlog.ScopeGroup, 3, h.MS)}
	for range 2 {
		w, err := s.Write(t.Context(), revlog.Bulk{List: s.list, Skew: skew, Assertions: all})
		if err != nil || w.Head.N != 0 {
			t.Fatalf("Write = %+v, %v", w, err)
		}
	}
	q := revlog.Question{List: s.list, Session: tag(1), Subject: tag(2), Groups: []revlog.Tag{tag(3)}}
	in := func(when string) {
		t.Helper()
		a, err := s.Confirm(t.Context(), q)
		if err != nil || len(a.Found) != 3 || a.Found[0].Scope != revlog.ScopeSession || a.Found[1].W != h.MS || a.Found[2].W != h.MS {
			t.Errorf("%s: Confirm = %+v, %v", when, a, err)
		}
	}
	in("after the quiet batch")
	longer := all[1]
	longer.Until = time.Now().Add(100 * time.Hour).UnixMilli()
	if w, err := s.Write(t.Context(), revlog.Bulk{List: s.list, Assertions: []revlog.Assertion{longer}}); err != nil || w.Head.N != 0 {
		t.Errorf("a quiet batch that asks to remember it for longer: %+v, %v", w, err)
	}
	again := slices.Clone(all)
	again[1].W -= 1000 // less than what is in force, which nobody has heard of
	for i, r := range s.write(t, again...).Results {
		want := h.MS
		if i == 0 {
			want = revlog.Forever
		}
		if !r.Changed || r.Position.N != int64(i+1) || r.W != want {
			t.Errorf("result %d: %+v, want W %d", i, r, want)
		}
	}
	in("after it was said aloud")
	p := s.read(t, revlog.Cursor{})
	if len(p.Entries) != 3 || p.Entries[1].W != h.MS || p.Entries[1].Tag != tag(2) {
		t.Errorf("log: %+v", p.Entries)
	}
	for i, r := range s.write(t, again...).Results {
		if r.Changed {
			t.Errorf("a third time, result %d: %+v", i, r)
		}
	}
}

func (s *suite) pages(t *testing.T) {
	s.create(t)
	for n := range byte(10) {
		s.write(t, session(n))
	}
	all := s.read(t, revlog.Cursor{})
	var got []revlog.Entry
	from := revlog.Position{}
	for {
		p := s.read(t, revlog.Cursor{From: from, Limit: 3})
		if len(p.Entries) > 3 || len(p.Entries) == 0 {
			t.Fatalf("%d entries in a page of 3", len(p.Entries))
		}
		got = append(got, p.Entries...)
		if !p.More {
			break
		}
		last := p.Entries[len(p.Entries)-1].Position
		if again := s.read(t, revlog.Cursor{From: last, Limit: 1}); again.Entries[0].Position != last {
			t.Fatalf("reading from %v begins at %v", last, again.Entries[0].Position)
		}
		from = revlog.Position{MS: last.MS, N: last.N + 1}
	}
	if d := cmp.Diff(all.Entries, got); d != "" {
		t.Errorf("pages differ from the whole (-whole +pages):\n%s", d)
	}
	if e := all.Entries[4]; e.Scope != revlog.ScopeSession || e.Tag != tag(4) || e.W != revlog.Forever ||
		e.MAC != [8]byte{4, 1} || e.Version != revlog.EntryVersion {
		t.Errorf("entry came back as %+v", e)
	}
}

func (s *suite) globals(t *testing.T) {
	s.create(t)
	s.write(t, session(1), revoke(revlog.ScopeSubject, 2, 10), revoke(revlog.ScopeKey, 3, revlog.Forever),
		revoke(revlog.ScopeEveryone, 0, 77))
	got := map[revlog.Scope]revlog.Entry{}
	for _, m := range s.read(t, revlog.Cursor{Globals: true}).Globals {
		got[m.Scope] = m
	}
	if len(got) != 2 || got[revlog.ScopeKey].Tag != tag(3) || got[revlog.ScopeEveryone].W != 77 ||
		got[revlog.ScopeKey].Until == 0 {
		t.Errorf("globals = %+v", got)
	}
	if m := s.read(t, revlog.Cursor{}).Globals; m != nil {
		t.Errorf("global entries nobody asked for: %+v", m)
	}
}

func (s *suite) confirm(t *testing.T) {
	s.create(t)
	s.write(t, session(1), revoke(revlog.ScopeSubject, 2, 200), revoke(revlog.ScopeGroup, 3, 300),
		revoke(revlog.ScopeKey, 4, revlog.Forever), revoke(revlog.ScopeEveryone, 0, 50))
	q := revlog.Question{
		List: s.list, Session: tag(1), Subject: tag(2),
		Groups: []revlog.Tag{tag(9), tag(3)}, Keys: []revlog.Tag{tag(4), tag(1)}, Skew: skew,
	}
	a, err := s.Confirm(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want := map[revlog.Key]int64{
		{Scope: revlog.ScopeSession, Tag: tag(1)}: revlog.Forever, {Scope: revlog.ScopeSubject, Tag: tag(2)}: 200,
		{Scope: revlog.ScopeGroup, Tag: tag(3)}: 300, {Scope: revlog.ScopeKey, Tag: tag(4)}: revlog.Forever, {Scope: revlog.ScopeEveryone}: 50,
	}
	got := map[revlog.Key]int64{}
	for _, e := range a.Found {
		got[e.Key()] = e.W
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
	if a.Head.N != 5 || a.Now < a.Head.MS {
		t.Errorf("answer of %+v, now %d", a.Head, a.Now)
	}
	none, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Session: tag(2), Subject: tag(1)})
	if err != nil || len(none.Found) != 1 || none.Found[0].Scope != revlog.ScopeEveryone {
		t.Errorf("a tag of one scope counts in another: %+v, %v", none, err)
	}
}

func (s *suite) unless(t *testing.T) {
	h := s.create(t)
	s.write(t, session(1), revoke(revlog.ScopeGroup, 7, h.MS))
	for _, tt := range []struct {
		name string
		q    revlog.Question
		done bool
		want revlog.Finding
	}{
		{"revoked session", revlog.Question{Session: tag(1), Epoch: h.MS + 1, Checked: h.MS}, false, revlog.FoundRevoked},
		{"revoked group", revlog.Question{Session: tag(2), Groups: []revlog.Tag{tag(7)}, Epoch: h.MS, Checked: h.MS}, false, revlog.FoundRevoked},
		{"before the list was born", revlog.Question{Session: tag(2), Epoch: h.MS, Checked: h.Born - 1}, false, revlog.FoundUnknown},
		{"checked in the future", revlog.Question{Session: tag(2), Epoch: h.MS, Checked: h.MS + time.Hour.Milliseconds()}, false, revlog.FoundUnknown},
		{"begun in the future", revlog.Question{Session: tag(2), Epoch: h.MS + time.Hour.Milliseconds(), Checked: h.MS}, false, revlog.FoundAhead},
		{"later than the group's W", revlog.Question{Session: tag(2), Groups: []revlog.Tag{tag(7)}, Epoch: h.MS + 1, Checked: h.MS}, true, revlog.FoundNothing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.List, tt.q.Skew = s.list, skew
			before := s.read(t, revlog.Cursor{}).Head.N
			w, err := s.Write(t.Context(), revlog.Succession{
				List: s.list, Skew: skew, Unless: tt.q, Assertions: []revlog.Assertion{session(100)}, Then: tt.q,
			})
			if err != nil || (w.Refused == nil) != tt.done {
				t.Fatalf("Write = %+v, %v", w, err)
			}
			if !tt.done {
				if found, _ := w.Refused.Judge(tt.q); found != tt.want {
					t.Errorf("found %d, want %d", found, tt.want)
				}
			}
			if n := s.read(t, revlog.Cursor{}).Head.N - before; (n == 1) != tt.done {
				t.Errorf("%d entries written", n)
			}
		})
	}
}

func (s *suite) then(t *testing.T) {
	h := s.create(t)
	w, err := s.Write(t.Context(), revlog.Succession{
		List: s.list, Skew: skew, Assertions: []revlog.Assertion{session(1), now(revlog.ScopeSubject, 2)},
		Unless: revlog.Question{List: s.list, Session: tag(1), Epoch: h.MS, Checked: h.MS, Skew: skew},
		Then:   revlog.Question{List: s.list, Session: tag(1), Subject: tag(2)},
	})
	if err != nil || w.Refused != nil || w.Then.W(revlog.Key{Scope: revlog.ScopeSession, Tag: tag(1)}) == 0 ||
		w.Then.W(revlog.Key{Scope: revlog.ScopeSubject, Tag: tag(2)}) != w.Results[1].W || w.Then.Head.N != 2 {
		t.Errorf("%+v, %v", w, err)
	}
}

// A write whose answer was lost is sent again as it stands, and is not made twice.
func (s *suite) again(t *testing.T) {
	h := s.create(t)
	succession := revlog.Succession{
		List: s.list, Skew: skew, Request: revlog.Request{1}, Assertions: []revlog.Assertion{session(1), now(revlog.ScopeSubject, 2)},
		Unless: revlog.Question{List: s.list, Session: tag(1), Epoch: h.MS, Checked: h.MS, Skew: skew},
		Then:   revlog.Question{List: s.list, Subject: tag(2), Groups: []revlog.Tag{tag(3)}},
	}
	all := revlog.Append{List: s.list, Skew: skew, Request: revlog.Request{2}, Assertions: []revlog.Assertion{now(revlog.ScopeGroup, 3), session(4)}}
	for _, w := range []revlog.Write{succession, all} {
		first, err := s.Write(t.Context(), w)
		if err != nil || first.Refused != nil {
			t.Fatalf("%+v, %v", first, err)
		}
		s.write(t, now(revlog.ScopeSubject, 2), now(revlog.ScopeGroup, 3)) // what comes in between changes nothing
		n := s.read(t, revlog.Cursor{}).Head.N
		again, err := s.Write(t.Context(), w)
		if d := cmp.Diff(first, again); err != nil || d != "" {
			t.Errorf("%T sent again: %v (-first +again):\n%s", w, err, d)
		}
		if now := s.read(t, revlog.Cursor{}).Head.N; now != n {
			t.Errorf("%T sent again made %d entries", w, now-n)
		}
	}
	succession.Request = revlog.Request{3}
	if w, err := s.Write(t.Context(), succession); err != nil || w.Refused == nil || w.Refused.W(revlog.Key{Scope: revlog.ScopeSession, Tag: tag(1)}) == 0 {
		t.Errorf("one of another number: %+v, %v", w, err)
	}
	all.Request = revlog.Request{}
	for range 2 {
		if _, err := s.Confirm(t.Context(), revlog.Question{List: s.list}); err != nil { // in one ms, two "now" are one (R3)
			t.Fatal(err)
		}
		before := s.read(t, revlog.Cursor{}).Head.N
		if w, err := s.Write(t.Context(), all); err != nil || w.Head.N != before+1 {
			t.Errorf("one without a number: %+v, %v", w, err)
		}
	}
}

func (s *suite) raise(t *testing.T) {
	h := s.create(t)
	b := func(b revlog.Repair) revlog.Head {
		t.Helper()
		b.List = s.list
		w, err := s.Write(t.Context(), b)
		if err != nil {
			t.Fatalf("Write = %+v, %v", w, err)
		}
		return w.Head
	}
	if got := b(revlog.Repair{Known: h.Born - 5, KnownTerm: 5, Retain: time.Minute}); got.Born != h.Born || got.Retain() != retain {
		t.Errorf("lowered: %+v", got)
	}
	// The list lacks something: all that was stamped up to now is in doubt, and the
	// next ms begins.
	known := h.Born + 1
	got := b(revlog.Repair{Known: known, KnownTerm: 5, Floor: h.MS + 60_000, Retain: 2 * retain})
	if got.Known != known || got.KnownTerm != 5 || got.Born < h.MS+60_000 || got.MS <= got.Born || got.Retain() != 2*retain || got.RetainAt(h.MS-1) != retain {
		t.Errorf("raised: %+v", got)
	}
	if again := b(revlog.Repair{Known: known + 1000, KnownTerm: 5}); again.Born != got.Born || again.Known != known+1000 || again.KnownTerm != 5 {
		t.Errorf("known to another replica, too, which changes only that: %+v", again)
	}
	if again := b(revlog.Repair{Retain: 1}); again.KnownTerm != 5 {
		t.Errorf("a batch that knows of no loss: %+v", again)
	}
	if again := b(revlog.Repair{Known: known, KnownTerm: 6}); again.Born != got.Born || again.Known != known+1000 || again.KnownTerm != 0 {
		t.Errorf("known to one that had come to another line: %+v", again)
	}
	// One that had come further than log time here.
	far := got.MS + 120_000
	got = b(revlog.Repair{Known: far})
	if got.Known != far || got.Born < far || got.MS <= got.Born {
		t.Errorf("raised again: %+v", got)
	}
	if again := b(revlog.Repair{Born: got.Born - 1}); again.Born != got.Born {
		t.Errorf("born lowered: %+v", again)
	}
	born := got.Born + 1000
	if got = b(revlog.Repair{Born: born}); got.Born != born || got.MS <= born || got.Known != far {
		t.Errorf("born alone: %+v", got)
	}
	if got := b(revlog.Repair{Recheck: true}); got.Floor == 0 || got.Floor > got.MS {
		t.Errorf("floor: %+v", got)
	}
	if p := s.read(t, revlog.Cursor{}); p.Head.Born != born || p.Head.Retain() != 2*retain || p.Head.Floor == 0 {
		t.Errorf("read back: %+v", p.Head)
	}
}

func (s *suite) turn(t *testing.T) {
	s.create(t)
	for i, step := range []struct {
		holder string
		keep   time.Duration
		want   bool
	}{
		{"one", time.Hour, true},
		{"two", time.Hour, false},
		{"two", 0, false},
		{"one", time.Hour, true},
		{"one", 0, true},
		{"two", time.Millisecond, true},
	} {
		if mine, err := s.Turn(t.Context(), step.holder, step.keep); err != nil || mine != step.want {
			t.Errorf("step %d: Turn = %v, %v", i, mine, err)
		}
	}
	<-time.After(10 * time.Millisecond)
	if mine, err := s.Turn(t.Context(), "one", 0); err != nil || !mine {
		t.Errorf("a turn that is over: Turn = %v, %v", mine, err)
	}
}

func (s *suite) concurrent(t *testing.T) {
	s.create(t)
	var wg sync.WaitGroup
	for w := range byte(8) {
		wg.Go(func() {
			for n := range byte(25) {
				_, err := s.Write(context.WithoutCancel(t.Context()), revlog.Append{
					List: s.list, Skew: skew, Assertions: []revlog.Assertion{session(w*25 + n)},
				})
				if err != nil {
					t.Errorf("Write: %v", err)
				}
			}
		})
	}
	wg.Wait()
	p := s.read(t, revlog.Cursor{})
	if len(p.Entries) != 200 || p.Entries[199].Position.N != 200 {
		t.Errorf("%d entries of 200", len(p.Entries))
	}
}
