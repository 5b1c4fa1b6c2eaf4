package httpmw_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// roles is what an application would keep in its database.
type roles struct {
	now   atomic.Pointer[string]
	loads atomic.Int64
	err   atomic.Pointer[error]
}

func (r *roles) set(role string) { r.now.Store(&role) }

func (r *roles) load(_ context.Context, s *httpmw.Session[cart]) (cart, error) {
	r.loads.Add(1)
	if err := r.err.Load(); err != nil {
		return cart{}, *err
	}
	return cart{Items: s.Value().Items, Note: s.Subject() + " is " + *r.now.Load()}, nil
}

// twoReplicas returns two replicas over one store, and their roles.
func twoReplicas(t *testing.T) (a, b *fixture, r *roles) {
	t.Helper()
	ring, store := keys.Generate(0), revlog.NewMemory()
	a, b = newReplica(t, ring, store, httpmw.Config{App: "shop"}), newReplica(t, ring, store, httpmw.Config{App: "shop"})
	r = &roles{}
	r.set("a reader")
	a.OnReload(r.load)
	b.OnReload(r.load)
	return a, b, r
}

func (f *fixture) put(t *testing.T, b *browser, c cart) {
	t.Helper()
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(c); err != nil {
			t.Error(err)
		}
	})
}

func (f *fixture) note(b *browser) (note string, err error) {
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		note, err = s.Value().Note, s.Err()
	})
	return note, err
}

// After a Reload, the next request of each session loads its data, at whatever replica, once. A session
// of somebody else, and one that begins after it, loads nothing.
func TestReload(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, b, r := twoReplicas(t)
		ada, bob := newBrowser(), newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		a.login(t, bob, httpmw.Identity{Subject: "bob"})
		a.put(t, ada, cart{Items: []string{"tea"}, Note: "ada is a reader"})
		id := a.login(t, newBrowser(), httpmw.Identity{Subject: "x"})
		time.Sleep(10 * time.Second)
		r.set("an editor")
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		stolen := ada.copy()
		if note, err := b.note(ada); note != "ada is an editor" || err != nil {
			t.Errorf("at the other replica: %q, %v", note, err)
		}
		for _, f := range []*fixture{a, b, a} {
			if note, err := f.note(ada); note != "ada is an editor" || err != nil {
				t.Errorf("then: %q, %v", note, err)
			}
		}
		if n := r.loads.Load(); n != 1 {
			t.Errorf("loaded %d times", n)
		}
		if note, _ := a.note(stolen); note != "ada is an editor" { // an old cookie does not bring the old role back
			t.Errorf("from an old cookie: %q", note)
		}
		before := r.loads.Load()
		late := newBrowser()
		b.login(t, late, httpmw.Identity{Subject: "ada"})
		b.note(late)
		b.note(bob)
		if n := r.loads.Load() - before; n != 0 || id == "" {
			t.Errorf("sessions that are not concerned loaded %d times", n)
		}
		if st := b.Stats(); st.Reloaded != 1 || st.ReloadsFailed != 0 {
			t.Errorf("counted %d and %d", st.Reloaded, st.ReloadsFailed)
		}
	})
}

// The requests of a page share one call, and those that bring the old cookie a moment later too.
func TestReloadIsShared(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, r := twoReplicas(t)
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		time.Sleep(10 * time.Second)
		r.set("an editor")
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		var page sync.WaitGroup
		for i := range 20 {
			page.Go(func() {
				time.Sleep(time.Duration(i/10) * time.Second)
				if note, err := a.note(ada.copy()); note != "ada is an editor" || err != nil {
					t.Errorf("%q, %v", note, err)
				}
			})
		}
		page.Wait()
		if n := r.loads.Load(); n != 1 {
			t.Errorf("loaded %d times", n)
		}
		// Asked for again, it is loaded again, whatever is remembered.
		r.set("an admin")
		if _, err := a.list.Reload(t.Context(), revocation.Everyone(), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if note, _ := a.note(ada); note != "ada is an admin" {
			t.Errorf("again: %q", note)
		}
	})
}

// If the data cannot be loaded, nobody works with the old one, and nothing is lost.
func TestReloadFails(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, r := twoReplicas(t)
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		a.put(t, ada, cart{Items: []string{"tea"}})
		time.Sleep(10 * time.Second)
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		down := errors.New("the database is down")
		r.err.Store(&down)
		if note, err := a.note(ada); !errors.Is(err, httpmw.ErrReload) || !errors.Is(err, down) || note != "" {
			t.Errorf("%q, %v", note, err)
		}
		res := ada.get(a.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a handler ran") })))
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s, %v", res.Status, res.Header)
		}
		a.in(ada, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{}); !errors.Is(err, httpmw.ErrReload) {
				t.Errorf("Set: %v", err)
			}
		})
		r.err.Store(nil)
		a.in(ada, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if v := s.Value(); len(v.Items) != 1 || v.Note != "ada is a reader" {
				t.Errorf("afterwards: %+v, %v", v, s.Err())
			}
		})
	})
}

// A bearer token, which nobody can write again, has its data loaded at each replica.
func TestReloadOfABearerToken(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, b, r := twoReplicas(t)
		token, err := a.Issue(t.Context(), httpmw.Identity{Subject: "ada"}, cart{Note: "old"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		for _, f := range []*fixture{a, b, a, b} {
			s, err := f.Check(t.Context(), token)
			if err != nil || s.Value().Note != "ada is a reader" {
				t.Fatalf("%v", err)
			}
		}
		if n := r.loads.Load(); n != 2 {
			t.Errorf("loaded %d times", n)
		}
	})
}

// After RequireLogin the session is locked at every replica, and a login of the same user takes over
// its data. Without OnReload, a Reload does the same.
func TestRequireLogin(t *testing.T) {
	for name, ask := range map[string]func(*revocation.List, context.Context, revocation.Target, revocation.Options) (revocation.Receipt, error){
		"require login": (*revocation.List).RequireLogin, "reload": (*revocation.List).Reload,
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ring, store := keys.Generate(0), revlog.NewMemory()
				a, b := newReplica(t, ring, store, httpmw.Config{App: "shop"}), newReplica(t, ring, store, httpmw.Config{App: "shop"})
				ada := newBrowser()
				old := a.login(t, ada, httpmw.Identity{Subject: "ada"})
				a.put(t, ada, cart{Items: []string{"tea"}})
				time.Sleep(10 * time.Second)
				if _, err := ask(a.list, t.Context(), revocation.Session(old), revocation.Options{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				for _, f := range []*fixture{a, b} {
					f.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						if s.LoggedIn() || s.Subject() != "" || len(s.Value().Items) != 0 || s.Locked() != "ada" || !errors.Is(s.Err(), httpmw.ErrReauthenticate) {
							t.Errorf("logged in %t, locked %q, %v", s.LoggedIn(), s.Locked(), s.Err())
						}
						for what, err := range map[string]error{
							"Set": s.Set(cart{}), "SetGroups": s.SetGroups(r.Context(), []string{"x"}), "LogoutOthers": s.LogoutOthers(r.Context()),
						} {
							if !errors.Is(err, httpmw.ErrReauthenticate) {
								t.Errorf("%s: %v", what, err)
							}
						}
					})
					res := ada.get(f.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a handler ran") })))
					if res.StatusCode != http.StatusUnauthorized {
						t.Error(res.Status)
					}
				}
				thief, eve := ada.copy(), ada.copy()
				if id := b.login(t, ada, httpmw.Identity{Subject: "ada"}); id == "" || id == old {
					t.Errorf("the session after the login: %q", id)
				}
				a.in(ada, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
					if s.Subject() != "ada" || len(s.Value().Items) != 1 {
						t.Errorf("after the login: %q, %+v, %v", s.Subject(), s.Value(), s.Err())
					}
				})
				if _, err := b.look(thief); !errors.Is(err, httpmw.ErrRevoked) {
					t.Errorf("the old cookie: %v", err)
				}
				b.in(eve, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					s.Login(r.Context(), httpmw.Identity{Subject: "eve"})
					s.Login(r.Context(), httpmw.Identity{Subject: "eve"})
					if len(s.Value().Items) != 0 {
						t.Error("eve has the data of ada")
					}
				})
			})
		})
	}
}

// A stream ends when something is asked of its session.
func TestWatchEndsWhenSomethingIsAsked(t *testing.T) {
	for want, ask := range map[error]func(*revocation.List, context.Context, revocation.Target, revocation.Options) (revocation.Receipt, error){
		httpmw.ErrReauthenticate: (*revocation.List).RequireLogin, httpmw.ErrReload: (*revocation.List).Reload,
	} {
		bubble.Test(t, func(t *testing.T) {
			a, b, _ := twoReplicas(t)
			ada := newBrowser()
			a.login(t, ada, httpmw.Identity{Subject: "ada"})
			b.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				ctx, stop := s.Watch(r.Context())
				defer stop()
				time.Sleep(10 * time.Second)
				if _, err := ask(a.list, t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
					t.Error(err)
				}
				time.Sleep(3 * time.Second)
				if err := context.Cause(ctx); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			})
		})
	}
}

// Everyone is to be out within an hour. Until then a Reload still loads data, and asks for no login.
func TestReloadOfASessionThatEndsSlowly(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, b, r := twoReplicas(t)
		var all []*browser
		for range 8 {
			ada := newBrowser()
			a.login(t, ada, httpmw.Identity{Subject: "ada"})
			all = append(all, ada)
		}
		time.Sleep(10 * time.Second)
		r.set("an editor")
		if _, err := a.list.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Over: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		served := 0
		for _, ada := range all {
			note, err := b.note(ada)
			if errors.Is(err, httpmw.ErrReauthenticate) {
				t.Error("a login is asked for, which nothing requires")
			}
			if note == "ada is an editor" && err == nil {
				served++
			}
		}
		if served < len(all)-1 { // one may have ended within the first seconds
			t.Errorf("%d of %d sessions were loaded again", served, len(all))
		}
	})
}

// A panic of the application fails the requests that wait for the data, and not the whole process.
func TestReloadPanics(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, r := twoReplicas(t)
		var panics atomic.Bool
		panics.Store(true)
		a.OnReload(func(ctx context.Context, s *httpmw.Session[cart]) (cart, error) {
			if panics.Load() {
				panic("no such table")
			}
			return r.load(ctx, s)
		})
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		time.Sleep(10 * time.Second)
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if _, err := a.note(ada); !errors.Is(err, httpmw.ErrReload) {
			t.Errorf("after a panic: %v", err)
		}
		panics.Store(false)
		if note, err := a.note(ada); note != "ada is a reader" || err != nil {
			t.Errorf("then: %q, %v", note, err)
		}
	})
}

// A function that does not mind its context holds no request for longer than promised.
func TestReloadThatHangs(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, _ := twoReplicas(t)
		release := make(chan struct{})
		a.OnReload(func(context.Context, *httpmw.Session[cart]) (cart, error) {
			<-release
			return cart{}, errors.New("too late")
		})
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		time.Sleep(10 * time.Second)
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		time.AfterFunc(2*time.Minute, func() { close(release) })
		began := time.Now()
		_, err := a.note(ada)
		if took := time.Since(began); took > 31*time.Second || !errors.Is(err, httpmw.ErrReload) {
			t.Errorf("after %v: %v", took, err)
		}
		<-release
	})
}

// Somebody who sends two cookies of a session in turn has the data of each loaded once, and not at each
// request.
func TestReloadOfOldCookiesInTurn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, r := twoReplicas(t)
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		a.put(t, ada, cart{Items: []string{"tea"}})
		old := ada.copy()
		a.put(t, ada, cart{Items: []string{"tea", "milk"}})
		time.Sleep(10 * time.Second)
		if _, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for _, b := range []*browser{old.copy(), ada.copy()} {
				if note, err := a.note(b); note != "ada is a reader" || err != nil {
					t.Errorf("%q, %v", note, err)
				}
			}
		}
		if n := r.loads.Load(); n != 2 {
			t.Errorf("loaded %d times", n)
		}
	})
}
