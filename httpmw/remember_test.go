package httpmw_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// rememberReplica is a replica that remembers for a month, with an Absolute that deploys change.
func rememberReplica(t *testing.T, ring *keys.Ring, s revlog.Store, absolute time.Duration, remember httpmw.Limits) *fixture {
	t.Helper()
	return newReplicaWith(t, ring, s, revocation.Config{MaxIdle: 30 * 24 * time.Hour},
		httpmw.Config{Idle: 10 * time.Minute, Absolute: absolute, Remember: remember})
}

// A session that was not to be remembered is not when Absolute is lowered, though it has more time than others get now. It
// keeps the end it was given.
func TestLoweredAbsoluteRemembersNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, store := keys.Generate(60*24*time.Hour), revlog.NewMemory()
		month := httpmw.Limits{Idle: 30 * 24 * time.Hour, Absolute: 60 * 24 * time.Hour}
		before := rememberReplica(t, ring, store, 24*time.Hour, month)
		after := rememberReplica(t, ring, store, 12*time.Hour, month)
		b := newBrowser()
		before.login(t, b, httpmw.Identity{Subject: "ann"})
		begun := time.Unix(time.Now().Unix(), 0)
		time.Sleep(5 * time.Minute)
		res := after.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if _, end := s.Deadlines(); !end.Equal(begun.Add(24 * time.Hour)) {
				t.Errorf("it ends %v after it began", end.Sub(begun))
			}
		})
		for _, c := range res.Cookies() {
			if c.MaxAge != 0 {
				t.Errorf("%s outlives the browser, for %d s", c.Name, c.MaxAge)
			}
		}
		time.Sleep(10 * time.Minute)
		if subject, err := after.look(b); subject != "" || err != httpmw.ErrExpiredIdle {
			t.Errorf("ten minutes later: %q, %v", subject, err)
		}
	})
}

// One that was to be remembered stays so when Absolute is raised beyond its end, through renewals, writes and new ids. Where
// the application remembers no longer, it has the ordinary idle limit from its next renewal on.
func TestRememberedStays(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, store := keys.Generate(60*24*time.Hour), revlog.NewMemory()
		before := rememberReplica(t, ring, store, 20*time.Minute, httpmw.Limits{Idle: 20 * time.Minute, Absolute: 40 * time.Minute})
		raised := rememberReplica(t, ring, store, 50*time.Minute, httpmw.Limits{Idle: 20 * time.Minute, Absolute: time.Hour})
		never := rememberReplica(t, ring, store, 20*time.Minute, httpmw.Limits{})
		b := newBrowser()
		before.login(t, b, httpmw.Identity{Subject: "ann", Remember: true})
		for name, do := range map[string]func(s *httpmw.Session[cart], r *http.Request) error{
			"renewal": func(*httpmw.Session[cart], *http.Request) error { time.Sleep(2 * time.Minute); return nil },
			"write":   func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) },
			"switch":  func(s *httpmw.Session[cart], r *http.Request) error { return s.SetGroups(r.Context(), []string{"g"}) },
			"others":  func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) },
		} {
			time.Sleep(10 * time.Second)
			res := raised.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := do(s, r); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			if len(res.Cookies()) != 1 || res.Cookies()[0].MaxAge == 0 {
				t.Errorf("%s: %v", name, res.Header["Set-Cookie"])
			}
		}
		other := b.copy()
		time.Sleep(15 * time.Minute)
		if subject, err := raised.look(b); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		never.look(other) // renewed by the ordinary limit
		time.Sleep(10 * time.Minute)
		if _, err := never.look(other); err != httpmw.ErrExpiredIdle {
			t.Errorf("where nobody is remembered: %v", err)
		}
	})
}

// Each write counts, and a renewal or a new id does not.
func TestVersion(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{MaxCookies: 3})
		b := newBrowser()
		step := func(name string, want int64, do func(s *httpmw.Session[cart], r *http.Request) error) {
			t.Helper()
			time.Sleep(10 * time.Second)
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := do(s, r); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if s.Version() != want {
					t.Errorf("%s: version %d, want %d", name, s.Version(), want)
				}
			})
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if s.Version() != want {
					t.Errorf("after %s: version %d, want %d", name, s.Version(), want)
				}
			})
		}
		set := func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) }
		login := func(subject string) func(s *httpmw.Session[cart], r *http.Request) error {
			return func(s *httpmw.Session[cart], r *http.Request) error {
				return s.Login(r.Context(), httpmw.Identity{Subject: subject})
			}
		}
		step("no session", 0, func(*httpmw.Session[cart], *http.Request) error { return nil })
		step("the first write", 1, set)
		step("login keeps the data", 1, login("ann"))
		step("a write", 2, set)
		step("an update", 3, func(s *httpmw.Session[cart], _ *http.Request) error {
			return s.Update(func(c *cart) error { c.Note += "y"; return nil })
		})
		step("two writes in one request", 5, func(s *httpmw.Session[cart], r *http.Request) error {
			if err := set(s, r); err != nil {
				return err
			}
			return set(s, r)
		})
		step("switch", 5, func(s *httpmw.Session[cart], r *http.Request) error { return s.SetGroups(r.Context(), []string{"g"}) })
		step("spread over cookies", 6, func(s *httpmw.Session[cart], _ *http.Request) error {
			return s.Set(cart{Note: string(make([]byte, 600))})
		})
		step("renewal", 6, func(*httpmw.Session[cart], *http.Request) error { time.Sleep(10 * time.Minute); return nil })
		step("login of another", 0, login("bob"))
		step("logout", 0, func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) })
	})
}

// An older cookie of one's own session is accepted and brings older data; its version tells.
func TestVersionOfAnOlderCookie(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	older := b.copy()
	var floor int64
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "used"}); err != nil {
			t.Error(err)
		}
		floor = s.Version()
	})
	f.in(older, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if s.Value().Note != "" || s.Version() >= floor {
			t.Errorf("%q with version %d, the floor is %d", s.Value().Note, s.Version(), floor)
		}
	})
}

// A bearer token of another program may carry a version; one from Issue has none.
func TestVersionOfBearerTokens(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{Note: "x"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var tok token.Session
	if err := token.New(keys.Static(f.ring)).OpenBearer(nil, bearer, &tok, time.Now()); err != nil || tok.Version != 0 || tok.Remembered {
		t.Errorf("version %d, remembered %v, %v", tok.Version, tok.Remembered, err)
	}
}
