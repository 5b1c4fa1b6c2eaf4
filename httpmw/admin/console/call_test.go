package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
)

// Who revokes everyone, or the key that sealed the console's own session, stays signed in, and everybody
// else is out: users, other operators, and a copy of the operator's cookie.
func TestTheOperatorStaysAfterRevokingEveryone(t *testing.T) {
	ops, secret := token(t, "ops", everyRole...)
	other, hers := token(t, "other", admin.RoleRead)
	for _, row := range []struct {
		name   string
		revoke func(s *site) (path, body string)
		spares bool // users whose session the key has not sealed
	}{
		{"everyone", func(*site) (string, string) { return "revocations", `{"scope":"everyone","reason":"leak"}` }, false},
		{"the key", func(s *site) (string, string) { return "keys/" + s.sealing() + "/revoke", `{}` }, false},
		{"the key only", func(s *site) (string, string) { return "keys/" + s.sealing() + "/revoke", `{"key_only":true}` }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, 3, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops, other}}})
			b, colleague, user := s.signedIn(secret), s.signedIn(hers), s.browser()
			user.get("../login?user=ada")
			thief := b.copied()
			path, body := row.revoke(s)
			got := b.post(path, body)
			if got.status != http.StatusOK || len(got.cookies) != 1 || got.cookies[0].Value == thief.cookie(cookieName) || got.json(t)["as_of"] == "" {
				t.Fatalf("%d %v %s", got.status, got.cookies, got.text)
			}
			b.everywhere("status", http.StatusOK)
			thief.awaitEverywhere("status", http.StatusUnauthorized)
			colleague.awaitEverywhere("status", http.StatusUnauthorized)
			user.awaitEverywhere("../me", http.StatusUnauthorized)
			b.everywhere("", http.StatusOK)
			b.everywhere("status", http.StatusOK)
			signIns := 0
			for _, r := range s.records() {
				if r.Action == audit.SignIn && r.Actor == "ops" {
					signIns++
				}
			}
			if signIns != 2 {
				t.Errorf("%d records of the sign-in and what followed it", signIns)
			}
		})
	}
}

// sealing returns the key that seals.
func (s *site) sealing() string {
	k, _ := s.ring.Ring().Sealing(time.Now())
	return k.ID()
}

// A revocation that fails, is tried only, or is of others leaves the session as it is.
func TestTheSessionStaysTheSame(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	for _, body := range []string{`{"scope":"everyone","dry_run":true}`, `{"scope":"group","id":"g"}`, `{"scope":"nobody"}`, `{"scope":"everyone","x":1}`} {
		b.post("revocations", body)
	}
	b.everywhere("status", http.StatusOK)
	for _, r := range s.records() {
		if r.Action == audit.SignIn && r.Reason != "signing in to the console" {
			t.Errorf("a session began: %+v", r)
		}
	}
}

// A call with a token works as without the console, and a wrong one is refused whatever the session.
func TestCallsWithAToken(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	bearer := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	if got := s.browser().get("status", bearer("Bearer "+secret)); got.status != http.StatusOK || len(got.cookies) > 0 {
		t.Errorf("%d %v", got.status, got.header)
	}
	stream := s.browser().listen("events", bearer("Bearer "+secret))
	if h := stream.until("hello"); h.data["name"] != "ops" || h.data["session_until"] != nil {
		t.Errorf("hello: %v", h.data)
	}
	b := s.signedIn(secret)
	for _, value := range []string{"Bearer wrong", "", "Basic " + secret} {
		for _, path := range []string{"status", "events"} {
			if got := b.get(path, bearer(value)); got.status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d", path, value, got.status)
			}
		}
	}
	if got := b.get("", bearer("Bearer wrong")); got.status != http.StatusUnauthorized {
		t.Errorf("the page: %d", got.status)
	}
	if got := b.get("", bearer("")); got.status != http.StatusUnauthorized || len(got.cookies) > 0 {
		t.Errorf("the page with an empty header: %d %v", got.status, got.cookies)
	}
	b.everywhere("status", http.StatusOK)
}

// A revocation that only asks for a login locks the operator's session too, which says so and goes on
// with the next sign-in. One that has data loaded again changes nothing here.
func TestWhatIsAskedOfEveryone(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 2, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	stream := b.listen("events")
	stream.until("now")
	if got := b.post("revocations", `{"scope":"everyone","effect":"reload"}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	b.everywhere("status", http.StatusOK)
	if got := b.post("revocations", `{"scope":"everyone","effect":"require_login"}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	b.awaitEverywhere("status", http.StatusUnauthorized)
	if e := stream.until("ended"); e.data["reason"] != "login_required" && e.data["reason"] != "revoked" {
		t.Errorf("%v", e)
	}
	if got := b.get(""); !strings.Contains(got.text, "asked for a new login") || !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the page: %s", got.text)
	}
	if got := b.signIn(secret); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.text)
	}
	b.everywhere("status", http.StatusOK)
}
