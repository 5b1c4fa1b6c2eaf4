package httpmw_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// endOf returns when a browser's session ends in any case.
func (f *fixture) endOf(b *browser) (end time.Time) {
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { _, end = s.Deadlines() })
	return end
}

// A session ends at its Until, by its absolute limit, however much it is used and whatever is done
// with it.
func TestUntilEndsTheSession(t *testing.T) {
	for name, do := range map[string]act{
		"renewed":         func(*httpmw.Session[cart], *http.Request) error { return nil },
		"written":         func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) },
		"in other groups": func(s *httpmw.Session[cart], r *http.Request) error { return s.SetGroups(r.Context(), []string{"g"}) },
		"the last one":    func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{Idle: 20 * time.Minute, Absolute: 12 * time.Hour})
				b := newBrowser()
				until := time.Unix(time.Now().Unix(), 0).Add(40 * time.Minute)
				f.login(t, b, httpmw.Identity{Subject: "ann", Until: until})
				for time.Now().Add(6 * time.Minute).Before(until) {
					time.Sleep(6 * time.Minute)
					if err := f.does(b, do); err != nil {
						t.Fatal(err)
					}
					if end := f.endOf(b); !end.Equal(until) {
						t.Fatalf("it ends %v later than Until", end.Sub(until))
					}
				}
				time.Sleep(time.Until(until) - time.Second)
				if subject, err := f.look(b); subject != "ann" || err != nil {
					t.Errorf("a second before: %q, %v", subject, err)
				}
				time.Sleep(time.Second)
				if subject, err := f.look(b); subject != "" || err != httpmw.ErrExpiredAbsolute {
					t.Errorf("then: %q, %v", subject, err)
				}
				if n := f.Stats(); n.Refused["expired_absolute"] != 1 || n.Ended["expired_absolute"].Count != 1 || n.Refused["expired_idle"] != 0 {
					t.Errorf("counted %v", n.Refused)
				}
			})
		})
	}
}

// The idle deadline and the cookie of a session that is remembered end no later than the session.
func TestUntilBoundsIdleAndCookie(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		month := httpmw.Limits{Idle: 30 * 24 * time.Hour, Absolute: 60 * 24 * time.Hour}
		f := rememberReplica(t, keys.Generate(60*24*time.Hour), revlog.NewMemory(), 24*time.Hour, month)
		b := newBrowser()
		until := time.Unix(time.Now().Unix(), 0).Add(40 * time.Minute)
		login := func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann", Until: until, Remember: true}); err != nil {
				t.Fatal(err)
			}
			if idle, end := s.Deadlines(); !idle.Equal(until) || !end.Equal(until) {
				t.Errorf("deadlines %v and %v, want %v", idle, end, until)
			}
		}
		for _, c := range f.in(b, login).Cookies() {
			if c.MaxAge != 40*60 {
				t.Errorf("%s lives for %d s", c.Name, c.MaxAge)
			}
		}
		time.Sleep(10 * time.Minute)
		for _, c := range f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {}).Cookies() {
			if c.MaxAge != 30*60 {
				t.Errorf("renewed: %s lives for %d s", c.Name, c.MaxAge)
			}
		}
	})
}

// Until brings the end forward and never puts it off, and each login says it anew.
func TestUntilOfEachLogin(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Absolute: 12 * time.Hour})
		b := newBrowser()
		for name, row := range map[string]struct{ until, want time.Duration }{
			"none":     {0, 12 * time.Hour},
			"sooner":   {5 * time.Hour, 5 * time.Hour},
			"later":    {100 * time.Hour, 12 * time.Hour},
			"a second": {time.Second, time.Second},
			"split":    {5*time.Hour + 999*time.Millisecond, 5 * time.Hour},
		} {
			now := time.Unix(time.Now().Unix(), 0)
			id := httpmw.Identity{Subject: "ann"}
			if row.until > 0 {
				id.Until = now.Add(row.until)
			}
			f.login(t, b, id)
			if end := f.endOf(b); end.Sub(now) != row.want {
				t.Errorf("%s: it ends after %v", name, end.Sub(now))
			}
		}
	})
}

// A login whose Until has passed fails and changes nothing.
func TestUntilPassed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		for name, until := range map[string]time.Time{
			"now": time.Now(), "a second ago": time.Now().Add(-time.Second), "before 1970": time.Unix(-1, 0), "1970": time.Unix(0, 0),
		} {
			err := f.does(b, func(s *httpmw.Session[cart], r *http.Request) error {
				return s.Login(r.Context(), httpmw.Identity{Subject: "bob", Until: until})
			})
			if !errors.Is(err, httpmw.ErrUntilPassed) || !errors.Is(err, httpmw.ErrIdentity) || !errors.Is(err, httpmw.ErrExpired) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "bob", Until: until}, cart{}, time.Hour); !errors.Is(err, httpmw.ErrUntilPassed) {
				t.Errorf("%s: Issue: %v", name, err)
			}
			res := newBrowser().get(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, err) }))
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: answered with %d", name, res.StatusCode)
			}
		}
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("the session is %q, %v", subject, err)
		}
	})
}

// A bearer token and a stream end at Until too.
func TestUntilOfTokensAndStreams(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		until := time.Unix(time.Now().Unix(), 0).Add(10 * time.Minute)
		bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Until: until}, cart{}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Check(t.Context(), bearer)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := s.Watch(t.Context())
		defer cancel()
		<-ctx.Done()
		if late := time.Since(until); late < 0 || late > time.Second {
			t.Errorf("the stream ended %v after Until", late)
		}
		if _, err := f.Check(t.Context(), bearer); err != httpmw.ErrExpiredAbsolute {
			t.Errorf("the token: %v", err)
		}
	})
}
