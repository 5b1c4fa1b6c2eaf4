package httpmw_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
)

func TestRequire(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	secret := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "secret") })
	logged, anonymous, junk := newBrowser(), newBrowser(), newBrowser()
	f.login(t, logged, httpmw.Identity{Subject: "ann"})
	f.in(anonymous, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{}); err != nil {
			t.Error(err)
		}
	})
	junk.jar[sessionName] = "junk"
	for name, row := range map[string]struct {
		who    *browser
		status int
	}{
		"logged in": {logged, 200},
		"nobody":    {newBrowser(), 401},
		"anonymous": {anonymous, 401},
		"junk":      {junk, 401},
	} {
		for how, h := range map[string]http.Handler{"alone": f.Require(secret), "within Handler": f.Handler(f.Require(secret))} {
			res := row.who.get(h)
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != row.status || strings.Contains(string(body), "secret") != (row.status == 200) {
				t.Errorf("%s, %s: %d %q", name, how, res.StatusCode, body)
			}
			if res.Header.Get("Vary") != "Cookie" {
				t.Errorf("%s, %s: Vary %q", name, how, res.Header["Vary"])
			}
			if row.status == 401 && (res.Header.Get("Cache-Control") != "no-store" || len(setNames(res)) != 0 || string(body) != "Unauthorized\n") {
				t.Errorf("%s, %s: header %v, body %q", name, how, res.Header, body)
			}
		}
	}
}

func TestRequireThat(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		recent := f.RequireThat(httpmw.Requirements{LoginWithin: 10 * time.Minute})(ok)
		tenant := f.RequireThat(httpmw.Requirements{Group: func(r *http.Request) string {
			if id := r.URL.Query().Get("tenant"); id != "" {
				return "tenant:" + id
			}
			return ""
		}})(ok)
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"tenant:7"}})
		status := func(h http.Handler, query string) int {
			r := b.request()
			r.URL.RawQuery = query
			return b.send(h, r).StatusCode
		}
		for query, want := range map[string]int{"tenant=7": 200, "tenant=8": 403, "": 403} {
			if got := status(tenant, query); got != want {
				t.Errorf("%q: %d, want %d", query, got, want)
			}
		}
		if got := newBrowser().get(tenant).StatusCode; got != 401 {
			t.Errorf("nobody: %d", got)
		}
		time.Sleep(10 * time.Minute)
		if got := status(recent, ""); got != 200 {
			t.Errorf("in time: %d", got)
		}
		time.Sleep(time.Second)
		if got := status(recent, ""); got != 401 {
			t.Errorf("too late: %d", got)
		}
		// Switching groups is no login; a login is.
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.SetGroups(r.Context(), []string{"tenant:8"}); err != nil {
				t.Error(err)
			}
		})
		if got := status(recent, ""); got != 401 {
			t.Errorf("after switching: %d", got)
		}
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if got := status(recent, ""); got != 200 {
			t.Errorf("after a new login: %d", got)
		}
	})
}

// Refuse gets the status and the reason, in every case there is.
func TestRefuse(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var gotErr error
		f := newFixture(t, httpmw.Config{Idle: longerThanGrace, Refuse: func(w http.ResponseWriter, r *http.Request, status int, err error) {
			gotErr = err
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status":%d}`, status)
		}})
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		b, old, junk := newBrowser(), newBrowser(), newBrowser()
		f.login(t, old, httpmw.Identity{Subject: "ann"})
		time.Sleep(longerThanGrace)
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		junk.jar[sessionName] = "junk"
		time.Sleep(time.Minute)
		for name, row := range map[string]struct {
			who    *browser
			need   httpmw.Requirements
			status int
			err    error
		}{
			"nobody":    {newBrowser(), httpmw.Requirements{}, 401, httpmw.ErrNoLogin},
			"junk":      {junk, httpmw.Requirements{}, 401, httpmw.ErrMalformed},
			"expired":   {old, httpmw.Requirements{}, 401, httpmw.ErrExpiredIdle},
			"long ago":  {b, httpmw.Requirements{LoginWithin: time.Second}, 401, httpmw.ErrLoginTooOld},
			"forbidden": {b, httpmw.Requirements{Group: func(*http.Request) string { return "g" }}, 403, httpmw.ErrForbidden},
		} {
			res := row.who.get(f.RequireThat(row.need)(ok))
			if res.StatusCode != row.status || !errors.Is(gotErr, row.err) || res.Header.Get("Retry-After") != "" {
				t.Errorf("%s: %d, %v", name, res.StatusCode, gotErr)
			}
			if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("%s: Content-Type %q", name, got)
			}
		}
		undecidable(t, f, b)
		if res := b.get(f.Require(ok)); res.StatusCode != 503 || gotErr != httpmw.ErrUndecided || res.Header.Get("Retry-After") != "2" {
			t.Errorf("undecided: %d, %v", res.StatusCode, gotErr)
		}
	})
}

// SameSite and a session do not stop forged requests from a neighbouring host. CrossOriginProtection does.
func TestCrossOriginProtection(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	paid := 0
	mux := http.NewServeMux()
	mux.Handle("/pay", f.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paid++
		if err := f.From(r.Context()).Set(cart{Note: "paid"}); err != nil {
			t.Error(err)
		}
	})))
	h := http.NewCrossOriginProtection().Handler(f.Handler(mux))
	for name, row := range map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"own page":                  {"POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"typed in":                  {"POST", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		"other site":                {"POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"neighbouring host":         {"POST", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"older browser, own":        {"POST", map[string]string{"Origin": "https://app.test"}, 200},
		"older browser, other":      {"POST", map[string]string{"Origin": "https://evil.test"}, 403},
		"older browser, null":       {"POST", map[string]string{"Origin": "null"}, 403},
		"no browser":                {"POST", nil, 200},
		"safe method":               {"GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		"delete from another site":  {"DELETE", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"without a login it is 401": {"POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Cookie": "x=y"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			before := paid
			r := b.request()
			r.Method, r.URL.Path = row.method, "/pay"
			for k, v := range row.header {
				r.Header.Set(k, v)
			}
			res := b.copy().send(h, r)
			if res.StatusCode != row.status || (paid > before) != (row.status == 200) {
				t.Errorf("status %d, want %d; paid %v", res.StatusCode, row.status, paid > before)
			}
			if row.status == 403 && (len(res.Header["Set-Cookie"]) != 0 || f.Stats().Withheld != 0) {
				t.Errorf("a forged request set %v", res.Header["Set-Cookie"])
			}
		})
	}
}
