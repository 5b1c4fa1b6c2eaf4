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

// A login keeps the data of the session before. If that was to be loaded again, it still is: the
// application could not be asked when the session was used last, or the session waited for a login
// as well, or this replica has not heard of it.
func TestR36ALoginDoesNotPassAReloadBy(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, a *fixture, ada *browser, r *roles, target revocation.Target){
		"loading failed": func(t *testing.T, a *fixture, ada *browser, r *roles, target revocation.Target) {
			down := errors.New("the database is down")
			r.err.Store(&down)
			mustReload(t, a.list, target)
			if _, err := a.note(ada); !errors.Is(err, httpmw.ErrReload) {
				t.Errorf("%v", err)
			}
			r.err.Store(nil)
		},
		"a login is required too": func(t *testing.T, a *fixture, ada *browser, _ *roles, target revocation.Target) {
			mustReload(t, a.list, target)
			if _, err := a.list.RequireLogin(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
				t.Error(err)
			}
		},
		"not heard of yet": func(t *testing.T, a *fixture, ada *browser, _ *roles, target revocation.Target) {
			mustReload(t, a.list, target)
		},
	} {
		for scope, target := range targets {
			t.Run(name+"/"+scope, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					a, b, r := twoReplicas(t)
					ada := newBrowser()
					sid := a.login(t, ada, httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}})
					a.put(t, ada, cart{Items: []string{"tea"}, Note: "ada is an admin"})
					time.Sleep(10 * time.Second)
					before(t, a, ada, r, target(sid))
					b.login(t, ada, httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}})
					time.Sleep(10 * time.Second)
					for _, f := range []*fixture{b, a} {
						f.in(ada, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
							if v := s.Value(); v.Note != "ada is a reader" || len(v.Items) != 1 || s.Subject() != "ada" {
								t.Errorf("after the login: %q, %+v, %v", s.Subject(), v, s.Err())
							}
						})
					}
				})
			})
		}
	}
}

// targets name a session of ada in tenant:7.
var targets = map[string]func(sid string) revocation.Target{
	"session":  revocation.Session,
	"subject":  func(string) revocation.Target { return revocation.Subject("ada") },
	"group":    func(string) revocation.Target { return revocation.Group("tenant:7") },
	"everyone": func(string) revocation.Target { return revocation.Everyone() },
}

func mustReload(t *testing.T, l *revocation.List, target revocation.Target) {
	t.Helper()
	if _, err := l.Reload(t.Context(), target, revocation.Options{}); err != nil {
		t.Error(err)
	}
}

// The data of a tenant was to be loaded again. A session from before that joins the tenant gets data
// that was loaded since, and a session that is succeeded where the entry is not known yet, too.
func TestR36ASuccessorDoesNotPassAReloadBy(t *testing.T) {
	for name, do := range map[string]func(context.Context, *httpmw.Session[cart]) error{
		"SetGroups": func(ctx context.Context, s *httpmw.Session[cart]) error {
			return s.SetGroups(ctx, []string{"tenant:7"})
		},
		"LogoutOthers": func(ctx context.Context, s *httpmw.Session[cart]) error { return s.LogoutOthers(ctx) },
	} {
		for scope, target := range targets {
			t.Run(name+"/"+scope, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					a, b, _ := twoReplicas(t)
					ada := newBrowser()
					sid := a.login(t, ada, httpmw.Identity{Subject: "ada"})
					a.put(t, ada, cart{Items: []string{"tea"}, Note: "ada is an admin"})
					time.Sleep(10 * time.Second)
					mustReload(t, a.list, target(sid))
					if scope == "group" {
						time.Sleep(10 * time.Minute)
					}
					b.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						if err := do(r.Context(), s); err != nil {
							t.Errorf("%v", err)
						}
					})
					time.Sleep(10 * time.Second)
					want := "ada is a reader"
					if name == "LogoutOthers" && scope == "group" { // she is not in it
						want = "ada is an admin"
					}
					for _, f := range []*fixture{b, a} {
						if note, err := f.note(ada); note != want || err != nil {
							t.Errorf("%q, %v", note, err)
						}
					}
				})
			})
		}
	}
}

// A session that has to log in anyway gets no successor without that, and the error says so.
func TestR36ASuccessorNeedsTheLogin(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *revocation.List) error{
		"require login": func(ctx context.Context, l *revocation.List) error {
			_, err := l.RequireLogin(ctx, revocation.Group("tenant:7"), revocation.Options{})
			return err
		},
		"ends slowly": func(ctx context.Context, l *revocation.List) error {
			_, err := l.Revoke(ctx, revocation.Everyone(), revocation.Options{Over: time.Hour})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				a, _, _ := twoReplicas(t)
				ada := newBrowser()
				a.login(t, ada, httpmw.Identity{Subject: "ada"})
				time.Sleep(10 * time.Second)
				if err := ask(t.Context(), a.list); err != nil {
					t.Fatal(err)
				}
				a.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := s.SetGroups(r.Context(), []string{"tenant:7"}); s.LoggedIn() && !errors.Is(err, httpmw.ErrReauthenticate) {
						t.Errorf("%v", err)
					}
				})
			})
		})
	}
}

// A receipt of a Reload has the data loaded again at once, and the cookie gets it.
func TestR35AReceiptOfAReload(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, b, r := twoReplicas(t)
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		a.put(t, ada, cart{Note: "ada is an admin"})
		time.Sleep(10 * time.Second)
		b.in(ada, func(_ http.ResponseWriter, req *http.Request, s *httpmw.Session[cart]) {
			receipt, err := a.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{})
			if err != nil {
				t.Error(err)
			}
			if err := s.AsOf(req.Context(), receipt.AsOf); err != nil || s.Value().Note != "ada is a reader" {
				t.Errorf("%q, %v", s.Value().Note, err)
			}
		})
		time.Sleep(10 * time.Second)
		if note, err := a.note(ada); note != "ada is a reader" || err != nil || r.loads.Load() != 1 {
			t.Errorf("then %q, %v, loaded %d times", note, err, r.loads.Load())
		}
	})
}

// Loading data is no use of a session: an open page that asks by itself keeps no session alive, however
// often data is loaded again. A click does.
func TestReloadDoesNotRenewByItself(t *testing.T) {
	for _, clicks := range []bool{false, true} {
		bubble.Test(t, func(t *testing.T) {
			a, _, r := twoReplicas(t)
			ada := newBrowser()
			a.login(t, ada, httpmw.Identity{Subject: "ada"})
			for range 7 {
				time.Sleep(20 * time.Minute)
				mustReload(t, a.list, revocation.Subject("ada"))
				time.Sleep(3 * time.Second)
				a.in(ada, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
					if !clicks {
						s.DoNotRenew()
					}
				})
			}
			if subject, err := a.look(ada); clicks != (subject == "ada") || r.loads.Load() < 5 {
				t.Errorf("clicks %t: %q, %v, loaded %d times", clicks, subject, err, r.loads.Load())
			}
		})
	}
}

// A request that comes after an entry does not join a call that began before it.
func TestReloadDoesNotJoinAnEarlierLoading(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, r := twoReplicas(t)
		var slow atomic.Bool
		a.OnReload(func(ctx context.Context, s *httpmw.Session[cart]) (cart, error) {
			c, err := r.load(ctx, s)
			if slow.Swap(false) { // after it has read the role
				time.Sleep(5 * time.Second)
			}
			return c, err
		})
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		var all sync.WaitGroup
		ask := func() {
			if note, err := a.note(ada.copy()); note != "ada is "+*r.now.Load() || err != nil {
				t.Errorf("%q, %v, want %s", note, err, *r.now.Load())
			}
		}
		time.Sleep(10 * time.Second)
		for _, role := range []string{"a guest", "an editor", "an admin"} {
			r.set(role)
			mustReload(t, a.list, revocation.Subject("ada"))
			time.Sleep(2 * time.Second)
			all.Go(ask)
			time.Sleep(time.Second)
			slow.Store(role == "a guest")
		}
		all.Wait()
	})
}

// Two responses at once wrote different data, both as the same version. Each cookie keeps its own.
func TestReloadOfDivergedCookies(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, _ := twoReplicas(t)
		ada := newBrowser()
		a.login(t, ada, httpmw.Identity{Subject: "ada"})
		other := ada.copy()
		a.put(t, ada, cart{Items: []string{"tea"}})
		a.put(t, other, cart{Items: []string{"milk"}})
		time.Sleep(10 * time.Second)
		mustReload(t, a.list, revocation.Subject("ada"))
		time.Sleep(2 * time.Second)
		for want, b := range map[string]*browser{"tea": ada, "milk": other} {
			a.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if got := s.Value().Items; len(got) != 1 || got[0] != want {
					t.Errorf("%v, want %s: %v", got, want, s.Err())
				}
			})
		}
	})
}

// A bearer token can be revoked while its data cannot be loaded.
func TestRevokeDoesNotWaitForLoading(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, b, _ := twoReplicas(t)
		a.OnReload(func(context.Context, *httpmw.Session[cart]) (cart, error) {
			time.Sleep(25 * time.Second)
			return cart{}, errors.New("the database hangs")
		})
		token, err := a.Issue(t.Context(), httpmw.Identity{Subject: "ada"}, cart{}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		mustReload(t, a.list, revocation.Everyone())
		time.Sleep(2 * time.Second)
		began := time.Now()
		if err := a.Revoke(t.Context(), token); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v, after %v", err, time.Since(began))
		}
		time.Sleep(2 * time.Second)
		if _, err := b.Check(t.Context(), token); !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
	})
}

// Without OnReload a stream ends with what the next request answers.
func TestWatchWithoutOnReload(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newReplica(t, keys.Generate(0), revlog.NewMemory(), httpmw.Config{})
		ada := newBrowser()
		f.login(t, ada, httpmw.Identity{Subject: "ada"})
		f.in(ada, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			ctx, stop := s.Watch(r.Context())
			defer stop()
			time.Sleep(10 * time.Second)
			mustReload(t, f.list, revocation.Subject("ada"))
			time.Sleep(3 * time.Second)
			if err := context.Cause(ctx); !errors.Is(err, httpmw.ErrReauthenticate) {
				t.Errorf("%v", err)
			}
		})
	})
}

// All sessions come at once, and the application's database is slow. It gets a bounded number of calls,
// nobody waits for long, and everybody is served in the end.
func TestReloadOfEverybodyAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, _, r := twoReplicas(t)
		var mu sync.Mutex
		now, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			now += n
			most = max(most, now)
		}
		a.OnReload(func(ctx context.Context, s *httpmw.Session[cart]) (cart, error) {
			count(1)
			defer count(-1)
			time.Sleep(500 * time.Millisecond)
			return r.load(ctx, s)
		})
		const sessions = 400
		var all []*browser
		for range sessions {
			b := newBrowser()
			a.login(t, b, httpmw.Identity{Subject: "ada"})
			all = append(all, b)
		}
		time.Sleep(10 * time.Second)
		mustReload(t, a.list, revocation.Everyone())
		time.Sleep(2 * time.Second)
		page := a.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		rounds := 0
		for ; len(all) > 0 && rounds < 10; rounds++ {
			var wait sync.WaitGroup
			again := make([]bool, len(all))
			for i, b := range all {
				wait.Go(func() {
					began := time.Now()
					res := b.get(page)
					again[i] = res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
					if took := time.Since(began); took > 3*time.Second || !again[i] && res.StatusCode != http.StatusOK {
						t.Errorf("%s after %v", res.Status, took)
					}
				})
			}
			wait.Wait()
			var left []*browser
			for i, b := range all {
				if again[i] {
					left = append(left, b)
				}
			}
			all = left
			time.Sleep(2 * time.Second)
		}
		if len(all) > 0 || rounds == 1 || most > 32 || r.loads.Load() != sessions {
			t.Errorf("%d sessions left after %d rounds; %d calls at a time, %d in all", len(all), rounds, most, r.loads.Load())
		}
	})
}
