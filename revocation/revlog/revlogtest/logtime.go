package revlogtest

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

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
			t.Fatalf("%v comes after %v", e.Position, last)
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

// ahead moves log time an hour ahead of the clock, so that only writes move it on.
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
		t.Errorf("%d entries in %v moved log time by %d ms", len(r), passed, took)
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
			what := scope.String() + " revoked before a login, " + second.Scope.String() + " after it"
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
				t.Errorf("%s: watermarks %d and then %d, a login in between begins at %d", what, before, w, since)
			}
			if a := ask(of); a.Highest() > a.Head.MS+skew.Milliseconds() {
				t.Errorf("%s: watermark %d is more than the skew ahead of log time %d", what, a.Highest(), a.Head.MS)
			}
		}
	}
	// An entry that lies far ahead, as a forged one may, does not hide the one that a login begins after.
	s.write(t, revoke(revlog.ScopeSubject, 1, ask(of).Head.MS+time.Hour.Milliseconds()))
	ended := now(revlog.ScopeGroup, 2)
	before := s.write(t, ended).Results[0].W
	ask(of)
	if again := s.write(t, ended).Results[0].W; again <= before {
		t.Errorf("revoked before a login at %d, and after it at %d", before, again)
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
			t.Fatalf("log time, ahead of the clock, moved %d ms in %v", at, passed)
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

// A login compares the log time of an answer with a watermark, to tell whether the revocation came
// before the answer or after it.
func (s *suite) moment(t *testing.T) {
	s.create(t)
	for i := range 100 {
		w := s.write(t, now(revlog.ScopeSubject, 1)).Results[0].W
		a, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Skew: skew})
		if err != nil {
			t.Fatal(err)
		}
		if since := a.Head.MS + skew.Milliseconds(); since < w {
			t.Fatalf("%d: log time is %d, but the watermark of an earlier revocation is %d", i, a.Head.MS, w)
		} else if w := s.write(t, now(revlog.ScopeSubject, 1)).Results[0].W; w <= since {
			t.Fatalf("%d: log time is %d, but the watermark of a later revocation is %d", i, a.Head.MS, w)
		}
	}
}
