package revlogtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

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
		t.Errorf("a part of the refused write was written: %+v", p.Entries)
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
			t.Errorf("after a write with W %d: W in force = %d, want %d", step.w, got, step.want)
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
