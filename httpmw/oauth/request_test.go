package oauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// endpoints are both handlers of a replica, by name.
func (f *fixture) endpoints() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"revoke": f.Endpoints.Revoke, "introspect": f.Endpoints.Introspect}
}

func TestRequestsThatAreRefused(t *testing.T) {
	f := start(t, all)
	bearer := f.issue(t)
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(s)) }
	}
	kind := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["Content-Type"] = values }
	}
	auth := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	escaped := func(id, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
	}
	token := "token=" + bearer
	for name, row := range map[string]struct {
		change func(*http.Request)
		status int
		code   string
	}{
		"GET":                {func(r *http.Request) { r.Method = http.MethodGet }, 405, "invalid_request"},
		"in the query":       {func(r *http.Request) { r.URL.RawQuery = token; body("")(r) }, 400, "invalid_request"},
		"no token":           {body("token_type_hint=access_token"), 400, "invalid_request"},
		"empty token":        {body("token="), 400, "invalid_request"},
		"token twice":        {body(token + "&" + token), 400, "invalid_request"},
		"hint twice":         {body(token + "&token_type_hint=a&token_type_hint=b"), 400, "invalid_request"},
		"another twice":      {body(token + "&x=1&x=1"), 400, "invalid_request"},
		"bad escape":         {body(token + "&x=%zz"), 400, "invalid_request"},
		"semicolon":          {body(token + ";x=1"), 400, "invalid_request"},
		"a second secret":    {body(token + "&client_id=x&client_secret=y"), 400, "invalid_request"},
		"an assertion too":   {body(token + "&client_assertion=y"), 400, "invalid_request"},
		"JSON":               {kind("application/json"), 400, "invalid_request"},
		"no type":            {kind(), 400, "invalid_request"},
		"two types":          {kind("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"), 400, "invalid_request"},
		"multipart":          {kind("multipart/form-data; boundary=x"), 400, "invalid_request"},
		"too long":           {body(token + "&x=" + strings.Repeat("x", 24<<10)), 413, "invalid_request"},
		"breaks off":         {func(r *http.Request) { r.Body = io.NopCloser(breaks{}) }, 400, "invalid_request"},
		"of another origin":  {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "invalid_request"},
		"no client":          {func(r *http.Request) { r.Header.Del("Authorization") }, 401, "invalid_client"},
		"wrong secret":       {escaped(client, secret+"x"), 401, "invalid_client"},
		"part of the secret": {escaped(client, secret[:len(secret)-1]), 401, "invalid_client"},
		"no secret":          {escaped(client, ""), 401, "invalid_client"},
		"unknown client":     {escaped("x", secret), 401, "invalid_client"},
		"no id":              {escaped("", secret), 401, "invalid_client"},
		"not escaped":        {func(r *http.Request) { r.SetBasicAuth(client, secret) }, 401, "invalid_client"},
		"as a bearer token":  {auth("Bearer " + secret), 401, "invalid_client"},
		"two clients":        {func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, 401, "invalid_client"},
		"credentials in form": {func(r *http.Request) {
			r.Header.Del("Authorization")
			body(token + "&client_id=" + url.QueryEscape(client) + "&client_secret=" + url.QueryEscape(secret))(r)
		}, 401, "invalid_client"},
	} {
		for endpoint, h := range f.endpoints() {
			r := form(url.Values{"token": {bearer}})
			row.change(r)
			got := send(t, h, r)
			if got.fails(t, row.status, row.code); t.Failed() {
				t.Fatalf("%s: %s", endpoint, name)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (row.status == 401) != strings.HasPrefix(challenge, "Basic ") {
				t.Errorf("%s: %s: WWW-Authenticate %q", endpoint, name, challenge)
			}
			if allow := got.header.Get("Allow"); (row.status == 405) != (allow == "POST") {
				t.Errorf("%s: %s: Allow %q", endpoint, name, allow)
			}
		}
	}
	f.active(t, bearer, true) // nothing was revoked
}

type breaks struct{}

func (breaks) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Hints and parameters that nobody knows change nothing, whatever they say.
func TestOtherParametersAreIgnored(t *testing.T) {
	f := start(t, all)
	for _, hint := range []string{"", "access_token", "refresh_token", "pair", "\x00"} {
		r := form(url.Values{"token": {f.issue(t)}, "token_type_hint": {hint}, "callback": {"evil"}, "client_id": {"x"}, "client_secret": {""}})
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
		if got := send(t, f.Endpoints.Introspect, r); got.body["active"] != true {
			t.Errorf("hint %q: %d %v", hint, got.status, got.body)
		}
	}
}

// An operator learns which client has a wrong secret, but nothing that a stranger sent.
func TestWrongSecretsAreLogged(t *testing.T) {
	var log bytes.Buffer
	f := start(t, func(c *oauth.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 3 {
		for id, password := range map[string]string{client: "an old secret of it", "a stranger": "a guess", secret: client} {
			r := form(url.Values{"token": {"x"}})
			r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
			send(t, f.Endpoints.Introspect, r).fails(t, http.StatusUnauthorized, "invalid_client")
		}
	}
	s := log.String()
	if strings.Count(s, "\n") != 2 || !strings.Contains(s, `msg="oauth: wrong secret of a client" remote=192.0.2.1:1234 client="`+client+`"`) ||
		!strings.Contains(s, `msg="oauth: authentication refused" remote=192.0.2.1:1234 times`) {
		t.Errorf("log:\n%s", s)
	}
	for _, sent := range []string{"an old", "stranger", "a guess", secret} {
		if strings.Contains(s, sent) {
			t.Errorf("the log has %q:\n%s", sent, s)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	var log bytes.Buffer
	f := start(t, func(c *oauth.Config) {
		c.Clients, c.Logger = nil, slog.New(slog.NewTextHandler(&log, nil))
		c.Authenticate = func(r *http.Request) (string, error) {
			if r.Header.Get("X-Client") == "" {
				return "", errors.New("nobody")
			}
			return r.Header.Get("X-Client"), nil
		}
	})
	bearer := f.issue(t)
	got := send(t, f.Endpoints.Revoke, form(url.Values{"token": {bearer}}))
	got.fails(t, http.StatusUnauthorized, "invalid_client")
	if challenge := got.header.Get("WWW-Authenticate"); challenge != `Bearer realm="wafer"` {
		t.Errorf("WWW-Authenticate: %q", challenge)
	}
	r := form(url.Values{"token": {bearer}})
	r.Header.Set("X-Client", "the gateway")
	if got := send(t, f.Endpoints.Revoke, r); got.status != http.StatusOK {
		t.Errorf("%d %v", got.status, got.body)
	}
	for range 10 {
		send(t, f.Endpoints.Revoke, form(url.Values{"token": {bearer}}))
	}
	s := log.String()
	if strings.Count(s, "authentication refused") != 1 {
		t.Errorf("log:\n%s", s)
	}
	record, err := audit.Parse([]byte(f.audit.String()))
	if err != nil || record.By.Actor != "client:the gateway" || record.By.Reason != "token revocation" || record.By.Address != r.RemoteAddr {
		t.Errorf("%v, audit record %+v", err, record)
	}
	s += f.audit.String()
	for _, secret := range []string{bearer, "ann", "nobody"} {
		if strings.Contains(s, secret) {
			t.Errorf("the log has %.20q:\n%s", secret, s)
		}
	}
}

func TestNewRefusesEndpointsForEverybody(t *testing.T) {
	f := start(t)
	authenticate := func(*http.Request) (string, error) { return "me", nil }
	clients := map[string]string{client: secret}
	for name, c := range map[string]oauth.Config{
		"nothing":      {},
		"both":         {Clients: clients, Authenticate: authenticate},
		"short secret": {Clients: map[string]string{client: secret[:oauth.MinSecret-1]}},
		"one letter":   {Clients: map[string]string{client: strings.Repeat("s", 32)}},
		"a word":       {Clients: map[string]string{client: strings.Repeat("password1", 4)}},
		"no id":        {Clients: map[string]string{"": secret + secret}},
	} {
		e, err := oauth.New(f.Manager, c)
		if err == nil || e != nil || strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("%s: New returned %v, %v", name, e, err)
		}
	}
	if e, err := oauth.New[data](nil, oauth.Config{Clients: clients}); err == nil || e != nil {
		t.Error("New accepts no Manager")
	}
	ring := keys.Generate(0)
	m, err := httpmw.New[data](keys.Static(ring), revocation.Disabled(ring), httpmw.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oauth.New(m, oauth.Config{Clients: clients}); !errors.Is(err, revocation.ErrDisabled) {
		t.Errorf("without a list: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v", f.Endpoints, oauth.Config{Clients: clients}, f.Endpoints); strings.Contains(s, secret[:8]) {
		t.Errorf("printed: %s", s)
	}
}

// FuzzEndpoints sends any form: nothing panics, every answer is one that the standards have, only the one true token is
// active, byte for byte, and nothing else ends its session.
func FuzzEndpoints(f *testing.F) {
	x := start(f, all)
	jar := x.login(f)
	x.browse(f, jar, func(s *httpmw.Session[data], _ *http.Request) error { return s.Set(data{"tea"}) })
	// Workers have rings of their own, so inputs name tokens instead of holding them.
	bearer, cookie := x.issue(f), jar[cookieName]
	expand := strings.NewReplacer("{bearer}", bearer, "{cookie}", cookie, "{half}", bearer[:len(bearer)/2], "{rest}", bearer[len(bearer)/2:])
	for _, seed := range []string{
		"", "token", "token=", "token={bearer}", "token={cookie}", "token={half}{rest}", "token={half}", "token={bearer}~", "token=~{bearer}",
		"token={cookie}~{bearer}", "token={cookie}~{cookie}~{cookie}~{cookie}~{cookie}", "token={bearer}&token={bearer}", "token={bearer}&Token=x",
		"token={bearer}&token_type_hint=x", "token=%7E", "token=%zz", "token={bearer};", "token={bearer}%20", "token={bearer}%3D", "token=e30..",
		"token=eyJ0eXAiOiJzZWVuK2p3dCJ9..", "token=eyJ0eXAiOiJzZXNzaW9uK2p3dCJ9..", "%74oken={bearer}", "token={bearer}\n", "a=b&&=&token={bearer}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(expand.Replace(seed)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
		got := send(t, x.Endpoints.Introspect, r)
		switch form, _ := url.ParseQuery(expand.Replace(seed)); {
		case got.status == http.StatusOK && got.body["active"] == true:
			token := form.Get("token")
			if first, _, _ := strings.Cut(token, "~"); token != bearer && first != cookie {
				t.Errorf("%q is active", seed)
			}
		case got.status == http.StatusOK:
			if len(got.body) != 1 || got.body["active"] != false {
				t.Errorf("%q: %v", seed, got.body)
			}
		case got.status != http.StatusBadRequest && got.status != http.StatusRequestEntityTooLarge || got.body["error"] != "invalid_request":
			t.Errorf("%q: %d %v", seed, got.status, got.body)
		}
		if strings.Contains(expand.Replace(seed), bearer[:100]) || strings.Contains(expand.Replace(seed), cookie[:100]) {
			return // it may end the sessions of this test
		}
		if got := send(t, x.Endpoints.Revoke, again(r, expand.Replace(seed))); got.status >= 500 || got.status == http.StatusUnauthorized {
			t.Errorf("%q: %d %v", seed, got.status, got.body)
		}
		x.active(t, bearer, true)
	})
}

// again returns a request with a new body.
func again(r *http.Request, body string) *http.Request {
	r.Body = io.NopCloser(strings.NewReader(body))
	return r
}
