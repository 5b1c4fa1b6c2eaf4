package revlogtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

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
			t.Fatalf("%d entries in a page, want 1 to 3", len(p.Entries))
		}
		got = append(got, p.Entries...)
		if !p.More {
			break
		}
		last := p.Entries[len(p.Entries)-1].Position
		if again := s.read(t, revlog.Cursor{From: last, Limit: 1}); again.Entries[0].Position != last {
			t.Fatalf("read from %v begins at %v", last, again.Entries[0].Position)
		}
		from = revlog.Position{MS: last.MS, N: last.N + 1}
	}
	if d := cmp.Diff(all.Entries, got); d != "" {
		t.Errorf("the pages differ from one read of all (-all +pages):\n%s", d)
	}
	if e := all.Entries[4]; e.Scope != revlog.ScopeSession || e.Tag != tag(4) || e.W != revlog.Forever ||
		e.MAC != [8]byte{4, 1} || e.Version != revlog.EntryVersion {
		t.Errorf("entry 4 came back as %+v", e)
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
		t.Errorf("read without Globals returned %+v", m)
	}
}
