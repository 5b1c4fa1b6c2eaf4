package httpmw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Every snippet of the guides stands in a file that is compiled and tested, line by line.
func TestGuideShowsWhatIsTested(t *testing.T) {
	examples, err := filepath.Glob("example_*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	guideShows(t, "sessions.md", 10, examples...)
	guideShows(t, "openid.md", 2, append(examples, "backchannel/endtoend_test.go")...)
	guideShows(t, "machines.md", 6, examples...)
}

// guideShows checks that each snippet of a page, and at least some, is in one of the files.
func guideShows(t *testing.T, page string, least int, names ...string) {
	guide, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(source)
	}
	all := unindent(sources.String())
	n := 0
	for part := range strings.SplitSeq(string(guide), "\n```go\n") {
		if n++; n == 1 {
			continue
		}
		snippet, _, ok := strings.Cut(part, "\n```\n")
		if !ok {
			t.Fatalf("snippet %d does not end", n-1)
		}
		if !strings.Contains(all, "\n"+unindent(snippet)+"\n") {
			t.Errorf("%s: no example holds these lines:\n%s", page, snippet)
		}
	}
	if n-1 < least {
		t.Errorf("%s: found %d snippets", page, n-1)
	}
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "\n")
}

// A user's name is text on every page that shows it.
func TestGuideShowsNamesAsText(t *testing.T) {
	g, err := newGuide(t.Context(), keys.Static(keys.Generate(0)), revlog.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.list.Close() })
	server, client := serve(t, g.handler(), false)
	const name = "<script>alert(1)</script>"
	res, err := client.PostForm(server.URL+"/login", url.Values{"user": {name}, "password": {"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for _, path := range []string{"/", "/account", "/tenant/7"} {
		res, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if got := res.Header.Get("Content-Type"); err != nil || !strings.Contains(string(body), name) || got != "text/plain; charset=utf-8" {
			t.Errorf("%s: %s %q, %v", path, got, body, err)
		}
	}
}

// The program of the guide does what the guide says.
func TestGuide(t *testing.T) {
	g, err := newGuide(t.Context(), keys.Static(keys.Generate(0)), revlog.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.list.Close() })
	server, client := serve(t, g.handler(), true)
	other := &http.Client{Transport: client.Transport, Jar: must(newJar()), CheckRedirect: client.CheckRedirect}
	do := func(c *http.Client, method, path string, form url.Values) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	ann := url.Values{"user": {"ann"}, "password": {"secret"}}
	for i, step := range []struct {
		client       *http.Client
		method, path string
		form         url.Values
		status       int
		body         string
	}{
		{client, "GET", "/", nil, 200, "Welcome. You have 0 items."},
		{client, "GET", "/account", nil, 401, "Unauthorized\n"},
		{client, "POST", "/items", url.Values{"item": {"tea"}}, 200, ""},
		{client, "GET", "/", nil, 200, "Welcome. You have 1 items."},
		{client, "POST", "/login", url.Values{"user": {"ann"}, "password": {"guess"}}, 401, "That is not the password.\n"},
		{client, "POST", "/login", ann, 303, ""},
		{client, "GET", "/", nil, 200, "Welcome back, ann. You have 1 items."},
		{client, "POST", "/items", url.Values{"item": {strings.Repeat("x", 3000)}}, 507, "Your basket is full.\n"},
		{client, "POST", "/pay", nil, 200, "paid"},
		{client, "GET", "/tenant/8", nil, 403, "Forbidden\n"},
		{client, "POST", "/tenant/8", nil, 403, "You are not a member of this tenant.\n"}, // so nobody joins by asking
		{client, "GET", "/tenant/8", nil, 403, "Forbidden\n"},
		{client, "POST", "/tenant/9", nil, 200, ""},
		{client, "GET", "/tenant/7", nil, 403, "Forbidden\n"},
		{other, "POST", "/login", ann, 303, ""},
		{client, "POST", "/logout-others", nil, 200, ""},
		{other, "GET", "/account", nil, 401, "Unauthorized\n"},
		{client, "GET", "/", nil, 200, "Welcome back, ann. You have 1 items."},
		{other, "POST", "/login", ann, 303, ""},
		{client, "POST", "/logout", nil, 303, ""},
		{client, "GET", "/", nil, 200, "Welcome. You have 0 items."},
		{client, "POST", "/login", ann, 303, ""},
		{client, "POST", "/logout-everywhere", nil, 200, ""},
		{other, "GET", "/account", nil, 401, "Unauthorized\n"},
		{other, "POST", "/login", ann, 303, ""},
		{other, "GET", "/", nil, 200, "Welcome back, ann. You have 0 items."},
	} {
		status, body := do(step.client, step.method, step.path, step.form)
		if status != step.status || body != step.body && step.status != 303 {
			t.Errorf("step %d, %s %s: %d %q, want %d %q", i, step.method, step.path, status, body, step.status, step.body)
		}
	}
	if err := g.passwordChanged(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if status, _ := do(other, "GET", "/account", nil); status != 401 {
		t.Errorf("after the password was changed: %d", status)
	}
	token, err := g.token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if who, err := g.whoSent(t.Context(), token); who != "robot-7" || err != nil {
		t.Errorf("%q, %v", who, err)
	}
	if _, err := g.list.Revoke(t.Context(), revocation.Group("robots"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.whoSent(t.Context(), token); err != httpmw.ErrRevokedGroup {
		t.Errorf("got %v", err)
	}
	r := httptest.NewRequest("POST", "https://shop.test/pay", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	g.handler().ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("a forged request: %d", w.Code)
	}
}
