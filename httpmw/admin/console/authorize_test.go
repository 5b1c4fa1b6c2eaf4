package console_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/revocation"
)

// With Authorize there is nothing to sign in to: it decides about the page, the calls and the streams.
func TestAuthorize(t *testing.T) {
	c := console.Config{Admin: admin.Config{Authorize: func(r *http.Request) (admin.Caller, error) {
		switch r.Header.Get("Proxy-User") {
		case "":
			return admin.Caller{}, errors.New("nobody")
		case "unknown":
			return admin.Caller{}, revocation.ErrUnavailable
		case "guest":
			return admin.Caller{Name: "guest"}, nil
		}
		return admin.Caller{Name: r.Header.Get("Proxy-User"), Roles: []admin.Role{admin.RoleRevoke}}, nil
	}}}
	s := start(t, 2, c)
	b := s.browser()
	as := func(user string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Proxy-User", user) }
	}
	for user, status := range map[string]int{"ada": http.StatusOK, "": http.StatusUnauthorized, "guest": http.StatusForbidden, "unknown": http.StatusServiceUnavailable} {
		page := b.get("", as(user))
		if page.status != status || strings.Contains(page.text, `action="sign-in"`) || strings.Contains(page.text, `action="sign-out"`) {
			t.Errorf("%q: the page: %d %s", user, page.status, page.text)
		}
		if got := b.get("status", as(user)); got.status != status {
			t.Errorf("%q: a call: %d %s", user, got.status, got.text)
		}
		if status != http.StatusOK {
			if got := b.get("events", as(user)); got.status != status {
				t.Errorf("%q: events: %d", user, got.status)
			}
		}
	}
	if hello := b.listen("events", as("ada")).until("hello").data; hello["name"] != "ada" || hello["session_until"] != nil {
		t.Errorf("hello: %v", hello)
	}
	for _, path := range []string{"sign-in", "sign-out", "tab/state"} {
		if got := b.do(http.MethodPost, path, form, "token=x", as("ada")); got.status != http.StatusNotFound || len(got.cookies) > 0 {
			t.Errorf("%s: %d %s", path, got.status, got.text)
		}
	}
	if got := b.post("revocations", `{"scope":"everyone"}`, as("ada")); got.status != http.StatusOK || len(got.cookies) > 0 {
		t.Errorf("a revocation: %d %v", got.status, got.header)
	}
}
