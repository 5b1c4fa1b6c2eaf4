package oauth_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

const (
	within = 2 * time.Second
	client = "gate way:1%"
	secret = "a secret of + %41 length"
)

var quiet = slog.New(slog.DiscardHandler)

type data struct{ Note string }

// fixture is one replica with its endpoints.
type fixture struct {
	*httpmw.Manager[data]
	*oauth.Endpoints
	ring  *keys.Ring
	store *revlogtest.Faulty
	list  *revocation.List
	audit *logtest.Log
}

// all are settings with which every kind of token is accepted and described.
func all(c *oauth.Config) { c.Cookies, c.Identify = true, true }

func start(t testing.TB, change ...func(*oauth.Config)) *fixture {
	return join(t, keys.Generate(0), revlog.NewMemory(), change...)
}

// join makes one replica of several that share a ring and a store.
func join(t testing.TB, ring *keys.Ring, s revlog.Store, change ...func(*oauth.Config)) *fixture {
	return joinWith(t, keys.Static(ring), s, httpmw.Config{}, change...)
}

func joinWith(t testing.TB, k keys.Source, s revlog.Store, hc httpmw.Config, change ...func(*oauth.Config)) *fixture {
	t.Helper()
	f := &fixture{ring: k.Ring(), store: revlogtest.NewFaulty(s), audit: new(logtest.Log)}
	var err error
	if f.list, err = revocation.Open(t.Context(), f.store, f.ring, revocation.Config{Logger: quiet, Audit: slog.NewJSONHandler(f.audit, nil)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.list.Close() })
	hc.Logger = quiet
	if f.Manager, err = httpmw.New[data](k, f.list, hc); err != nil {
		t.Fatal(err)
	}
	c := oauth.Config{Clients: map[string]string{client: secret}}
	for _, ch := range change {
		ch(&c)
	}
	if f.Endpoints, err = oauth.New(f.Manager, c); err != nil {
		t.Fatal(err)
	}
	return f
}

// issue returns a bearer token of ann that lives for an hour.
func (f *fixture) issue(t testing.TB) string {
	t.Helper()
	bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, data{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return bearer
}

// browse sends a request with cookies, and adds those of the answer to them.
func (f *fixture) browse(t testing.TB, jar map[string]string, do func(*httpmw.Session[data], *http.Request) error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	for name, value := range jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := do(f.From(r.Context()), r); err != nil {
			t.Fatal(err)
		}
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		jar[c.Name] = c.Value
	}
}

const cookieName = "__Host-Http-session"

// login returns the cookies of ann.
func (f *fixture) login(t testing.TB) map[string]string {
	jar := map[string]string{}
	f.browse(t, jar, func(s *httpmw.Session[data], r *http.Request) error {
		return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
	})
	return jar
}

// form returns a request with a form, by the client.
func form(values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://auth.example.com/oauth", strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func send(t testing.TB, h http.HandlerFunc, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	h(w, r)
	a := answer{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			t.Fatalf("answered %q", w.Body)
		}
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	return a
}

func (f *fixture) introspect(t testing.TB, token string) answer {
	t.Helper()
	return send(t, f.Endpoints.Introspect, form(url.Values{"token": {token}}))
}

func (f *fixture) revoke(t testing.TB, token string) answer {
	t.Helper()
	return send(t, f.Endpoints.Revoke, form(url.Values{"token": {token}}))
}

// active fails unless the token is active, or inactive and nothing is said about it.
func (f *fixture) active(t testing.TB, token string, want bool) {
	t.Helper()
	got := f.introspect(t, token)
	if got.status != http.StatusOK || got.body["active"] != want || !want && len(got.body) != 1 {
		t.Errorf("%d %v, want active %v", got.status, got.body, want)
	}
}

// ends fails unless revoking the token is answered with 200.
func (f *fixture) ends(t testing.TB, token string) {
	t.Helper()
	if got := f.revoke(t, token); got.status != http.StatusOK || got.body != nil {
		t.Errorf("%d %v, want 200", got.status, got.body)
	}
}

// describes reports whether v is a text of the characters that RFC 6749 section 5.2 allows.
func describes(v any) bool {
	s, ok := v.(string)
	return ok && s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

// fails fails unless the answer is that error.
func (a answer) fails(t testing.TB, status int, code string) {
	t.Helper()
	if a.status != status || a.body["error"] != code || !describes(a.body["error_description"]) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v, want %d %s", a.status, a.body, status, code)
	}
	if after := a.header.Get("Retry-After"); (status == http.StatusServiceUnavailable) != (after != "") {
		t.Errorf("Retry-After: %q", after)
	}
}
