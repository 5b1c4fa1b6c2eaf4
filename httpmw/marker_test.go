package httpmw_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
)

// However much is in the two, a browser sends no more than what one session may have, and no answer sets more.
func TestSizeOfAnonymousSessions(t *testing.T) {
	sent := func(b *browser) int { return len(b.request().Header.Get("Cookie")) }
	set := func(res *http.Response) (n int) {
		for _, line := range res.Header["Set-Cookie"] {
			n += len(line)
		}
		return n
	}
	// fill sets as much data as fits.
	fill := func(t *testing.T, s *httpmw.Session[cart]) {
		const size = 5000
		var tooLarge *httpmw.SizeError
		if err := s.Set(cart{Note: strings.Repeat("x", size)}); !errors.As(err, &tooLarge) {
			t.Errorf("got %v", err)
		} else if err := s.Set(cart{Note: strings.Repeat("x", size-tooLarge.Cut)}); err != nil {
			t.Error(err)
		}
	}
	for name, first := range map[string]func(s *httpmw.Session[cart]) error{
		"small": func(s *httpmw.Session[cart]) error { return nil },
		"large": func(s *httpmw.Session[cart]) error { return s.Set(cart{Note: strings.Repeat("x", 1500)}) },
	} {
		bubble.Test(t, func(t *testing.T) {
			f := newFixture(t, httpmw.Config{Idle: 20 * time.Minute})
			b := newBrowser()
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := errors.Join(s.Login(r.Context(), httpmw.Identity{Subject: "ann"}), first(s)); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(30 * time.Minute)
			res := f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { fill(t, s) })
			if n := set(res); n > 3500 {
				t.Errorf("%s: %d bytes of Set-Cookie", name, n)
			}
			if n := sent(b); n > 3500 {
				t.Errorf("%s: the browser sends %d bytes", name, n)
			}
			if _, note, err := f.shows(b); note == "" || err != nil {
				t.Errorf("%s: %q, %v", name, note, err)
			}
			// After a logout in the same answer.
			res = f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Logout(r.Context()); err != nil {
					t.Error(err)
				}
				fill(t, s)
			})
			if n := set(res); n > 3500 || n < 3450 {
				t.Errorf("%s: with a logout %d bytes of Set-Cookie", name, n)
			}
			// Becoming a login: if the line that expires the cookie has no room it comes later.
			res = f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Set(cart{}); err != nil {
					t.Error(err)
				}
				if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
					t.Error(err)
				}
				fill(t, s)
			})
			if n := set(res); n > 3500 || len(setNames(res)) != 1 {
				t.Errorf("%s: a login in %d bytes of Set-Cookie, %v", name, n, setNames(res))
			}
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Errorf("%s: %q, %v", name, subject, err)
			}
			time.Sleep(10 * time.Minute)
			f.look(b)
			if diff := cmp.Diff([]string{sessionName, renewalName}, b.names()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		})
	}
}

// A marker is no session and no bad one. One that we could not have written is a bad session cookie, as any other.
func TestMarkers(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		if err := f.does(b, note("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		now := func(d time.Duration) string { return "out." + strconv.FormatInt(time.Now().Add(d).UnixMilli(), 10) }
		for value, row := range map[string]struct {
			err  error // without an anonymous session
			note string
		}{
			now(0):                     {nil, ""},
			now(-2 * time.Second):      {nil, "x"},
			now(59 * time.Second):      {nil, ""},
			now(time.Hour):             {nil, "x"}, // further ahead than clocks may be: as if it were not there
			"out.1":                    {nil, "x"},
			"out.999999999999999":      {nil, "x"},
			"out.9999999999999999":     {httpmw.ErrMalformed, "x"},
			"out.":                     {httpmw.ErrMalformed, "x"},
			"out.0":                    {httpmw.ErrMalformed, "x"},
			"out.01":                   {httpmw.ErrMalformed, "x"},
			"out.+1":                   {httpmw.ErrMalformed, "x"},
			"out.-1":                   {httpmw.ErrMalformed, "x"},
			"out.1_0":                  {httpmw.ErrMalformed, "x"},
			"out.1x":                   {httpmw.ErrMalformed, "x"},
			"out.1.":                   {httpmw.ErrMalformed, "x"},
			"Out.1":                    {httpmw.ErrMalformed, "x"},
			"out.\u0661":               {httpmw.ErrMalformed, "x"},
			strings.Repeat("out.1", 9): {httpmw.ErrMalformed, "x"},
		} {
			before := f.Stats()
			cookie := sessionName + "=" + value
			if subject, err := f.with(cookie); subject != "" || err != row.err {
				t.Errorf("%s: %q, %v", value, subject, err)
			}
			after := f.Stats()
			if bad := after.Refused["malformed"] - before.Refused["malformed"]; bad == 1 != (row.err != nil) || after.Anonymous-before.Anonymous+bad != 1 {
				t.Errorf("%s: counted %d malformed", value, bad)
			}
			var note string
			if err := f.sends(func(s *httpmw.Session[cart], _ *http.Request) error {
				note = s.Value().Note
				return s.Err()
			}, cookie, anonName+"="+b.jar[anonName]); note != row.note || err != nil {
				t.Errorf("%s: beside an anonymous session: %q, %v", value, note, err)
			}
		}
		// Of several the latest counts, and beside a session they say nothing of it.
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if subject, err := f.with(sessionName+"="+now(0), sessionName+"="+b.jar[sessionName], sessionName+"=out.1"); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
	})
}
