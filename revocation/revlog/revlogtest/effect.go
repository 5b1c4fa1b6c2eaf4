package revlogtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// laterEffect is an effect of a later release, as an entry has it. noEffect is none, which a reader
// still has to find.
const (
	laterEffect = 0x90
	noEffect    = 0x00
)

// does returns a with another effect and a MAC of its own.
func does(a revlog.Assertion, effect byte, w int64) revlog.Assertion {
	a.Effect, a.W, a.Limit, a.MAC[2] = effect, w, revlog.Forever, effect
	return a
}

// effects returns for each thing that all names one assertion of each effect, also of one that this
// release does not know.
func (s *suite) effects(w int64) (all []revlog.Assertion) {
	for _, a := range s.all(w, 1) {
		a.Limit = revlog.Forever
		all = append(all, does(a, noEffect, w+4), a, does(a, revlog.RequireLogin.Byte(), w+1), does(a, revlog.Reload.Byte(), w+2), does(a, laterEffect, w+3))
	}
	return all
}

// An entry of one effect never stands in the place of one with another.
func (s *suite) beside(t *testing.T) {
	s.create(t)
	all := s.effects(500)
	s.write(t, all...)
	s.found(t, asEntries(all))
	if d := cmp.Diff(asEntries(all), bare(s.read(t, revlog.Cursor{}).Entries)); d != "" {
		t.Errorf("the log (-want +got):\n%s", d)
	}
	for i, r := range s.write(t, all...).Results {
		if r.Changed || r.Held.MAC != all[i].MAC {
			t.Errorf("written again, result %d: %+v", i, r)
		}
	}
	for i, a := range all {
		if a.Entry().Key().Always() {
			continue
		}
		all[i].W, all[i].MAC[3] = a.W+100, 1
		if r := s.write(t, all[i]).Results[0]; !r.Changed || r.W != a.W+100 {
			t.Errorf("a higher W: %+v", r)
		}
		s.found(t, asEntries(all))
		wrong := all[i]
		wrong.Over, wrong.W, wrong.MAC[3] = string(all[i].MAC[:]), a.W+50, 2
		if r := s.write(t, wrong).Results[0]; !r.Changed || r.W != a.W+50 {
			t.Errorf("in place of a wrong proof: %+v", r)
		}
		all[i] = wrong
		s.found(t, asEntries(all))
	}
}

// What a bulk wrote quietly is new to readers of the log, whatever else the exact set holds.
func (s *suite) besideQuietly(t *testing.T) {
	s.create(t)
	quiet := does(session(1), revlog.RequireLogin.Byte(), 500)
	s.write(t, session(1))
	if _, err := s.Write(t.Context(), revlog.Bulk{List: s.list, Assertions: []revlog.Assertion{quiet}}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Confirm(t.Context(), revlog.Question{List: s.list, Session: tag(1)})
	if err != nil || len(a.Found) != 2 || a.Found[0].Quiet || !a.Found[1].Quiet || a.Found[1].W != 500 {
		t.Errorf("%+v, %v", a.Found, err)
	}
	if r := s.write(t, quiet).Results[0]; !r.Changed || r.Position.N != 2 {
		t.Errorf("appended: %+v", r)
	}
}

// An entry that asks something of one session has a ms of log time to itself: what is asked next,
// of whatever, has a higher W.
func (s *suite) alone(t *testing.T) {
	s.create(t)
	ask := func(scope revlog.Scope) revlog.Assertion { return does(now(scope, 1), revlog.Reload.Byte(), 0) }
	var last int64
	for i, r := range s.write(t, ask(revlog.ScopeSubject), ask(revlog.ScopeSession), ask(revlog.ScopeGroup), ask(revlog.ScopeSession)).Results {
		if !r.Changed || r.W <= last || r.W != r.Position.MS+skew.Milliseconds() {
			t.Errorf("result %d: %+v after W %d", i, r, last)
		}
		last = r.W
	}
}

// The entry that ends sessions slowly stays until all of them have ended.
func (s *suite) slowly(t *testing.T) {
	s.create(t)
	for _, a := range []revlog.Assertion{revoke(revlog.ScopeGroup, 1, 0), revoke(revlog.ScopeEveryone, 0, 0)} {
		first, second := does(a, revlog.EndSlowly.Byte(), 500), does(a, revlog.EndSlowly.Byte(), 600)
		first.Params, second.Params, second.MAC[3] = revlog.OverParams(time.Hour, [8]byte{1}), revlog.OverParams(2*time.Hour, [8]byte{2}), 1
		s.write(t, first)
		if r := s.write(t, second).Results[0]; r.Changed || r.W != 500 || bare([]revlog.Entry{r.Held})[0] != first.Entry() {
			t.Errorf("a second one: %+v", r)
		}
		a.W = 499
		s.write(t, a)
		if r := s.write(t, second).Results[0]; r.Changed {
			t.Errorf("when not all of its sessions have ended: %+v", r)
		}
		quiet := does(a, revlog.EndSlowly.Byte(), 500)
		quiet.Tag[0] = 1
		quiet.Params, quiet.MAC[3] = first.Params, 2
		if a.Scope != revlog.ScopeEveryone {
			if _, err := s.Write(t.Context(), revlog.Bulk{List: s.list, Assertions: []revlog.Assertion{quiet}}); err != nil {
				t.Fatal(err)
			}
			later := quiet
			later.Params, later.MAC[3] = second.Params, 3
			if r := s.write(t, later).Results[0]; !r.Changed || r.W != 500 || r.Held.Params != first.Params {
				t.Errorf("one with the same W, after a quiet write: %+v", r)
			}
		}
		a.W = 500
		s.write(t, a)
		if r := s.write(t, second).Results[0]; !r.Changed || r.W != 600 || r.Held.Version != 0 {
			t.Errorf("when all of its sessions have ended: %+v", r)
		}
	}
}

// Only a login follows a session of which something is asked.
func (s *suite) succeedsOnlyByLogin(t *testing.T) {
	h := s.create(t)
	q := revlog.Question{
		List: s.list, Session: tag(1), Subject: tag(2), Epoch: h.MS + 10, LoggedIn: h.MS + 10, Loaded: h.MS + 20, Checked: h.MS, Skew: skew,
	}
	ask := func(e revlog.Effect, w int64) revlog.Assertion {
		return does(revoke(revlog.ScopeSubject, 2, 0), e.Byte(), w)
	}
	for _, tt := range []struct {
		name  string
		a     revlog.Assertion
		login bool
		want  revlog.Finding
	}{
		{"a login before the session", ask(revlog.RequireLogin, h.MS+9), false, revlog.FoundNothing},
		{"a login", ask(revlog.RequireLogin, h.MS+10), false, revlog.FoundAsks},
		{"a login, and that is one", ask(revlog.RequireLogin, h.MS+10), true, revlog.FoundNothing},
		{"data that was loaded since", ask(revlog.Reload, h.MS+19), true, revlog.FoundNothing},
		{"data", ask(revlog.Reload, h.MS+20), false, revlog.FoundAsks},
		{"something of a later release", does(revoke(revlog.ScopeSubject, 2, 0), laterEffect, h.MS+10), false, revlog.FoundAsks},
	} {
		s.write(t, tt.a)
		unless := q
		if tt.login {
			unless.LoggedIn, unless.Loaded = revlog.Forever, revlog.Forever
		}
		w, err := s.Write(t.Context(), revlog.Succession{List: s.list, Unless: unless, Assertions: []revlog.Assertion{session(100)}})
		if err != nil || (w.Refused == nil) != (tt.want == revlog.FoundNothing) {
			t.Fatalf("%s is asked for: %+v, %v", tt.name, w, err)
		}
		if w.Refused != nil {
			if found, _ := w.Refused.Judge(unless); found != tt.want {
				t.Errorf("%s is asked for: found %d, want %d", tt.name, found, tt.want)
			}
		}
	}
}
