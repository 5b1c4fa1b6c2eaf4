package httpmw_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func mustRequireLogin(t *testing.T, l *revocation.List, target revocation.Target) {
	t.Helper()
	if _, err := l.RequireLogin(t.Context(), target, revocation.Options{}); err != nil {
		t.Error(err)
	}
}

// A renewal from before RequireLogin, and one from a replica that had not heard of it, open nothing,
// beside whatever session cookie.
func TestRequireLoginAndOlderRenewals(t *testing.T) {
	for scope, target := range targets {
		t.Run(scope, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
				ada := newBrowser()
				sid := f.login(t, ada, httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}})
				f.put(t, ada, cart{Note: "ada's"})
				time.Sleep(10 * time.Minute)
				before := ada.copy()
				f.look(before)
				mustRequireLogin(t, f.list, target(sid))
				during := ada.copy()
				other.look(during) // has not heard of it
				time.Sleep(2 * time.Second)
				f.login(t, ada, httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}})
				for range 4 {
					time.Sleep(20 * time.Minute)
					if note, err := f.note(ada); note != "ada's" || err != nil {
						t.Errorf("after the login: %q, %v", note, err)
					}
					for _, cookies := range []map[string]string{before.jar, during.jar, {sessionName: before.jar[sessionName], renewalName: ada.jar[renewalName]}} {
						for _, r := range []*fixture{f, other} {
							if note, err := r.note(&browser{cookies}); note != "" || err == nil {
								t.Errorf("an old cookie: %q, %v", note, err)
							}
						}
					}
				}
			})
		})
	}
}

// Of several session cookies the one that needs no login counts, whatever the order; a session that
// waits for a login gives its data to nobody else.
func TestALockedSessionBesideAnother(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		ada, eve := newBrowser(), newBrowser()
		sid := f.login(t, ada, httpmw.Identity{Subject: "ada"})
		f.put(t, ada, cart{Note: "ada's"})
		f.login(t, eve, httpmw.Identity{Subject: "eve"})
		time.Sleep(10 * time.Second)
		mustRequireLogin(t, f.list, revocation.Session(sid))
		time.Sleep(10 * time.Second)
		for _, order := range [][]*browser{{ada, eve}, {eve, ada}} {
			r := newBrowser().request()
			for _, b := range order {
				r.AddCookie(&http.Cookie{Name: sessionName, Value: b.jar[sessionName]})
			}
			newBrowser().send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s := f.From(r.Context()); s.Subject() != "eve" || s.Value().Note != "" || s.Locked() != "" {
					t.Errorf("%q, %+v, locked %q, %v", s.Subject(), s.Value(), s.Locked(), s.Err())
				}
			})), r)
		}
		anonymous := newBrowser()
		f.put(t, anonymous, cart{Note: "basket"})
		ada.jar[anonName] = anonymous.jar[anonName]
		f.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if s.Value().Note != "" || s.Locked() != "ada" {
				t.Errorf("beside an anonymous session: %+v, locked %q", s.Value(), s.Locked())
			}
			if err := s.Login(r.Context(), httpmw.Identity{Subject: "eve"}); err != nil || s.Value().Note != "" {
				t.Errorf("eve has %+v, %v", s.Value(), err)
			}
		})
		if note, err := f.note(ada); note != "" || err != nil {
			t.Errorf("then: %q, %v", note, err)
		}
	})
}

// Who waits for a login learns nothing from a bearer token, from Tab, from Watch or by AsOf, and can
// log out.
func TestALockedSessionElsewhere(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		ada := newBrowser()
		f.login(t, ada, httpmw.Identity{Subject: "ada"})
		token, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ada"}, cart{Note: "ada's"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		mustRequireLogin(t, f.list, revocation.Subject("ada"))
		time.Sleep(10 * time.Second)
		if s, err := f.Check(t.Context(), token); s != nil || !errors.Is(err, httpmw.ErrReauthenticate) {
			t.Errorf("a bearer token: %v", err)
		}
		if s, err := f.CheckCookies(t.Context(), ada.jar[sessionName], ada.jar[renewalName]); s != nil || !errors.Is(err, httpmw.ErrReauthenticate) {
			t.Errorf("cookies: %v", err)
		}
		for path, want := range map[string]int{"/tab/state": http.StatusOK, "/tab/events": http.StatusNoContent} {
			r := ada.request()
			r.URL.Path = path
			res := ada.send(f.Tab(), r)
			if res.StatusCode != want || len(res.Cookies()) != 0 {
				t.Errorf("%s: %s, %v", path, res.Status, res.Cookies())
			}
		}
		f.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			ctx, stop := s.Watch(r.Context())
			defer stop()
			if !errors.Is(context.Cause(ctx), httpmw.ErrReauthenticate) {
				t.Errorf("Watch: %v", context.Cause(ctx))
			}
			if err := s.AsOf(r.Context(), "no receipt"); !errors.Is(err, httpmw.ErrUndecided) || s.Subject() != "" {
				t.Errorf("AsOf: %q, %v", s.Subject(), err)
			}
		})
		copied := ada.copy()
		f.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Logout(r.Context()); err != nil {
				t.Errorf("%v", err)
			}
		})
		if _, err := f.look(copied); !ada.signedOut() || !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("after the logout: %v, %v", ada.jar, err)
		}
		if err := f.Revoke(t.Context(), token); err != nil {
			t.Errorf("Revoke: %v", err)
		}
	})
}

// Nothing but a login moves the end that an identity provider demanded.
func TestNothingMovesUntil(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newReplica(t, keys.Generate(0), revlog.NewMemory(), httpmw.Config{MaxCookies: 2})
		f.OnReload(func(_ context.Context, s *httpmw.Session[cart]) (cart, error) {
			return cart{Note: strings.Repeat("x", 2500)}, nil // more than one cookie holds
		})
		until := time.Now().Add(3 * time.Hour).Truncate(time.Second)
		ada := newBrowser()
		f.login(t, ada, httpmw.Identity{Subject: "ada", Until: until})
		steps := []func(context.Context, *httpmw.Session[cart]) error{
			func(context.Context, *httpmw.Session[cart]) error { return nil }, // renewed
			func(_ context.Context, s *httpmw.Session[cart]) error { return s.Set(cart{Note: "a"}) },
			func(ctx context.Context, s *httpmw.Session[cart]) error {
				return s.SetGroups(ctx, []string{"tenant:7"})
			},
			func(ctx context.Context, s *httpmw.Session[cart]) error { return s.LogoutOthers(ctx) },
			func(context.Context, *httpmw.Session[cart]) error { // loaded again at the next request
				mustReload(t, f.list, revocation.Subject("ada"))
				return nil
			},
			func(ctx context.Context, s *httpmw.Session[cart]) error { return s.SetGroups(ctx, nil) },
		}
		for i := 0; time.Now().Before(until); i++ {
			f.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := steps[i%len(steps)](r.Context(), s); err != nil {
					t.Errorf("step %d: %v", i, err)
				}
				idle, end := s.Deadlines()
				if !end.Equal(until) || idle.After(until) {
					t.Errorf("step %d: %v, %v, want %v", i, idle, end, until)
				}
			})
			time.Sleep(10 * time.Minute)
		}
		if _, err := f.look(ada); !errors.Is(err, httpmw.ErrExpired) {
			t.Errorf("after that: %v", err)
		}
	})
}
