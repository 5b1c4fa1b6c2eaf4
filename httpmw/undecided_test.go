package httpmw_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

// grace is how long a replica that cannot reach the store goes on accepting what it can decide.
const grace = 30 * time.Minute

// longerThanGrace is an idle limit of sessions that are to become undecided before they end.
const longerThanGrace = 40 * time.Minute

// undecidable makes the browser's session one the list cannot decide: the store is silent, and has been for
// longer than the grace.
func undecidable(t *testing.T, f *fixture, b *browser) {
	t.Helper()
	f.store.Fail()
	time.Sleep(grace + within + time.Minute)
	if subject, err := f.look(b); subject != "" || err != httpmw.ErrUndecided {
		t.Fatalf("the session is %q, %v, want it undecided", subject, err)
	}
}

func TestUndecided(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		undecidable(t, f, b)
		before := b.copy()

		// A public page is up, and says what it does not know.
		res := f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if s.LoggedIn() || s.ID() != "" || s.Subject() != "" || s.Value().Note != "" || s.Err() != httpmw.ErrUndecided {
				t.Errorf("there is a session, or %v", s.Err())
			}
			for name, err := range map[string]error{
				"Set":          s.Set(cart{Note: "new"}),
				"Update":       s.Update(func(*cart) error { return nil }),
				"Login":        s.Login(r.Context(), httpmw.Identity{Subject: "bob"}),
				"SetGroups":    s.SetGroups(r.Context(), nil),
				"LogoutOthers": s.LogoutOthers(r.Context()),
			} {
				if !errors.Is(err, httpmw.ErrUndecided) {
					t.Errorf("%s over an undecided session: %v", name, err)
				}
			}
		})
		if res.StatusCode != 200 || len(setNames(res)) != 0 {
			t.Errorf("status %d, cookies %v", res.StatusCode, setNames(res))
		}
		// A page that needs a login is not.
		res = b.get(f.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let in") })))
		if res.StatusCode != 503 || res.Header.Get("Retry-After") != "2" || len(setNames(res)) != 0 {
			t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
		}
		if diff := cmp.Diff(before.jar, b.jar); diff != "" {
			t.Error(diff)
		}
		if n := f.Stats().Refused["undecided"]; n != 3 {
			t.Errorf("counted %d", n)
		}

		// When the store speaks again, the session is as it was.
		f.store.Recover()
		time.Sleep(within)
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("afterwards: %q, %v", subject, err)
		}
	})
}

// Logging out always expires the cookies, says so if nobody was told, and catches up later.
func TestLogoutWhileTheStoreIsSilent(t *testing.T) {
	for name, do := range map[string]func(*httpmw.Session[cart], *http.Request) error{
		"logout":     func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) },
		"everywhere": func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutEverywhere(r.Context()) },
	} {
		for _, undecided := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					f := newFixture(t, httpmw.Config{})
					other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
					b := newBrowser()
					f.login(t, b, httpmw.Identity{Subject: "ann"})
					copied := b.copy()
					if undecided {
						undecidable(t, f, b)
					}
					f.store.Fail()
					res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						if err := do(s, r); !errors.Is(err, revocation.ErrUnavailable) {
							t.Errorf("got %v", err)
						}
						if s.LoggedIn() {
							t.Error("still logged in")
						}
					})
					if diff := cmp.Diff([]string{sessionName, renewalName}, setNames(res)); diff != "" || !b.signedOut() {
						t.Errorf("jar %v, %s", b.jar, diff)
					}
					if _, err := f.look(copied); !errors.Is(err, httpmw.ErrRevoked) {
						t.Errorf("here the copy is %v", err)
					}
					if subject, _ := other.look(copied); subject != "ann" {
						t.Errorf("elsewhere nobody can know, but the copy is %q", subject)
					}
					f.store.Recover()
					time.Sleep(2 * within)
					if _, err := other.look(copied); !errors.Is(err, httpmw.ErrRevoked) {
						t.Errorf("afterwards elsewhere the copy is %v", err)
					}
				})
			})
		}
	}
}

// A login that what is known here refuses already says so, instead of returning no error and setting no cookie.
func TestLoginAfterLogoutEverywhereWhileTheStoreIsSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.store.Fail()
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.LogoutEverywhere(r.Context()); !errors.Is(err, revocation.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); !errors.Is(err, httpmw.ErrUndecided) || s.LoggedIn() {
				t.Errorf("got %v", err)
			}
		})
		f.store.Recover()
		time.Sleep(2 * within)
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("in touch again: %q, %v", subject, err)
		}
	})
}

// While the store is silent what the window decides is accepted, and what must mint a successor is refused and changes
// nothing.
func TestSilentStoreWithinGrace(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(6 * time.Minute)
		f.store.Fail()
		time.Sleep(2 * within)

		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			id := s.ID()
			for name, err := range map[string]error{
				"Login":        s.Login(r.Context(), httpmw.Identity{Subject: "ann"}),
				"SetGroups":    s.SetGroups(r.Context(), []string{"g"}),
				"LogoutOthers": s.LogoutOthers(r.Context()),
			} {
				if !errors.Is(err, httpmw.ErrUndecided) || !errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if s.ID() != id || s.Subject() != "ann" || s.Err() != nil {
				t.Error("a refused change changed the session")
			}
		})
		// Somebody new can log in.
		fresh := newBrowser()
		f.login(t, fresh, httpmw.Identity{Subject: "bob"})
		if subject, err := f.look(fresh); subject != "bob" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
	})
}

// R24: a replica out of touch seals changed data with the check the session had. The idle limit moves: the session was used.
func TestDataWrittenWhileTheStoreIsSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		limit := func() (idle time.Time) {
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { idle, _ = s.Deadlines() })
			return idle
		}
		begun := limit()
		f.store.Fail()
		time.Sleep(10 * time.Minute)
		write := func(note string) {
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if err := s.Set(cart{Note: note}); err != nil {
					t.Error(err)
				}
			})
		}
		write("out of touch")
		if got := limit(); !got.Equal(begun.Add(10 * time.Minute)) {
			t.Errorf("the idle limit moved by %v", got.Sub(begun))
		}
		f.store.Recover()
		time.Sleep(within)
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Value().Note != "out of touch" {
				t.Error("the data was lost")
			}
		})
		write("in touch")
		if got := limit(); !got.Equal(time.Unix(time.Now().Unix(), 0).Add(2 * time.Hour)) {
			t.Errorf("the idle limit is %v from now", time.Until(got))
		}
	})
}

// What was written out of touch cannot carry a session past a revocation that this replica had not heard of.
func TestDataWrittenPastARevocation(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		b := newBrowser()
		sid := f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(time.Minute)
		f.store.Fail()
		if _, err := other.list.Revoke(t.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Errorf("the window decides for as long as the grace lasts: %v", err)
			}
		})
		if _, err := other.look(b); err != httpmw.ErrRevokedSession {
			t.Errorf("elsewhere: %v", err)
		}
		f.store.Recover()
		time.Sleep(within)
		if _, err := f.look(b); err != httpmw.ErrRevokedSession {
			t.Errorf("here, in touch again: %v", err)
		}
	})
}

// A session last seen longer ago than the window reaches costs one read of the store, and no more.
func TestAskOnceAfterALongPause(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(time.Hour)
		// A replica that started lately knows only the end of the log until it has filled up.
		late := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		res := late.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Subject() != "ann" {
				t.Errorf("got %v", s.Err())
			}
		})
		if diff := cmp.Diff([]string{renewalName}, setNames(res)); diff != "" {
			t.Errorf("what was asked was not written down: %s", diff)
		}
		asked := late.store.Confirms()
		for range 5 {
			if subject, err := late.look(b); subject != "ann" || err != nil {
				t.Fatalf("%q, %v", subject, err)
			}
		}
		if n := late.store.Confirms(); asked != 1 || n != asked {
			t.Errorf("asked %d times, then %d times more", asked, n-asked)
		}
	})
}

// A session that had to be asked about is renewed by what it writes, like any other: the answer is good for the
// whole request.
func TestWriteAfterALongPause(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(time.Hour)
		late := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		late.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Error(err)
			}
			if idle, _ := s.Deadlines(); !idle.Equal(time.Unix(time.Now().Unix(), 0).Add(2 * time.Hour)) {
				t.Errorf("the idle limit is %v from now", time.Until(idle))
			}
		})
		asked := late.store.Confirms()
		if subject, err := late.look(b); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		if n := late.store.Confirms(); asked != 1 || n != 1 {
			t.Errorf("asked %d times, then %d times more", asked, n-asked)
		}
	})
}

// FreshList: a route that would rather be down than accept a session that may be revoked.
func TestFreshList(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		transfer := f.RequireThat(httpmw.Requirements{FreshList: true})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		page := f.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		check := func(when string, wantTransfer, wantPage int) {
			t.Helper()
			if got := b.get(transfer).StatusCode; got != wantTransfer {
				t.Errorf("%s: the strict route answers %d, want %d", when, got, wantTransfer)
			}
			if got := b.get(page).StatusCode; got != wantPage {
				t.Errorf("%s: the other answers %d, want %d", when, got, wantPage)
			}
		}
		check("in touch", 200, 200)
		f.store.Fail()
		time.Sleep(within + time.Second)
		check("out of touch", 503, 200)
		time.Sleep(grace)
		check("past the grace", 503, 503)
		f.store.Recover()
		time.Sleep(within)
		check("in touch again", 200, 200)
	})
}
