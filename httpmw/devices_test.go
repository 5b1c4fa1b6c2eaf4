package httpmw_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

// timeless removes the times of an event. A session of somebody has all of them.
func timeless(t testing.TB, e httpmw.Event) httpmw.Event {
	t.Helper()
	if had := !e.Expires.IsZero(); had == e.LoginTime.IsZero() || had == e.Began.IsZero() || e.Kind == httpmw.EventLogin && !had {
		t.Errorf("%s: login %v, began %v, expires %v", e.Kind, e.LoginTime, e.Began, e.Expires)
	}
	e.LoginTime, e.Began, e.Expires = time.Time{}, time.Time{}, time.Time{}
	return e
}

// recorder is a httpmw.Devices that writes down what it is told.
type recorder struct {
	events []httpmw.Event
	refuse error
	begun  func(httpmw.Event)
}

func (r *recorder) Begin(_ context.Context, e httpmw.Event) error {
	e.Kind = "begin " + e.Kind
	r.events = append(r.events, e)
	if r.begun != nil {
		r.begun(e)
	}
	return r.refuse
}

func (r *recorder) OnEvent(_ context.Context, e httpmw.Event) { r.events = append(r.events, e) }

// take returns the kinds of the events since the last call.
func (r *recorder) take() (kinds []string) {
	for _, e := range r.events {
		kinds = append(kinds, string(e.Kind))
	}
	r.events = nil
	return kinds
}

func TestWhatDevicesAreTold(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := &recorder{}
		f := newFixture(t, httpmw.Config{Devices: d})
		b := newBrowser()
		check := func(when string, want ...string) {
			t.Helper()
			if got := d.take(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		do := func(what func(*httpmw.Session[cart], context.Context) error) {
			t.Helper()
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := what(s, r.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		do(func(s *httpmw.Session[cart], _ context.Context) error { return s.Set(cart{}) })
		check("an anonymous session")
		sid := f.login(t, b, httpmw.Identity{Subject: "ann", Device: "phone"})
		if e := d.events[0]; e.Session != sid || e.Previous != "" || e.Subject != "ann" || e.Device != "phone" || e.Request == nil ||
			e.LoginTime.IsZero() || e.Began.IsZero() || time.Until(e.Expires) != 2*time.Hour {
			t.Errorf("begin: %q %q", e.Session, e.Previous)
		}
		check("login", "begin login", "login", "seen")
		f.look(b)
		check("a plain request")
		do(func(s *httpmw.Session[cart], ctx context.Context) error { return s.SetGroups(ctx, []string{"g"}) })
		if e := d.events[0]; e.Previous != sid || e.Device != "" {
			t.Errorf("set groups: previous %q", e.Previous)
		}
		check("other groups", "begin set_groups", "set_groups", "seen")
		do((*httpmw.Session[cart]).LogoutOthers)
		check("logout others", "begin logout_others", "logout_others", "seen")
		time.Sleep(10 * time.Minute)
		f.look(b)
		if e := d.events[0]; time.Until(e.Expires) != 2*time.Hour || e.Subject != "ann" {
			t.Errorf("seen: expires in %v", time.Until(e.Expires))
		}
		check("a renewal", "seen")
		do(func(s *httpmw.Session[cart], ctx context.Context) error {
			return s.Login(ctx, httpmw.Identity{Subject: "bob"})
		})
		if e := d.events[0]; e.Previous != "" {
			t.Errorf("a session of another subject goes on: %q", e.Previous)
		}
		check("another subject", "begin login", "logout", "login", "seen")
		do((*httpmw.Session[cart]).Logout)
		check("logout", "logout")
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{}, 0); err != nil {
			t.Error(err)
		}
		check("a token", "login")
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Device: "app"}, cart{}, 0); err != nil {
			t.Error(err)
		}
		check("a token with a name", "begin login", "login")
	})
}

// What refuses a session gets its way, before a cookie leaves.
func TestDevicesRefuse(t *testing.T) {
	refused := errors.New("no room")
	d := &recorder{refuse: refused}
	f := newFixture(t, httpmw.Config{Devices: d})
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); !errors.Is(err, refused) || s.LoggedIn() {
			t.Errorf("login: %v", err)
		}
	})
	if len(b.jar) > 0 {
		t.Error("a cookie left")
	}
	if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Device: "app"}, cart{}, 0); !errors.Is(err, refused) {
		t.Errorf("issue: %v", err)
	}
}

// A session that is ended as soon as Devices knows of it is ended for good: it must not have been
// checked from behind that.
func TestASessionThatDevicesEndAtOnce(t *testing.T) {
	d := &recorder{}
	f := newFixture(t, httpmw.Config{Devices: d})
	d.begun = func(e httpmw.Event) {
		if _, err := f.list.Revoke(t.Context(), revocation.Session(e.Session), revocation.Options{}); err != nil {
			t.Error(err)
		}
	}
	for _, before := range []func(*browser){
		func(*browser) {},
		func(b *browser) { // a session that is replaced
			end := d.begun
			d.begun = nil
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			d.begun = end
		},
	} {
		b := newBrowser()
		before(b)
		d.take()
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); !errors.Is(err, httpmw.ErrRevoked) {
				t.Errorf("login: %v", err)
			}
		})
		if got := d.take(); len(got) < 2 || got[0] != "begin login" || got[1] != "logout" {
			t.Errorf("told was %q", got)
		}
		if subject, _ := f.look(b); subject != "" {
			t.Errorf("%q is logged in", subject)
		}
	}
}

// What does not fit is found before Devices makes room for it.
func TestDevicesAreNotAskedForWhatDoesNotFit(t *testing.T) {
	d := &recorder{}
	f := newFixture(t, httpmw.Config{Devices: d})
	f.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: string(make([]byte, 370))}); err != nil { // each byte takes six
			t.Fatal(err)
		}
		long := httpmw.Identity{Subject: string(slices.Repeat([]byte("x"), 256)), Groups: []string{"a", "b", "c", "d", "e", "f", "g", "h"}}
		if err := s.Login(r.Context(), long); !errors.Is(err, httpmw.ErrTooLarge) {
			t.Errorf("login: %v", err)
		}
	})
	if got := d.take(); len(got) > 0 {
		t.Errorf("told was %q", got)
	}
}

// A plain request does not notice that there is a list.
func TestDevicesCostAPlainRequestNothing(t *testing.T) {
	measure := func(c httpmw.Config) float64 {
		f := newFixture(t, c)
		r, w := steady(t, f, ""), &discard{http.Header{}}
		h := f.Require(http.HandlerFunc(bare))
		return testing.AllocsPerRun(200, func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		})
	}
	if with, without := measure(httpmw.Config{Devices: &recorder{}}), measure(httpmw.Config{}); with != without {
		t.Errorf("%v allocations with a list of devices, %v without", with, without)
	}
}
