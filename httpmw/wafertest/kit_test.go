package wafertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

// basket is the data of the sessions in these tests.
type basket struct {
	Items map[string]int `json:"items"`
	Notes []string       `json:"notes,omitempty"`
	Page  int            `json:"page,omitempty"`
}

// shop is the application under test. It shows a client who is logged in and what is in the basket.
func shop(m *httpmw.Manager[basket]) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		fmt.Fprintf(w, "%s %v", s.Subject(), s.Value().Items)
	})))
	mux.Handle("GET /pay", m.RequireThat(httpmw.Requirements{FreshList: true})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "paid")
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.From(r.Context()).Logout(r.Context()); err != nil {
			http.Error(w, "the store was not told", http.StatusBadGateway)
		}
	})
	return m.Handler(mux)
}

var ada = httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}}

func ask(t *testing.T, c *http.Client, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.StatusCode)
	}
	return string(body)
}

func TestARealServer(t *testing.T) {
	servers := []struct {
		name   string
		config httpmw.Config
		start  func(http.Handler) *httptest.Server
	}{
		{"https", httpmw.Config{}, httptest.NewTLSServer},
		{"http", httpmw.Config{InsecureHTTP: true}, httptest.NewServer},
		{"remembered", httpmw.Config{Remember: httpmw.Limits{Idle: 24 * time.Hour, Absolute: 365 * 24 * time.Hour}}, httptest.NewTLSServer},
	}
	for _, row := range servers {
		t.Run(row.name, func(t *testing.T) {
			kit := wafertest.New[basket](t, row.config)
			server := row.start(shop(kit.Manager))
			defer server.Close()
			c := server.Client()
			if got := ask(t, c, "GET", server.URL); got != "401" {
				t.Errorf("at first: %s", got)
			}
			first := kit.SignIn(c, server.URL, ada, basket{Items: map[string]int{"bread": 2}})
			if got := ask(t, c, "GET", server.URL); got != "ada map[bread:2]" {
				t.Errorf("signed in: %s", got)
			}
			second := kit.SignIn(c, server.URL, httpmw.Identity{Subject: "bob"}, basket{})
			if got := ask(t, c, "GET", server.URL); got != "bob map[]" || first == second {
				t.Errorf("signed in again: %s, ids %s and %s", got, first, second)
			}
			kit.Revoke(revocation.Session(second))
			if got := ask(t, c, "GET", server.URL); got != "401" {
				t.Errorf("revoked: %s", got)
			}
		})
	}
}

func TestARequest(t *testing.T) {
	kit := wafertest.New[basket](t, httpmw.Config{})
	handler := shop(kit.Manager)
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "lang", Value: "en"})
	for _, subject := range []string{"ada", "bob"} { // the second replaces the first
		kit.SignInRequest(r, httpmw.Identity{Subject: subject}, basket{Items: map[string]int{"bread": 1}})
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if got, want := rec.Body.String(), subject+" map[bread:1]"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if n := len(r.Cookies()); n != 2 || r.Cookies()[0].Value != "en" {
			t.Errorf("the request has cookies %v", r.Cookies())
		}
	}
}

func TestExample(t *testing.T) { testVisits(t) }

func TestEveryScopeCanBeRevoked(t *testing.T) {
	kit := wafertest.New[basket](t, httpmw.Config{})
	server := httptest.NewTLSServer(shop(kit.Manager))
	defer server.Close()
	for name, target := range map[string]revocation.Target{
		"subject": revocation.Subject("ada"), "group": revocation.Group("tenant:7"), "everyone": revocation.Everyone(),
	} {
		c := server.Client()
		kit.SignIn(c, server.URL, ada, basket{})
		if got := ask(t, c, "GET", server.URL); got != "ada map[]" {
			t.Errorf("%s: before: %s", name, got)
		}
		kit.Revoke(target)
		if got := ask(t, c, "GET", server.URL); got != "401" {
			t.Errorf("%s: after: %s", name, got)
		}
	}
}

// outage goes through both kinds of outage, and recovers from each.
func outage(t *testing.T, kit *wafertest.Kit[basket], get func(method, path string) string, signIn func()) {
	t.Helper()
	check := func(when string, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, []string{get("GET", "/"), get("GET", "/pay")}); d != "" {
			t.Errorf("%s: %s", when, d)
		}
	}
	signIn()
	check("well", "ada map[]", "paid")
	kit.Stale()
	check("stale", "ada map[]", "503")
	kit.Recover()
	check("recovered", "ada map[]", "paid")
	kit.Silent()
	check("silent", "503", "503")
	kit.Stale()
	kit.Recover()
	check("recovered again", "ada map[]", "paid")
	kit.Stale()
	if got := get("POST", "/logout"); got != "502" {
		t.Errorf("logout while stale: %s", got)
	}
	kit.Recover()
	check("logged out", "401", "401")
}

func TestOutagesOfARealServer(t *testing.T) {
	kit := wafertest.New[basket](t, httpmw.Config{})
	server := httptest.NewTLSServer(shop(kit.Manager))
	defer server.Close()
	c := server.Client()
	var sid string
	outage(t, kit, func(method, path string) string { return ask(t, c, method, server.URL+path) },
		func() { sid = kit.SignIn(c, server.URL, ada, basket{}) })
	if _, revoked, err := kit.List.Revoked(t.Context(), revocation.Session(sid)); err != nil || !revoked {
		t.Errorf("the store knows of the logout: %v, %v", revoked, err)
	}
}

func TestOutagesWithinABubble(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		begun := time.Now()
		kit := wafertest.New[basket](t, httpmw.Config{})
		handler := shop(kit.Manager)
		signed := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		outage(t, kit, func(method, path string) string {
			r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			r.Header["Cookie"] = signed.Header["Cookie"]
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			if rec.Code != http.StatusOK {
				return fmt.Sprint(rec.Code)
			}
			return rec.Body.String()
		}, func() { kit.SignInRequest(signed, ada, basket{}) })
		if time.Since(begun) > time.Minute {
			t.Errorf("that took %v", time.Since(begun))
		}
	})
}

// The limits are those of the application, however long a list in production would remember.
func TestTimePasses(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		kit := wafertest.New[basket](t, httpmw.Config{Idle: time.Hour, Absolute: 48 * time.Hour})
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		kit.SignInRequest(r, ada, basket{})
		look := func() error {
			s := error(nil)
			kit.Manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s = kit.Manager.From(r.Context()).Err()
			})).ServeHTTP(httptest.NewRecorder(), r)
			return s
		}
		time.Sleep(time.Hour - time.Second)
		if err := look(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := look(); !errors.Is(err, httpmw.ErrExpiredIdle) {
			t.Errorf("after an hour: %v", err)
		}
	})
}

func TestTheRingIsFixed(t *testing.T) {
	one, two := wafertest.Ring(), wafertest.Ring()
	if !bytes.Equal(one.PlaintextJWKSet(), two.PlaintextJWKSet()) {
		t.Error("two rings differ")
	}
	for _, when := range []string{"2000-01-01T00:00:00Z", "2200-01-01T00:00:00Z"} {
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			t.Fatal(err)
		}
		if k, ok := one.Sealing(at); !ok || k.ID() != two.Keys()[0].ID() {
			t.Errorf("no key seals at %s", when)
		}
	}
	// So a Kit can open what another one sealed, though its list may not know whether that was
	// revoked.
	a, b := wafertest.New[basket](t, httpmw.Config{}), wafertest.New[basket](t, httpmw.Config{})
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	a.SignInRequest(r, ada, basket{})
	if _, err := b.Manager.CheckCookies(t.Context(), r.Cookies()[0].Value, ""); err != nil && !errors.Is(err, httpmw.ErrUndecided) {
		t.Error(err)
	}
}

func TestFixtureFailsWithAReason(t *testing.T) {
	rows := []struct {
		name string
		do   func(tb testing.TB)
		want string
	}{
		{"a Config that does not work", func(tb testing.TB) { wafertest.New[basket](tb, httpmw.Config{App: "no spaces"}) }, "App"},
		{"plain http without InsecureHTTP", func(tb testing.TB) {
			wafertest.New[basket](tb, httpmw.Config{}).SignIn(&http.Client{}, "http://127.0.0.1:1", ada, basket{})
		}, "NewTLSServer"},
		{"no URL", func(tb testing.TB) {
			wafertest.New[basket](tb, httpmw.Config{}).SignIn(&http.Client{}, "127.0.0.1", ada, basket{})
		}, "not the URL"},
		{"another domain", func(tb testing.TB) {
			wafertest.New[basket](tb, httpmw.Config{Domain: "example.com"}).SignIn(&http.Client{}, "https://127.0.0.1", ada, basket{})
		}, "example.com"},
		{"nobody", func(tb testing.TB) {
			wafertest.New[basket](tb, httpmw.Config{}).SignInRequest(httptest.NewRequestWithContext(tb.Context(), "GET", "/", nil), httpmw.Identity{}, basket{})
		}, "subject"},
		{"too much data", func(tb testing.TB) {
			wafertest.New[basket](tb, httpmw.Config{}).SignInRequest(httptest.NewRequestWithContext(tb.Context(), "GET", "/", nil), ada, basket{Notes: []string{strings.Repeat("x", 9999)}})
		}, "too large"},
		{"revoke while the store is away", func(tb testing.TB) {
			k := wafertest.New[basket](tb, httpmw.Config{})
			k.Stale()
			k.Revoke(revocation.Subject("ada"))
		}, "did not answer"},
		{"a list that was closed", func(tb testing.TB) {
			k := wafertest.New[basket](tb, httpmw.Config{})
			_ = k.List.Close()
			k.Recover()
		}, "closed"},
		{"lost changes of what shares nothing", func(tb testing.TB) { wafertest.New[struct{ N [3]int }](tb, httpmw.Config{}).FailOnLostChanges() }, "pointer"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				if got := watch(t, row.do); len(got) != 1 || !strings.Contains(got[0], row.want) {
					t.Errorf("it failed with %q, want one that names %q", got, row.want)
				}
			})
		})
	}
}

// watch runs do with its own TB and returns the failures.
func watch(t *testing.T, do func(tb testing.TB)) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeTB{TB: t, ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(f)
	}()
	<-done
	cancel()
	for len(f.cleanups) > 0 {
		last := f.cleanups[len(f.cleanups)-1]
		f.cleanups = f.cleanups[:len(f.cleanups)-1]
		last()
	}
	return f.failures
}
