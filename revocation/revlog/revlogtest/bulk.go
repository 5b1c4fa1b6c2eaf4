package revlogtest

import (
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

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
	in("after the bulk")
	longer := all[1]
	longer.Until = time.Now().Add(100 * time.Hour).UnixMilli()
	if w, err := s.Write(t.Context(), revlog.Bulk{List: s.list, Assertions: []revlog.Assertion{longer}}); err != nil || w.Head.N != 0 {
		t.Errorf("bulk with a later Until: %+v, %v", w, err)
	}
	again := slices.Clone(all)
	again[1].W -= 1000 // lower than the quiet W in force, which no replica has read
	for i, r := range s.write(t, again...).Results {
		want := h.MS
		if i == 0 {
			want = revlog.Forever
		}
		if !r.Changed || r.Position.N != int64(i+1) || r.W != want {
			t.Errorf("result %d: %+v, want W %d", i, r, want)
		}
	}
	in("after the append")
	p := s.read(t, revlog.Cursor{})
	if len(p.Entries) != 3 || p.Entries[1].W != h.MS || p.Entries[1].Tag != tag(2) {
		t.Errorf("log: %+v", p.Entries)
	}
	for i, r := range s.write(t, again...).Results {
		if r.Changed {
			t.Errorf("second append, result %d: %+v", i, r)
		}
	}
}
