package console_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
)

// A form that does not arrive in time is refused, and the connection ends with it.
func TestAFormThatDoesNotArrive(t *testing.T) {
	defer console.SetFormTime(console.SetFormTime(10 * time.Millisecond))
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: oneToken(t)}})
	for _, row := range []struct{ query, length string }{
		{"", "Content-Length: 100"},
		{"", "Transfer-Encoding: chunked"},
		{"?token=x", "Content-Length: 100"},
	} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.server.URL, "https://"), &tls.Config{InsecureSkipVerify: true}) // the test server's own
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "POST /admin/sign-in%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n%s\r\n\r\n", row.query, form, row.length)
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400") {
			t.Errorf("%+v: the connection stays: %v %.20q", row, err, got)
		}
	}
}

func oneToken(t testing.TB) []admin.Token {
	t.Helper()
	made, _ := token(t, "ops", admin.RoleRead)
	return []admin.Token{made}
}

// An operator signs in at one replica, works at all of them, signs out, and a copy of the cookie is
// refused at all of them.
func TestSignInAndOut(t *testing.T) {
	ops, secret := token(t, "ops-1", admin.RoleRevoke)
	s := start(t, 3, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.browser()
	if got := b.get(""); got.status != http.StatusOK || !strings.Contains(got.text, `action="sign-in"`) || !strings.Contains(got.text, `type="password"`) {
		t.Fatalf("the form: %d %s", got.status, got.text)
	}
	got := b.signIn(secret)
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "./" || len(got.cookies) != 1 {
		t.Fatalf("sign-in: %d %v", got.status, got.header)
	}
	c := got.cookies[0]
	if c.Name != cookieName || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("the cookie is %v", c)
	}
	if strings.Contains(c.Value, secret) {
		t.Error("the cookie holds the token")
	}
	if got := b.get(""); !strings.Contains(got.text, "ops-1") || strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the page: %s", got.text)
	}
	b.everywhere("status", http.StatusOK)
	thief := b.copied()
	if got := b.do(http.MethodPost, "sign-out", form, ""); got.status != http.StatusSeeOther || got.header.Get("Location") != "./" {
		t.Fatalf("sign-out: %d %s", got.status, got.text)
	}
	b.everywhere("status", http.StatusUnauthorized)
	thief.awaitEverywhere("status", http.StatusUnauthorized)
	if got := thief.get(""); got.status != http.StatusOK || !strings.Contains(got.text, "revoked") || !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the page of the copy: %d %s", got.status, got.text)
	}
	var kinds []string
	for _, r := range s.records() {
		if r.Actor == "ops-1" && r.Via == audit.ViaAdmin && r.Address != "" {
			kinds = append(kinds, r.Action)
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{audit.Revoke, audit.SignIn}) {
		t.Errorf("records of ops-1: %v", kinds)
	}
}

// However many wrong tokens come, the right one signs in, and the log stays short.
func TestTenThousandWrongTokens(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.browser()
	statuses := map[int]int{}
	for range 10_000 {
		got := b.signIn(strings.Repeat("w", len(secret)))
		statuses[got.status]++
		if len(got.cookies) > 0 || !strings.Contains(got.text, `action="sign-in"`) {
			t.Fatalf("%d %v", got.status, got.header)
		}
	}
	if statuses[http.StatusUnauthorized]+statuses[http.StatusTooManyRequests] != 10_000 || statuses[http.StatusTooManyRequests] == 0 || statuses[http.StatusUnauthorized] < 10 {
		t.Errorf("statuses: %v", statuses)
	}
	if got := b.signIn(secret); got.status != http.StatusSeeOther {
		t.Errorf("the right token: %d %s", got.status, got.text)
	}
	refused := 0
	for _, r := range s.records() {
		if r.Action == audit.Refused {
			if refused++; r.Call.Path != "/sign-in" || r.Call.Code != "unauthorized" {
				t.Errorf("record %+v", r)
			}
		}
	}
	if refused != statuses[http.StatusUnauthorized] {
		t.Errorf("%d records of %d wrong tokens that were told so", refused, statuses[http.StatusUnauthorized])
	}
}

// Whatever is wrong with a form, nobody is signed in, and the page says a sentence and no token.
func TestFormsThatAreWrong(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	right := url.Values{"token": {secret}}.Encode()
	for _, row := range []struct {
		name, path, contentType, body string
		status                        int
	}{
		{"nothing", "sign-in", form, "", http.StatusBadRequest},
		{"an empty token", "sign-in", form, "token=", http.StatusUnauthorized},
		{"a short token", "sign-in", form, "token=short", http.StatusUnauthorized},
		{"a prefix", "sign-in", form, right[:len(right)-1], http.StatusUnauthorized},
		{"more", "sign-in", form, right + "x", http.StatusUnauthorized},
		{"two tokens", "sign-in", form, right + "&" + right, http.StatusBadRequest},
		{"the token in the address", "sign-in?" + right, form, "", http.StatusBadRequest},
		{"the token in both", "sign-in?" + right, form, right, http.StatusBadRequest},
		{"JSON", "sign-in", "application/json", `{"token":"` + secret + `"}`, http.StatusBadRequest},
		{"no type", "sign-in", "", right, http.StatusBadRequest},
		{"parts", "sign-in", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n" + secret + "\r\n--b--\r\n", http.StatusBadRequest},
		{"an escape that is none", "sign-in", form, "token=%zz" + secret, http.StatusBadRequest},
		{"oversized", "sign-in", form, right + "&x=" + strings.Repeat("x", 1<<20), http.StatusBadRequest},
		{"an oversized token", "sign-in", form, "token=" + strings.Repeat("x", 8000), http.StatusUnauthorized},
		{"line breaks", "sign-in", form, "token=" + secret + "%0d%0aX:%20y", http.StatusUnauthorized},
	} {
		b := s.browser()
		got := b.do(http.MethodPost, row.path, row.contentType, row.body)
		if got.status != row.status && !(row.status == http.StatusUnauthorized && got.status == http.StatusTooManyRequests) {
			t.Errorf("%s: %d %s, want %d", row.name, got.status, got.text, row.status)
		}
		if len(got.cookies) > 0 || strings.Contains(got.text, secret) || !strings.Contains(got.text, `action="sign-in"`) || got.header.Get("Location") != "" {
			t.Errorf("%s: %v %s", row.name, got.header, got.text)
		}
	}
	b := s.browser()
	if got := b.get("?token=" + secret); got.status != http.StatusBadRequest || strings.Contains(got.text, secret) {
		t.Errorf("the token in the address of the page: %d %s", got.status, got.text)
	}
	if got := b.get("status?access_token=" + secret); got.status != http.StatusUnauthorized && got.status != http.StatusTooManyRequests {
		t.Errorf("the token in the address of a call: %d %s", got.status, got.text)
	}
	if got := b.do(http.MethodPost, "sign-in", form, "token=+"+secret+"%0A"); got.status != http.StatusSeeOther {
		t.Errorf("the token with what a paste brings: %d %s", got.status, got.text)
	}
	for _, r := range s.records() {
		if strings.Contains(r.Call.Path+r.Reason+r.Actor, secret) {
			t.Errorf("a record holds the token: %+v", r)
		}
	}
}

// A session has the roles that its token has now, and ends when the token is taken out.
func TestRolesAreThoseOfNow(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	other, _ := token(t, "other", admin.RoleRead, admin.RoleRevoke, admin.RoleKeys)
	config := func(all ...admin.Token) console.Config { return console.Config{Admin: admin.Config{Tokens: all}} }
	s := start(t, 1, config(ops, other))
	b := s.signedIn(secret)
	revoke := func() int { return b.post("revocations", `{"scope":"subject","id":"ada"}`).status }
	if got := revoke(); got != http.StatusForbidden {
		t.Errorf("with the role read: %d", got)
	}
	promoted := ops
	promoted.Roles = []admin.Role{admin.RoleRevoke}
	s.serve(s.replicas[0], config(promoted, other))
	if got := revoke(); got != http.StatusOK {
		t.Errorf("after the role revoke was given: %d", got)
	}
	s.serve(s.replicas[0], config(ops, other))
	if got := revoke(); got != http.StatusForbidden {
		t.Errorf("after it was taken away: %d", got)
	}
	replaced, _ := token(t, "ops", admin.RoleRevoke)
	for name, all := range map[string][]admin.Token{"removed": {other}, "replaced by another of the same name": {replaced, other}} {
		b = s.signedIn(secret)
		s.serve(s.replicas[0], config(all...))
		b.everywhere("status", http.StatusUnauthorized)
		if got := b.get("events"); got.status != http.StatusUnauthorized {
			t.Errorf("%s: events: %d", name, got.status)
		}
		if got := b.get(""); !strings.Contains(got.text, "not valid any more") || !strings.Contains(got.text, `action="sign-in"`) {
			t.Errorf("%s: the page: %s", name, got.text)
		}
		s.serve(s.replicas[0], config(ops, other))
		if got := b.get("status"); got.status != http.StatusUnauthorized {
			t.Errorf("%s, and back again: the session goes on: %d", name, got.status)
		}
	}
}

// Signing in over another session replaces it: also one that somebody planted.
func TestSessionFixation(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	mallory, evil := token(t, "mallory", admin.RoleRead)
	s := start(t, 2, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops, mallory}}})
	attacker := s.signedIn(evil)
	b := s.browser()
	b.plant(cookieName, attacker.cookie(cookieName))
	if got := b.signIn(secret); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if b.cookie(cookieName) == attacker.cookie(cookieName) {
		t.Error("the planted session stays")
	}
	if got := b.get(""); !strings.Contains(got.text, "ops") || strings.Contains(got.text, "mallory") {
		t.Errorf("the page is not that of ops: %s", got.text)
	}
	if got := attacker.get(""); !strings.Contains(got.text, "mallory") && !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the attacker is ops: %s", got.text)
	}
	attacker.awaitEverywhere("status", http.StatusUnauthorized)
}
