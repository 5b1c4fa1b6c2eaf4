package revlogtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

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
		{"last checked before Born", revlog.Question{Session: tag(2), Epoch: h.MS, Checked: h.Born - 1}, false, revlog.FoundUnknown},
		{"last checked in the future", revlog.Question{Session: tag(2), Epoch: h.MS, Checked: h.MS + time.Hour.Milliseconds()}, false, revlog.FoundUnknown},
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

// A write is sent again unchanged after its answer was lost. The store must not carry it out twice.
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
		s.write(t, now(revlog.ScopeSubject, 2), now(revlog.ScopeGroup, 3)) // writes in between change nothing
		n := s.read(t, revlog.Cursor{}).Head.N
		again, err := s.Write(t.Context(), w)
		if d := cmp.Diff(first, again); err != nil || d != "" {
			t.Errorf("second %T: %v (-first +second):\n%s", w, err, d)
		}
		if now := s.read(t, revlog.Cursor{}).Head.N; now != n {
			t.Errorf("second %T made %d entries", w, now-n)
		}
	}
	succession.Request = revlog.Request{3}
	if w, err := s.Write(t.Context(), succession); err != nil || w.Refused == nil || w.Refused.W(revlog.Key{Scope: revlog.ScopeSession, Tag: tag(1)}) == 0 {
		t.Errorf("succession with another number: %+v, %v", w, err)
	}
	all.Request = revlog.Request{}
	for range 2 {
		if _, err := s.Confirm(t.Context(), revlog.Question{List: s.list}); err != nil { // moves to the next ms; two "now" in one ms are one entry (R3)
			t.Fatal(err)
		}
		before := s.read(t, revlog.Cursor{}).Head.N
		if w, err := s.Write(t.Context(), all); err != nil || w.Head.N != before+1 {
			t.Errorf("append without a number: %+v, %v", w, err)
		}
	}
}
