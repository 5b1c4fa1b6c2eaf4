package httpmw_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// slow runs a request that waits between what it does to the session and its answer, while another one runs.
func (f *fixture) slow(b *browser, act func(*httpmw.Session[cart], *http.Request), meanwhile func()) *http.Response {
	return f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		act(s, r)
		meanwhile()
	})
}

// A response that comes late cannot bring back what another request ended (R23).
func TestLateResponseAfterALogout(t *testing.T) {
	endings := map[string]func(f *fixture, b *browser) error{
		"logout": func(f *fixture, b *browser) (err error) {
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) { err = s.Logout(r.Context()) })
			return err
		},
		"everywhere": func(f *fixture, b *browser) (err error) {
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				err = s.LogoutEverywhere(r.Context())
			})
			return err
		},
		"others, from elsewhere": func(f *fixture, _ *browser) (err error) {
			other := newBrowser()
			f.in(other, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err = s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err == nil {
					err = s.LogoutOthers(r.Context())
				}
			})
			return err
		},
		"by an administrator": func(f *fixture, _ *browser) error {
			_, err := f.list.Revoke(context.Background(), revocation.Everyone(), revocation.Options{})
			return err
		},
	}
	for name, end := range endings {
		for what, act := range map[string]func(*httpmw.Session[cart], *http.Request){
			"reader":  func(s *httpmw.Session[cart], _ *http.Request) { s.Subject() },
			"writer":  func(s *httpmw.Session[cart], _ *http.Request) { _ = s.Set(cart{Note: "late"}) },
			"stepper": func(s *httpmw.Session[cart], r *http.Request) { _ = s.SetGroups(r.Context(), []string{"g"}) },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					f := newFixture(t, httpmw.Config{})
					b := newBrowser()
					f.login(t, b, httpmw.Identity{Subject: "ann"})
					time.Sleep(10 * time.Minute) // a reader would renew
					tab := b.copy()
					res := f.slow(tab, act, func() {
						err := end(f, b)
						if revoked := what == "stepper" && name == "everywhere"; errors.Is(err, httpmw.ErrRevoked) != revoked || err != nil && !revoked {
							t.Errorf("ending it: %v", err)
						}
					})
					if what != "stepper" {
						if got := setNames(res); len(got) != 0 || f.Stats().Withheld != 1 {
							t.Errorf("the late response set %v", got)
						}
					}
					if what == "stepper" && (name == "logout" || name == "everywhere") {
						return // the session that was to end had been followed by another, and has no say any more
					}
					if subject, err := f.look(tab); subject != "" || err == nil {
						t.Errorf("the session lives on as %q", subject)
					}
				})
			})
		}
	}
}

// A session that is revoked while a request runs cannot be written any more, and says why.
func TestWriteAfterARevocation(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	res := f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		revoke(revocation.Subject("ann"))(t, f, b)
		if err := s.Set(cart{Note: "x"}); err != httpmw.ErrRevokedSubject {
			t.Errorf("Set: %v", err)
		}
		if s.LoggedIn() || s.Err() != httpmw.ErrRevokedSubject {
			t.Errorf("afterwards %q, %v", s.Subject(), s.Err())
		}
	})
	if got := setNames(res); len(got) != 0 {
		t.Errorf("set %v", got)
	}
}

// What mints a successor asks the store itself: a replica that lags behind a revocation mints nothing (R22).
func TestSuccessorOfASessionRevokedElsewhere(t *testing.T) {
	for name, do := range map[string]func(*httpmw.Session[cart], *http.Request) error{
		"switch": func(s *httpmw.Session[cart], r *http.Request) error { return s.SetGroups(r.Context(), []string{"g"}) },
		"others": func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) },
		"login": func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				lagging := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				time.Sleep(time.Second)
				revoke(revocation.Subject("ann"))(t, f, b)
				res := lagging.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if !s.LoggedIn() {
						t.Fatalf("it has heard already: %v", s.Err())
					}
					if err := do(s, r); !errors.Is(err, httpmw.ErrRevoked) || !errors.Is(err, revocation.ErrRevoked) {
						t.Errorf("got %v", err)
					}
					if s.LoggedIn() || !errors.Is(s.Err(), httpmw.ErrRevoked) {
						t.Errorf("afterwards %q, %v", s.Subject(), s.Err())
					}
				})
				if got := setNames(res); len(got) != 0 {
					t.Errorf("set %v", got)
				}
			})
		})
	}
}

// A late response of a login over a login, a write, or a rotation elsewhere leaves a session that works.
func TestLateResponseAfterOtherChanges(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(10 * time.Minute)

		// A reader that ends after a write does not take the write back.
		f.slow(b, func(s *httpmw.Session[cart], _ *http.Request) { s.Value() }, func() {
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if err := s.Set(cart{Note: "written"}); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Second)
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if diff := cmp.Diff(cart{Note: "written"}, s.Value()); diff != "" {
				t.Error(diff)
			}
		})

		// Of two writers the later response wins.
		f.slow(b, func(s *httpmw.Session[cart], _ *http.Request) { _ = s.Set(cart{Note: "slow"}) }, func() {
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { _ = s.Set(cart{Note: "fast"}) })
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Value().Note != "slow" || s.Subject() != "ann" {
				t.Errorf("%q has %q", s.Subject(), s.Value().Note)
			}
		})

		// A login elsewhere is nothing to this session.
		f.slow(b, func(s *httpmw.Session[cart], _ *http.Request) { _ = s.Set(cart{Note: "here"}) }, func() {
			f.login(t, newBrowser(), httpmw.Identity{Subject: "ann"})
		})
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}

		// A login over the session ends it: the late writer's cookie is withheld, and the browser has the new one.
		var fresh string
		f.slow(b, func(s *httpmw.Session[cart], _ *http.Request) { _ = s.Set(cart{Note: "late"}) }, func() {
			fresh = f.login(t, b, httpmw.Identity{Subject: "ann"})
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.ID() != fresh || s.Value().Note == "late" {
				t.Errorf("session %q with %q, want %q", s.ID(), s.Value().Note, fresh)
			}
		})
	})
}

// A rotation while requests run logs nobody out, whichever replica has which ring.
func TestRotationWhileARequestRuns(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		rotated, err := f.ring.Rotate(time.Now(), keys.Rotation{})
		if err != nil {
			t.Fatal(err)
		}
		next := newReplica(t, rotated, f.store.Unwrap(), httpmw.Config{})
		b := newBrowser()
		next.login(t, b, httpmw.Identity{Subject: "ann"}) // still sealed with the old key
		for i := range 60 {
			time.Sleep(time.Minute)
			who := next
			if i < 10 && i%2 == 0 {
				who = f // has not heard of the rotation
			}
			res := who.slow(b, func(s *httpmw.Session[cart], _ *http.Request) {
				if s.Subject() != "ann" {
					t.Fatalf("minute %d: %v", i, s.Err())
				}
				if i%7 == 0 {
					_ = s.Set(cart{})
				}
			}, func() { next.look(b) })
			if res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
		}
	})
}

// A session begun in a request that takes long, and ended everywhere meanwhile, does not leave.
func TestLoginRevokedBeforeItLeaves(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.slow(b, func(s *httpmw.Session[cart], r *http.Request) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
			t.Error(err)
		}
	}, func() {
		if _, err := f.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Error(err)
		}
	})
	if len(b.jar) != 0 {
		t.Errorf("jar %v", b.jar)
	}
}

// Real requests that overlap on real connections: a slow reader or writer, due for renewal, that ends after something
// else happened to its session.
func TestOverlappingRequests(t *testing.T) {
	for name, row := range map[string]struct {
		meanwhile string   // path of a request
		elsewhere bool     // of another browser
		reader    []string // what the slow reader's answer sets
		writer    []string // what the slow writer's answer sets
		note      string   // afterwards, if the slow one was a reader
		status    int      // of the page afterwards
	}{
		"nothing":         {"/page", false, []string{renewalName}, []string{sessionName}, "", 200},
		"a write":         {"/write?note=fast", false, []string{renewalName}, []string{sessionName}, "fast", 200},
		"a logout":        {"/logout", false, nil, nil, "", 401},
		"everywhere":      {"/everywhere", true, nil, nil, "", 401},
		"others":          {"/others", true, nil, nil, "", 401},
		"a login over it": {"/login", false, nil, nil, "", 200},
		"login elsewhere": {"/login", true, []string{renewalName}, []string{sessionName}, "", 200},
		"a rotation":      {"/rotate", false, []string{renewalName}, []string{sessionName}, "", 200},
	} {
		for _, slow := range []string{"reader", "writer"} {
			t.Run(name+"/"+slow, func(t *testing.T) {
				protocols(t, func(t *testing.T, http2 bool) {
					o := newOverlap(t, http2)
					done := make(chan []string, 1)
					path, want, note := "/slow", row.reader, row.note
					if slow == "writer" {
						path, want, note = "/slow?note=slow", row.writer, "slow"
						if row.writer == nil {
							note = row.note
						}
					}
					go func() {
						_, _, set := o.get(o.client, path)
						done <- set
					}()
					<-o.waiting
					who := o.client
					if row.elsewhere {
						who = o.other
					}
					if status, _, _ := o.get(who, row.meanwhile); status != 200 {
						t.Errorf("%s: status %d", row.meanwhile, status)
					}
					close(o.release)
					if diff := cmp.Diff(want, <-done); diff != "" {
						t.Errorf("the late answer set (-want +got):\n%s", diff)
					}
					status, body, _ := o.get(o.client, "/page")
					if status != row.status || status == 200 && body != "ann "+note {
						t.Errorf("afterwards: %d %q, want %d with %q", status, body, row.status, note)
					}
				})
			})
		}
	}
}

// overlap is a server, a browser with a session that is due for renewal, and another one of the same user.
type overlap struct {
	t                *testing.T
	f                *fixture
	url              string
	client, other    *http.Client
	waiting, release chan struct{}
}

func newOverlap(t *testing.T, http2 bool) *overlap {
	base := newFixture(t, httpmw.Config{})
	src := &source{}
	src.ring.Store(base.ring)
	m, err := httpmw.New[cart](src, base.list, httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Manager: m, ring: base.ring, store: base.store, list: base.list}
	o := &overlap{t: t, f: f, waiting: make(chan struct{}, 1), release: make(chan struct{})}
	write := func(s *httpmw.Session[cart], r *http.Request) error {
		if note := r.FormValue("note"); note != "" {
			return s.Set(cart{Note: note})
		}
		return nil
	}
	mux := http.NewServeMux()
	for path, do := range map[string]func(*httpmw.Session[cart], *http.Request) error{
		"/write":      write,
		"/logout":     func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) },
		"/everywhere": func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutEverywhere(r.Context()) },
		"/others":     func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) },
		"/login": func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
		},
		"/rotate": func(*httpmw.Session[cart], *http.Request) error {
			ring, err := src.Ring().Rotate(time.Now(), keys.Rotation{Immediate: true})
			src.ring.Store(ring)
			return err
		},
		"/slow": func(s *httpmw.Session[cart], r *http.Request) error {
			defer func() { <-o.release }()
			defer func() { o.waiting <- struct{}{} }()
			s.Value()
			return write(s, r)
		},
	} {
		mux.HandleFunc(path, func(_ http.ResponseWriter, r *http.Request) {
			if err := do(f.From(r.Context()), r); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		})
	}
	mux.Handle("/page", f.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := f.From(r.Context())
		io.WriteString(w, s.Subject()+" "+s.Value().Note)
	})))
	server, client := serve(t, f.Handler(mux), http2)
	o.url, o.client = server.URL, client
	o.other = &http.Client{Transport: client.Transport, Jar: must(newJar())}
	for _, c := range []*http.Client{o.client, o.other} {
		o.get(c, "/login")
	}
	// As if it had been a while since the browser was last here.
	address := must(url.Parse(o.url))
	b := newBrowser()
	for _, c := range o.client.Jar.Cookies(address) {
		b.jar[c.Name] = c.Value
	}
	f.age(t, b, 10*time.Minute)
	o.client.Jar.SetCookies(address, []*http.Cookie{{Name: sessionName, Value: b.jar[sessionName], Path: "/", Secure: true}})
	return o
}

func (o *overlap) get(c *http.Client, path string) (status int, body string, set []string) {
	res, err := c.Get(o.url + path)
	if err != nil {
		o.t.Error(err)
		return 0, "", nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Error(err)
	}
	return res.StatusCode, string(b), setNames(res)
}
