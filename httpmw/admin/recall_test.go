package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// What Recall remembers counts as far as the token is still there, with the roles of now, and only if
// the request presents no token.
func TestRecall(t *testing.T) {
	made := func(name string, roles ...admin.Role) (admin.Token, string) {
		token, text, err := admin.NewToken(name, roles...)
		if err != nil {
			t.Fatal(err)
		}
		return token, text
	}
	known, _ := made("known", admin.RoleRead)
	other, otherText := made("other", admin.RoleRead, admin.RoleRevoke)
	gone, _ := made("gone", admin.RoleRead)
	replaced, renamed, promoted := gone, known, known
	replaced.Name, renamed.Name, promoted.Roles = "known", "other", []admin.Role{admin.RoleKeys, admin.RoleRevoke}
	const revoke = `{"scope":"subject","id":"ada"}`
	for _, row := range []struct {
		name     string
		recalled admin.Token
		err      error
		header   string
		read     int
		revoke   int
	}{
		{"a token that is there", known, nil, "", 200, 403},
		{"with roles that it does not have now", promoted, nil, "", 200, 403},
		{"one that is gone", gone, nil, "", 401, 401},
		{"another one of the same name", replaced, nil, "", 401, 401},
		{"the same one under another name", renamed, nil, "", 401, 401},
		{"none", admin.Token{}, nil, "", 401, 401},
		{"an error", known, errors.New("no"), "", 401, 401},
		{"not known now", known, fmt.Errorf("hm: %w", revocation.ErrUnavailable), "", 503, 503},
		{"a token that the request presents", known, nil, "Bearer " + otherText, 200, 200},
		{"a wrong one that it presents", known, nil, "Bearer wrong", 401, 401},
		{"nothing that it presents", known, nil, " ", 401, 401},
	} {
		f := start(t, func(c *admin.Config) {
			c.Token, c.Tokens = "", []admin.Token{known, other}
			c.Recall = func(*http.Request) (admin.Token, error) { return row.recalled, row.err }
		})
		present := func(r *http.Request) {
			r.Header.Del("Authorization")
			if row.header != "" {
				r.Header.Set("Authorization", row.header)
			}
		}
		if got := f.request(http.MethodGet, "/status", "", present); got.status != row.read {
			t.Errorf("%s: %d, want %d", row.name, got.status, row.read)
		}
		if got := f.request(http.MethodPost, "/revocations", revoke, present); got.status != row.revoke {
			t.Errorf("%s: a revocation: %d, want %d", row.name, got.status, row.revoke)
		}
	}
	ring := keys.Generate(0)
	both := admin.Config{Authorize: func(*http.Request) (c admin.Caller, err error) { return }, Recall: func(*http.Request) (t admin.Token, err error) { return }}
	if a, err := admin.New(revocation.Disabled(ring), keys.Static(ring), both); err == nil || a != nil {
		t.Error("Recall beside Authorize is accepted")
	}
}

// Admit protects paths beside those of the API in the same way.
func TestAdmit(t *testing.T) {
	ring := keys.Generate(0)
	a, err := admin.New(revocation.Disabled(ring), keys.Static(ring), admin.Config{Token: secret, Actor: "ops", Audit: quiet.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name           string
		change         func(*http.Request)
		anybody, roles int
	}{
		{"the token", func(*http.Request) {}, 0, 0},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 0, 401},
		{"another host", func(r *http.Request) { r.Host = "evil.example" }, 421, 421},
		{"another origin", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403, 403},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/beside", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		row.change(r)
		for role, want := range map[admin.Role]int{"": row.anybody, admin.RoleRead: row.roles, admin.RoleKeys: row.roles} {
			caller, refused := a.Admit(r, role)
			switch {
			case want == 0 && refused != nil, want != 0 && (refused == nil || refused.Status != want):
				t.Errorf("%s, role %q: %v, want %d", row.name, role, refused, want)
			case refused != nil:
				w := httptest.NewRecorder()
				if refused.ServeHTTP(w, r); w.Code != want || caller.Name != "" {
					t.Errorf("%s: the answer is %d", row.name, w.Code)
				}
			case role != "" && caller.Name != "ops":
				t.Errorf("%s: the caller is %q", row.name, caller.Name)
			}
		}
	}
}
