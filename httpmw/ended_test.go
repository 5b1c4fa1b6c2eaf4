package httpmw_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// anHour of these tests is shorter, so that less time has to be simulated.
const anHour = 6 * time.Minute

// ends returns how many sessions ended by each reason, and the hours that they had lasted in all.
func (f *fixture) ends() map[string][2]float64 {
	all := map[string][2]float64{}
	for why, h := range f.Stats().Ended {
		if h.Count > 0 {
			hours := time.Duration(h.Sum * float64(time.Second)).Round(time.Minute)
			all[why] = [2]float64{float64(h.Count), float64(hours) / float64(anHour)}
		}
	}
	return all
}

// A session that ended is counted once, with the reason of its first refusal and the time until
// that.
func TestEndedSessionsAreCountedOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newReplicaWith(t, keys.Generate(0), revlog.NewMemory(), revocation.Config{Grace: anHour / 2}, httpmw.Config{Idle: 2 * anHour, Absolute: 10 * anHour})
		for _, step := range []struct {
			name string
			do   func(t *testing.T, b *browser)
			want map[string][2]float64
		}{
			{"nobody was logged in", func(t *testing.T, b *browser) {
				f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := s.Set(cart{Note: "anonymous"}); err != nil {
						t.Fatal(err)
					}
				})
				time.Sleep(3 * anHour)
			}, map[string][2]float64{}},
			{"idle", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "ada"})
				time.Sleep(3 * anHour) // it ended after two
			}, map[string][2]float64{"expired_idle": {1, 2}}},
			{"absolute", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "bob"})
				for range 10 {
					time.Sleep(7 * anHour / 6)
					f.look(b)
				}
			}, map[string][2]float64{"expired_absolute": {1, 10}}},
			{"revoked", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "eve"})
				time.Sleep(anHour)
				if _, err := f.list.Revoke(t.Context(), revocation.Subject("eve"), revocation.Options{}); err != nil {
					t.Fatal(err)
				}
			}, map[string][2]float64{"revoked_subject": {1, 1}}},
			{"another login", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "sue"})
				old := b.copy()
				time.Sleep(anHour)
				f.login(t, b, httpmw.Identity{Subject: "sue"})
				f.look(old)
			}, map[string][2]float64{"login": {1, 1}}},
			{"a login after the end", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "tom"})
				time.Sleep(3 * anHour)
				f.login(t, b, httpmw.Identity{Subject: "tom"})
			}, map[string][2]float64{"expired_idle": {1, 2}}},
			{"logout", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "joe"})
				old := b.copy()
				time.Sleep(anHour)
				f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := s.Logout(r.Context()); err != nil {
						t.Fatal(err)
					}
				})
				f.look(old)
			}, map[string][2]float64{"logout": {1, 1}}},
			{"others", func(t *testing.T, b *browser) {
				other := newBrowser()
				f.login(t, other, httpmw.Identity{Subject: "pat"})
				f.login(t, b, httpmw.Identity{Subject: "pat"})
				old := b.copy()
				time.Sleep(anHour)
				f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := s.LogoutOthers(r.Context()); err != nil {
						t.Fatal(err)
					}
				})
				f.look(old) // late, of the session that continues
				f.look(other)
			}, map[string][2]float64{"revoked_subject": {1, 1}}},
			{"everywhere", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "kim"})
				time.Sleep(anHour)
				f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := s.LogoutEverywhere(r.Context()); err != nil {
						t.Fatal(err)
					}
				})
			}, map[string][2]float64{"logout": {1, 1}}},
			{"the store is silent", func(t *testing.T, b *browser) {
				f.login(t, b, httpmw.Identity{Subject: "sam"})
				f.store.Fail()
				time.Sleep(anHour)
				if _, err := f.look(b); err == nil {
					t.Error("a session was accepted long after the store fell silent")
				}
				f.store.Recover()
				time.Sleep(time.Minute)
			}, map[string][2]float64{}},
		} {
			before, b := f.ends(), newBrowser()
			step.do(t, b)
			for range 3 { // it is counted at the first
				f.look(b)
			}
			got := map[string][2]float64{}
			for why, n := range f.ends() {
				if n != before[why] {
					got[why] = [2]float64{n[0] - before[why][0], n[1] - before[why][1]}
				}
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

func TestLoginsAndLogoutsAreCounted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: 2 * anHour})
		b := newBrowser()
		act := func(do func(r *http.Request, s *httpmw.Session[cart]) error) (err error) {
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) { err = do(r, s) })
			return err
		}
		logout := func(r *http.Request, s *httpmw.Session[cart]) error { return s.Logout(r.Context()) }
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if err := act(func(r *http.Request, s *httpmw.Session[cart]) error { return s.LogoutOthers(r.Context()) }); err != nil {
			t.Error(err)
		}
		if err := act(func(r *http.Request, s *httpmw.Session[cart]) error { return s.LogoutEverywhere(r.Context()) }); err != nil {
			t.Error(err)
		}
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if err := act(logout); err != nil {
			t.Error(err)
		}
		if err := act(func(_ *http.Request, s *httpmw.Session[cart]) error { return s.Set(cart{Note: "anonymous"}) }); err != nil {
			t.Error(err)
		}
		if err := act(logout); err != nil { // of nobody
			t.Error(err)
		}
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.store.Fail()
		if err := act(logout); err == nil {
			t.Error("a logout succeeded without the store")
		}
		f.store.Recover()
		time.Sleep(time.Minute)
		other := newBrowser()
		f.login(t, other, httpmw.Identity{Subject: "ann"})
		time.Sleep(3 * anHour)
		f.login(t, other, httpmw.Identity{Subject: "ann"}) // ends the session that has expired, which is no logout
		s := f.Stats()
		if diff := cmp.Diff(map[string]uint64{"logout": 1, "logout_others": 1, "logout_everywhere": 1}, s.Logouts); diff != "" {
			t.Errorf("logouts (-want +got):\n%s", diff)
		}
		if s.Logins != 5 || s.LogoutsFailed != 1 {
			t.Errorf("%d logins, %d failed logouts", s.Logins, s.LogoutsFailed)
		}
	})
}

// What is sent is measured: its size as the browser sends it back, and the time it took.
func TestTokensAreMeasured(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		session := len(sessionName + "=" + b.jar[sessionName])
		time.Sleep(10 * time.Minute)
		f.look(b)
		renewal := len(renewalName + "=" + b.jar[renewalName])
		f.look(b) // nothing is sent
		bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := f.Stats()
		for kind, want := range map[string]int{"session": session, "seen": renewal, "bearer": len(bearer)} {
			if got := s.Sizes[kind]; got.Count != 1 || got.Sum != float64(want) {
				t.Errorf("%s: %d with %v bytes, want one with %d", kind, got.Count, got.Sum, want)
			}
		}
		if s.Commit.Count != 2 || s.Open.Count != 1 {
			t.Errorf("%d commits and %d requests were timed", s.Commit.Count, s.Open.Count)
		}
		for range 200 {
			f.look(b)
		}
		if s := f.Stats(); s.Open.Count != 4 { // the first of each 64
			t.Errorf("%d of %d requests were timed", s.Open.Count, s.Accepted)
		}
	})
}
