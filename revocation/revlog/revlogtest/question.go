package revlogtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

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
		t.Errorf("a tag of one scope was found in another: %+v, %v", none, err)
	}
}
