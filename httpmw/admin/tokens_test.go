package admin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// newToken makes a token.
func newToken(t *testing.T, name string, roles ...admin.Role) (admin.Token, func(*http.Request)) {
	t.Helper()
	token, secret, err := admin.NewToken(name, roles...)
	if err != nil {
		t.Fatal(err)
	}
	return token, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }
}

// withTokens gives an API these tokens in place of the one of the fixture.
func withTokens(all ...admin.Token) func(*admin.Config) {
	return func(c *admin.Config) { c.Token, c.Tokens = "", all }
}

// Each role may use its own routes and those of RoleRead, and nothing else.
func TestRoles(t *testing.T) {
	tokens, as := []admin.Token{}, map[admin.Role]func(*http.Request){}
	for _, role := range []admin.Role{admin.RoleRead, admin.RoleRevoke, admin.RoleKeys} {
		token, use := newToken(t, "holder-of-"+string(role), role)
		tokens, as[role] = append(tokens, token), use
	}
	f := start(t, withTokens(tokens...))
	refused := 0
	for route, needed := range admin.Roles() {
		method, path, _ := strings.Cut(route, " ")
		path = strings.ReplaceAll(path, "{kid}", "not-a-key")
		for role, use := range as {
			got := f.request(method, path, "", use)
			if needed == admin.RoleRead || needed == role {
				if got.status == http.StatusForbidden || got.status == http.StatusUnauthorized {
					t.Errorf("%s as %s: %d %v", route, role, got.status, got.body)
				}
				continue
			}
			got.want(t, http.StatusForbidden, "role")
			refused++
		}
	}
	records := f.log.records(t)
	records = slices.DeleteFunc(records, func(r audit.Record) bool { return r.Action != audit.Refused })
	if refused < 10 || len(records) < admin.Burst || len(records) > admin.Burst+2 {
		t.Errorf("%d refusals, %d records", refused, len(records))
	}
	for _, r := range records {
		if role, ok := strings.CutPrefix(r.Actor, "holder-of-"); !ok || role == string(admin.Roles()[r.Call.Method+" "+r.Call.Path]) || r.Call.Code != "role" {
			t.Errorf("record %+v", r)
		}
	}
}

// A request without a token, or with a short one, is refused, whatever digests the application has.
func TestShortTokens(t *testing.T) {
	if _, err := admin.ParseTokens([]byte("deploy read " + digestOf(""))); err == nil {
		t.Error("the digest of no token is accepted")
	}
	tokens, err := admin.ParseTokens([]byte("deploy read " + digestOf("hunter2")))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, withTokens(tokens...))
	for _, header := range []string{"Bearer", "Bearer ", "Bearer hunter2", ""} {
		f.request(http.MethodGet, "/status", "", func(r *http.Request) { r.Header.Set("Authorization", header) }).want(t, http.StatusUnauthorized, "unauthorized")
	}
}

func digestOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// A role that the API does not have gives its caller nothing.
func TestUnknownRole(t *testing.T) {
	f := start(t, func(c *admin.Config) {
		c.Token, c.Authorize = "", func(*http.Request) (admin.Caller, error) {
			return admin.Caller{Name: "grace", Roles: []admin.Role{"visitor", ""}}, nil
		}
	})
	f.request(http.MethodGet, "/status", "").want(t, http.StatusForbidden, "role")
}

// While a token is replaced, the old and the new one are valid, and the records tell which was used.
func TestTwoTokens(t *testing.T) {
	first, useFirst := newToken(t, "deploy-1", admin.RoleRevoke)
	second, useSecond := newToken(t, "deploy-2", admin.RoleRevoke, admin.RoleKeys)
	_, another := newToken(t, "deploy-3", admin.RoleRevoke)
	f := start(t, withTokens(first, second))
	for _, use := range []func(*http.Request){useFirst, useSecond} {
		f.request(http.MethodPost, "/revocations", `{"scope":"everyone"}`, use).want(t, http.StatusOK, "")
	}
	f.request(http.MethodGet, "/status", "", another).want(t, http.StatusUnauthorized, "unauthorized")
	var actors []string
	for _, r := range f.log.records(t) {
		actors = append(actors, r.Action+" "+r.Actor)
	}
	if diff := cmp.Diff([]string{"revoke deploy-1", "revoke deploy-2", "refused "}, actors); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// A caller without roles may do nothing, which is what Authorize returns by default.
func TestACallerWithoutRoles(t *testing.T) {
	f := start(t, func(c *admin.Config) {
		c.Token, c.Authorize = "", func(*http.Request) (admin.Caller, error) { return admin.Caller{Name: "grace"}, nil }
	})
	f.request(http.MethodGet, "/status", "").want(t, http.StatusForbidden, "role")
}

func TestNewRefusesTokens(t *testing.T) {
	ring := keys.Generate(0)
	good, _ := newToken(t, "good", admin.RoleRead)
	for _, row := range []struct {
		name   string
		tokens []admin.Token
		secret string
	}{
		{"one name twice", []admin.Token{good, {Name: "good", Roles: good.Roles, SHA256: [32]byte{1}}}, ""},
		{"one token twice", []admin.Token{good, {Name: "again", Roles: good.Roles, SHA256: good.SHA256}}, ""},
		{"no name", []admin.Token{{Roles: good.Roles, SHA256: good.SHA256}}, ""},
		{"a name with a space", []admin.Token{{Name: "a b", Roles: good.Roles, SHA256: good.SHA256}}, ""},
		{"a long name", []admin.Token{{Name: strings.Repeat("x", 65), Roles: good.Roles, SHA256: good.SHA256}}, ""},
		{"no role", []admin.Token{{Name: "x", SHA256: good.SHA256}}, ""},
		{"an unknown role", []admin.Token{{Name: "x", Roles: []admin.Role{"root"}, SHA256: good.SHA256}}, ""},
		{"a role twice", []admin.Token{{Name: "x", Roles: []admin.Role{admin.RoleRead, admin.RoleRead}, SHA256: good.SHA256}}, ""},
		{"no digest", []admin.Token{{Name: "x", Roles: good.Roles}}, ""},
		{"too many", slices.Repeat([]admin.Token{good}, 65), ""},
		{"tokens and a token", []admin.Token{good}, secret},
	} {
		if h, err := admin.New(revocation.Disabled(ring), keys.Static(ring), admin.Config{Token: row.secret, Tokens: row.tokens}); err == nil || h != nil {
			t.Errorf("%s: New returned %v, %v", row.name, h, err)
		}
	}
}

// ParseTokens reads what MarshalText writes, and its errors do not repeat what might be a token.
func TestParseTokens(t *testing.T) {
	a, secretA, err := admin.NewToken("deploy-1", admin.RoleRevoke, admin.RoleKeys)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := admin.NewToken("console", admin.RoleRead)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256([]byte(secretA)); sum != a.SHA256 || len(secretA) < admin.MinToken {
		t.Errorf("the digest of %d characters is wrong", len(secretA))
	}
	text := []byte("# tokens of the admin API\n\n")
	for _, token := range []admin.Token{a, b} {
		line, err := token.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), "\r\n"...)
	}
	got, err := admin.ParseTokens(text)
	if diff := cmp.Diff([]admin.Token{a, b}, got); err != nil || diff != "" {
		t.Errorf("ParseTokens: %v, want (-), got (+):\n%s", err, diff)
	}
	for _, bad := range []string{
		"deploy " + secretA, "deploy read", "deploy read " + secretA, "deploy root " + strings.Repeat("A", 43),
		"deploy read " + strings.Repeat("A", 42) + "B", "deploy read, " + strings.Repeat("B", 43),
	} {
		_, err := admin.ParseTokens([]byte("\n" + bad))
		if err == nil {
			t.Errorf("%q is accepted", bad)
		} else if strings.Contains(err.Error(), secretA[10:20]) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("error %v", err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %s %x", a, a, a, a, a); strings.Contains(s, base64.RawURLEncoding.EncodeToString(a.SHA256[:])) || !strings.Contains(s, "deploy-1") {
		t.Errorf("it prints %s", s)
	}
}

// What ParseTokens accepts can be written again, and means the same.
func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("deploy-1 read,revoke 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\n# x\n\nb keys AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"))
	f.Add([]byte("a read AAAA"))
	f.Add([]byte("\xff read 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"))
	f.Add([]byte("a\u2028b read 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := admin.ParseTokens(text)
		if err != nil {
			return
		}
		var again bytes.Buffer
		for _, token := range all {
			line, err := token.MarshalText()
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			again.Write(append(line, '\n'))
		}
		if got, err := admin.ParseTokens(again.Bytes()); err != nil || !cmp.Equal(all, got) {
			t.Errorf("%q is written as %q: %v", text, &again, err)
		}
	})
}

// The document names the role that each path needs.
func TestTheDocumentNamesEveryRole(t *testing.T) {
	got := start(t).request(http.MethodGet, "/openapi.json", "")
	paths, _ := got.body["paths"].(map[string]any)
	documented := map[string]admin.Role{}
	for path, methods := range paths {
		for method, operation := range methods.(map[string]any) {
			security, _ := dig(operation, "security").([]any)
			if len(security) == 0 {
				continue // it needs nothing
			}
			roles, _ := dig(security[0], "bearer").([]any)
			documented[strings.ToUpper(method)+" "+path] = admin.Role(roles[0].(string))
		}
	}
	if want := maps.Clone(admin.Roles()); !cmp.Equal(want, documented) {
		t.Errorf("routes (-) and document (+) differ:\n%s", cmp.Diff(want, documented))
	}
}
