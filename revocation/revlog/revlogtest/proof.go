package revlogtest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// all returns one assertion of each scope, each with W and with a MAC of its own.
func (s *suite) all(w int64, mac byte) (all []revlog.Assertion) {
	for i, scope := range []revlog.Scope{revlog.ScopeSession, revlog.ScopeEveryone, revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeKey} {
		a := revoke(scope, byte(i+1), w)
		if scope == revlog.ScopeEveryone {
			a.Tag = revlog.Tag{}
		}
		a.Limit, a.MAC = w+5, [8]byte{mac, byte(i)}
		if scope == revlog.ScopeSession || scope == revlog.ScopeKey {
			a.W, a.Limit = revlog.Forever, revlog.Forever
		}
		all = append(all, a)
	}
	return all
}

// asks returns a question about all of [suite.all].
func (s *suite) asks() revlog.Question {
	return revlog.Question{
		List: s.list, Session: tag(1), Subject: tag(3), Groups: []revlog.Tag{tag(4)}, Keys: []revlog.Tag{tag(5)}, Skew: skew,
	}
}

// bare returns entries without the values that the store adds to the signed ones.
func bare(all []revlog.Entry) (out []revlog.Entry) {
	for _, e := range all {
		e.Position, e.Chain, e.Until, e.Quiet = revlog.Position{}, [8]byte{}, 0, false
		out = append(out, e)
	}
	return out
}

func asEntries(all []revlog.Assertion) (out []revlog.Entry) {
	for _, a := range all {
		out = append(out, a.Entry())
	}
	return bare(out)
}

// found fails unless the exact set holds want, and a read of the global entries returns the global
// ones of want.
func (s *suite) found(t *testing.T, want []revlog.Entry) {
	t.Helper()
	a, err := s.Confirm(t.Context(), s.asks())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, bare(a.Found)); d != "" {
		t.Errorf("the exact set (-want +got):\n%s", d)
	}
	globals := map[revlog.Key]revlog.Entry{}
	for _, e := range bare(s.read(t, revlog.Cursor{Globals: true}).Globals) {
		globals[e.Key()] = e
	}
	for _, e := range want {
		if e.Scope.Global() && globals[e.Key()] != e {
			t.Errorf("global entry %+v, want %+v", globals[e.Key()], e)
		}
	}
}

func (s *suite) proofs(t *testing.T) {
	s.create(t)
	first, lower, higher := s.all(500, 1), s.all(400, 2), s.all(600, 3)
	s.write(t, first...)
	s.found(t, asEntries(first))
	if d := cmp.Diff(asEntries(first), bare(s.read(t, revlog.Cursor{}).Entries)); d != "" {
		t.Errorf("the log (-want +got):\n%s", d)
	}
	for i, r := range s.write(t, lower...).Results {
		if held := bare([]revlog.Entry{r.Held})[0]; r.Changed || held != asEntries(first)[i] || r.W != held.W {
			t.Errorf("lower W, result %d: %+v", i, r)
		}
	}
	s.found(t, asEntries(first))
	want := asEntries(first)
	for i, r := range s.write(t, higher...).Results {
		if higher[i].W < revlog.Forever {
			want[i] = higher[i].Entry()
		}
		if held := r.Held.Version != 0; held == r.Changed || r.W != want[i].W {
			t.Errorf("higher W, result %d: %+v", i, r)
		}
	}
	s.found(t, want)
	longer := s.all(1, 4)
	for i := range longer {
		longer[i].Until = time.Now().Add(100 * time.Hour).UnixMilli()
	}
	s.write(t, longer...)
	s.found(t, want)
	s.quietProof(t)
}

// quietProof appends a revocation that a bulk wrote with a higher W. The entry in the log must be
// the one of the bulk, as it was signed.
func (s *suite) quietProof(t *testing.T) {
	t.Helper()
	quiet, loud := revoke(revlog.ScopeSubject, 9, 800), revoke(revlog.ScopeSubject, 9, 700)
	loud.MAC = [8]byte{9, 9}
	if _, err := s.Write(t.Context(), revlog.Bulk{List: s.list, Assertions: []revlog.Assertion{quiet}}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Subject: tag(9), Groups: []revlog.Tag{tag(4)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range a.Found {
		if e.Quiet != (e.Key() == quiet.Entry().Key()) {
			t.Errorf("Quiet is wrong: %+v", e)
		}
	}
	r := s.write(t, loud).Results[0]
	p := s.read(t, revlog.Cursor{})
	last := bare(p.Entries[len(p.Entries)-1:])[0]
	if last != quiet.Entry() || !r.Changed || r.W != 800 || r.Held.MAC != quiet.MAC {
		t.Errorf("append: %+v, in the log %+v", r, last)
	}
}

func (s *suite) limit(t *testing.T) {
	h := s.create(t)
	for _, scope := range []revlog.Scope{revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeEveryone} {
		late := now(scope, 7)
		late.Limit = h.MS + skew.Milliseconds() - 1
		for _, w := range []revlog.Write{
			revlog.Append{List: s.list, Skew: skew, Request: revlog.Request{1, byte(scope)}, Assertions: []revlog.Assertion{session(6), late}},
			revlog.Bulk{List: s.list, Skew: skew, Assertions: []revlog.Assertion{session(6), late}},
			revlog.Succession{
				List: s.list, Skew: skew, Assertions: []revlog.Assertion{session(6), late},
				Unless: revlog.Question{List: s.list, Session: tag(6), Epoch: h.MS, Checked: h.MS, Skew: skew}, Then: revlog.Question{List: s.list},
			},
		} {
			_, err := s.Write(t.Context(), w)
			var limit *revlog.LimitError
			if !errors.As(err, &limit) || limit.LogTime < h.MS {
				t.Errorf("%v, %T: %v", scope, w, err)
			}
		}
		given := revoke(scope, 8, h.MS)
		given.Limit = h.MS - 1
		if _, err := s.Write(t.Context(), revlog.Append{List: s.list, Assertions: []revlog.Assertion{given}}); !errors.As(err, new(*revlog.LimitError)) {
			t.Errorf("%v, given: %v", scope, err)
		}
	}
	if a, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Session: tag(6), Subject: tag(7), Groups: []revlog.Tag{tag(7)}}); err != nil || len(a.Found) > 0 {
		t.Errorf("a part of a refused write was written: %+v, %v", a, err)
	}
	again := now(revlog.ScopeSubject, 7)
	if r := s.write(t, again).Results[0]; !r.Changed || r.W > again.Limit {
		t.Errorf("with a later limit: %+v", r)
	}
}

func (s *suite) over(t *testing.T) {
	s.create(t)
	bad := s.all(1<<45, 66)
	for i := range bad {
		bad[i].Limit = revlog.Forever
	}
	s.write(t, bad...)
	good := s.all(1000, 7)
	for i, r := range s.write(t, good...).Results {
		if r.Changed || r.Held.MAC != bad[i].MAC {
			t.Fatalf("result %d: %+v", i, r)
		}
		good[i].Over = string(r.Held.MAC[:])
	}
	for i, r := range s.write(t, good...).Results {
		if !r.Changed || r.W != good[i].W || r.Held.Version != 0 {
			t.Errorf("with Over, result %d: %+v", i, r)
		}
	}
	s.found(t, asEntries(good))
	for i, r := range s.write(t, good...).Results {
		if r.Changed {
			t.Errorf("second time, result %d: %+v", i, r)
		}
	}
	p := s.read(t, revlog.Cursor{})
	if d := cmp.Diff(asEntries(good), bare(p.Entries[len(bad):])); d != "" {
		t.Errorf("the log (-want +got):\n%s", d)
	}
}

func (s *suite) later(t *testing.T) {
	s.create(t)
	all := s.all(900, 5)
	for i := range all {
		a := &all[i]
		a.Version, a.Effect, a.Params = 0x23+byte(i), 0x31, strings.Repeat("p", revlog.MaxParams-i)
	}
	s.write(t, all...)
	s.found(t, asEntries(all))
	if d := cmp.Diff(asEntries(all), bare(s.read(t, revlog.Cursor{}).Entries)); d != "" {
		t.Errorf("the log (-want +got):\n%s", d)
	}
	for _, e := range asEntries(all) {
		if e.Understood() {
			t.Errorf("%+v is understood, but is of a later version", e)
		}
	}
}
