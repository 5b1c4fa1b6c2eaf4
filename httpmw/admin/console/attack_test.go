package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
)

var everyRole = []admin.Role{admin.RoleRevoke, admin.RoleKeys}

// A page of another origin can neither sign in, nor out, nor call, nor hold a stream, whether it is of
// another site or of a neighbouring host of this one.
func TestPagesOfOtherOrigins(t *testing.T) {
	ops, secret := token(t, "ops", everyRole...)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	origins := map[string]func(*http.Request){
		"another site":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a subdomain":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"an old browser":   func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"a sandboxed page": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"another port":     func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://127.0.0.1:1") },
	}
	for name, origin := range origins {
		for _, got := range []answer{
			b.do(http.MethodPost, "sign-in", form, url.Values{"token": {secret}}.Encode(), origin),
			b.do(http.MethodPost, "sign-out", form, "", origin),
			b.post("revocations", `{"scope":"everyone"}`, origin),
			b.post("keys/rotate", `{}`, origin),
			b.do(http.MethodPost, "revocations", "text/plain", `{"scope":"everyone"}`, origin),
			b.do(http.MethodPost, "tab/state", "", "", origin),
			b.get("events", origin), // which a GET is, so that another page could hold many open
			b.get("fleet?as_of=x", origin),
			b.get("tab/events", origin),
		} {
			if got.status != http.StatusForbidden || len(got.cookies) > 0 {
				t.Errorf("%s: %d %v %s", name, got.status, got.header, got.text)
			}
		}
	}
	b.everywhere("status", http.StatusOK)
	if got := b.post("revocations/lookup", `{"scope":"everyone"}`); got.json(t)["revoked"] != false {
		t.Error("another page revoked everyone")
	}
}

// A page whose name was made to resolve to this machine has that name in the Host header (DNS
// rebinding).
func TestRebinding(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	evil := func(r *http.Request) {
		r.Host = "evil.example"
		if r.Method == http.MethodPost {
			r.Header.Set("Origin", "https://evil.example")
		}
	}
	for _, got := range []answer{
		b.get("", evil), b.get("console.js", evil), b.get("status", evil), b.get("events", evil), b.get("fleet", evil), b.get("tab/state", evil), b.get("audit", evil),
		b.signIn(secret, evil), b.do(http.MethodPost, "sign-out", form, "", evil), b.post("revocations", `{"scope":"everyone"}`, evil), b.post("tab/state", "", evil),
	} {
		if got.status != http.StatusMisdirectedRequest || len(got.cookies) > 0 {
			t.Errorf("%d %v %s", got.status, got.header, got.text)
		}
	}
	b.everywhere("status", http.StatusOK)
}

// The application and the console share the ring and the list, and refuse each other's sessions.
func TestCookiesOfTheApplication(t *testing.T) {
	ops, secret := token(t, "ops", everyRole...)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	user := s.browser()
	if got := user.get("../login?user=" + console.App + "%3Aops"); got.status != http.StatusOK || user.cookie("__Host-Http-session") == "" {
		t.Fatalf("login: %d %s", got.status, got.text)
	}
	user.plant(cookieName, user.cookie("__Host-Http-session"))
	user.everywhere("status", http.StatusUnauthorized)
	if got := user.get("events"); got.status != http.StatusUnauthorized {
		t.Errorf("events: %d", got.status)
	}
	if got := user.get(""); !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the page: %s", got.text)
	}
	b := s.signedIn(secret)
	b.plant("__Host-Http-session", b.cookie(cookieName))
	if got := b.get("../me"); got.status != http.StatusUnauthorized {
		t.Errorf("the application accepts an operator as %q: %d", got.text, got.status)
	}
	b.everywhere("status", http.StatusOK)
}

// A user of the application who has the name of an operator is another subject.
func TestAUserWithTheNameOfAnOperator(t *testing.T) {
	ops, secret := token(t, "ada", everyRole...)
	s := start(t, 2, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b, bystander := s.signedIn(secret), s.signedIn(secret)
	if got := b.post("revocations", `{"scope":"subject","id":"ada"}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	b.everywhere("status", http.StatusOK)
	// An operator's own sessions end by their subject, and nothing begins in their place.
	if got := b.post("revocations", `{"scope":"subject","id":"`+console.App+`:ada"}`); got.status != http.StatusOK || len(got.cookies) > 0 {
		t.Fatalf("%d %v %s", got.status, got.cookies, got.text)
	}
	b.awaitEverywhere("status", http.StatusUnauthorized)
	bystander.awaitEverywhere("status", http.StatusUnauthorized)
}

// A browser executes and loads nothing but what is served here, keeps no data, and shows the console
// in no frame.
func TestHeaders(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	for _, path := range []string{"", "console.js", "console.css", "wafer.svg", "status", "replicas", "keys", "revocations", "audit", "openapi.json", "livez", "nothing", "sign-in"} {
		got := b.get(path)
		h := got.header
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
		want := "no-store"
		if strings.Contains(path, ".js") && path != "openapi.json" || strings.Contains(path, ".css") || strings.Contains(path, ".svg") {
			want = "no-cache"
		}
		if h.Get("Cache-Control") != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, h.Get("Cache-Control"), want)
		}
	}
	page := b.get("").text
	for _, bad := range []string{"<style", "style=", "onclick", "javascript:", "http://", "https://", "<script>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	stream := b.listen("events")
	if h := stream.resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Content-Security-Policy") != policy || h.Get("Content-Type") != "text/event-stream" {
		t.Errorf("events: %v", h)
	}
}
