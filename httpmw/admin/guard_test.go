package admin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
)

// Every path, known or not, refuses a request without the token and does nothing.
func TestNoRouteAnswersWithoutTheToken(t *testing.T) {
	f := start(t)
	ring := f.keys.Ring()
	sealing, _ := ring.Sealing(ring.Keys()[0].NotBefore())
	bodies := map[string]string{
		"/revocations":        `{"scope":"everyone"}`,
		"/revocations/lookup": `{"scope":"everyone"}`,
	}
	wrong := map[string]func(*http.Request){
		"none":            func(r *http.Request) { r.Header.Del("Authorization") },
		"empty":           func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
		"another":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", len(secret))) },
		"a prefix":        func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret[:len(secret)-1]) },
		"longer":          func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret+"0") },
		"another scheme":  func(r *http.Request) { r.Header.Set("Authorization", "Basic "+secret) },
		"no scheme":       func(r *http.Request) { r.Header.Set("Authorization", secret) },
		"twice":           func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+secret) },
		"in the query":    func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "access_token=" + secret },
		"as another user": func(r *http.Request) { r.Header.Del("Authorization"); r.SetBasicAuth("admin", secret) },
	}
	walked := 0
	for _, route := range append(admin.Routes(), "GET /", "GET /nothing", "DELETE /status") {
		method, path, _ := strings.Cut(route, " ")
		path = strings.ReplaceAll(path, "{kid}", sealing.ID())
		for name, change := range wrong {
			got := f.request(method, path, bodies[path], change)
			switch got.status {
			case http.StatusUnauthorized:
				got.want(t, http.StatusUnauthorized, "unauthorized")
				if got.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s with token %s: no WWW-Authenticate", route, name)
				}
			case http.StatusTooManyRequests:
				got.want(t, http.StatusTooManyRequests, "limited")
			default:
				t.Errorf("%s with token %s answered %d %v", route, name, got.status, got.body)
			}
			walked++
		}
	}
	if walked < 70 {
		t.Errorf("only %d requests were made", walked)
	}
	f.post("/revocations/lookup", `{"scope":"everyone"}`).want(t, http.StatusOK, "")
	if got := f.post("/revocations/lookup", `{"scope":"everyone"}`); got.body["revoked"] != false {
		t.Error("somebody without the token revoked everyone")
	}
	if f.keys.Ring() != ring {
		t.Error("somebody without the token changed the ring")
	}
}

func TestTheSchemeHasNoCase(t *testing.T) {
	f := start(t)
	f.request(http.MethodGet, "/status", "", func(r *http.Request) { r.Header.Set("Authorization", "bEARER "+secret) }).want(t, http.StatusOK, "")
}

// During a flood of wrong tokens the right one still works, and the audit log stays short.
func TestBadTokensAreLimitedAndRightOnesAreNot(t *testing.T) {
	f := start(t)
	bad := func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong-"+secret) }
	limited := 0
	for range 200 {
		got := f.request(http.MethodGet, "/status", "", bad)
		if got.status == http.StatusTooManyRequests {
			limited++
			if got.header.Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
		}
		f.request(http.MethodGet, "/status", "").want(t, http.StatusOK, "")
	}
	entries := f.log.records(t)
	if limited < 100 || len(entries) < admin.Burst || len(entries) > 200-limited {
		t.Errorf("%d of 200 limited, %d log lines", limited, len(entries))
	}
	for _, e := range entries {
		if e.Action != audit.Refused || e.Call.Code != "unauthorized" || e.Call.Path != "/status" || e.Address == "" || e.Via != audit.ViaAdmin {
			t.Errorf("log line %v", e)
		}
	}
	if strings.Contains(f.log.String(), secret) {
		t.Error("a token is in the log")
	}
}

func TestOwnAuthorization(t *testing.T) {
	f := start(t, func(c *admin.Config) {
		c.Token = ""
		c.Authorize = func(r *http.Request) (admin.Caller, error) {
			if r.Header.Get("X-Operator") != "grace" {
				return admin.Caller{}, errors.New("who are you")
			}
			return admin.Caller{Name: "grace", Roles: []admin.Role{admin.RoleRevoke}}, nil
		}
	})
	f.request(http.MethodGet, "/status", "").want(t, http.StatusUnauthorized, "unauthorized")
	f.request(http.MethodPost, "/revocations", `{"scope":"everyone"}`, func(r *http.Request) {
		r.Header.Set("X-Operator", "grace")
	}).want(t, http.StatusOK, "")
	entries := f.log.records(t)
	if last := entries[len(entries)-1]; last.Actor != "grace" || last.Action != audit.Revoke {
		t.Errorf("record %+v", last)
	}
}

// A page whose name was made to resolve to this machine still sends its own name (DNS rebinding).
func TestHosts(t *testing.T) {
	for _, row := range []struct {
		name  string
		hosts []string
		host  string
		ok    bool
	}{
		{"localhost", nil, "localhost:9000", true},
		{"localhost without port", nil, "LOCALHOST", true},
		{"with a dot", nil, "localhost.:80", true},
		{"loopback", nil, "127.0.0.1:9000", true},
		{"all of loopback", nil, "127.8.7.6", true},
		{"loopback of IPv6", nil, "[::1]:9000", true},
		{"IPv6 without port", nil, "[::1]", true},
		{"a name", nil, "attacker.example:9000", false},
		{"a name that only begins so", nil, "localhost.attacker.example", false},
		{"an address of the network", nil, "10.0.0.1:9000", false},
		{"all addresses", nil, "0.0.0.0:9000", false},
		{"named", []string{"Admin.example"}, "admin.EXAMPLE:443", true},
		{"another than named", []string{"admin.example"}, "localhost", false},
		{"below the named", []string{"admin.example"}, "x.admin.example", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := start(t, func(c *admin.Config) { c.Hosts = row.hosts })
			got := f.request(http.MethodGet, "/status", "", func(r *http.Request) { r.Host = row.host })
			if row.ok {
				got.want(t, http.StatusOK, "")
			} else {
				got.want(t, http.StatusMisdirectedRequest, "host")
			}
		})
	}
}

func TestBrowsersOfOtherOriginsAreRefused(t *testing.T) {
	f := start(t)
	for _, row := range []struct {
		name, header, value string
		ok                  bool
	}{
		{"cross-site", "Sec-Fetch-Site", "cross-site", false},
		{"same-site", "Sec-Fetch-Site", "same-site", false},
		{"another origin", "Origin", "https://attacker.example", false},
		{"same origin", "Sec-Fetch-Site", "same-origin", true},
		{"own origin", "Origin", f.url, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := f.request(http.MethodPost, "/revocations/lookup", `{"scope":"everyone"}`, func(r *http.Request) { r.Header.Set(row.header, row.value) })
			if row.ok {
				got.want(t, http.StatusOK, "")
			} else {
				got.want(t, http.StatusForbidden, "cross_origin")
			}
		})
	}
}

func TestPathsAndMethods(t *testing.T) {
	f := start(t)
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/status/", 404, ""},
		{"GET", "//status", 404, ""},
		{"POST", "/keys//revoke", 404, ""},
		{"POST", "/keys/a/b/revoke", 404, ""},
		{"GET", "/revocations/../status", 404, ""},
		{"DELETE", "/status", 405, "GET, HEAD"},
		{"OPTIONS", "/revocations", 405, "POST, GET, HEAD"},
		{"PUT", "/revocations", 405, "POST, GET, HEAD"},
		{"PATCH", "/openapi.json", 405, "GET, HEAD"},
		{"HEAD", "/keys/rotate", 405, "POST"},
		{"GET", "/keys/AAAAAAAAAAA/revoke", 405, "POST"},
	} {
		t.Run(row.method+row.path, func(t *testing.T) {
			got := f.request(row.method, row.path, "")
			if row.method == "HEAD" {
				if got.status != row.status {
					t.Fatalf("status %d", got.status)
				}
			} else {
				got.want(t, row.status, map[int]string{404: "not_found", 405: "method"}[row.status])
			}
			if got.header.Get("Allow") != row.allow {
				t.Errorf("Allow is %q, want %q", got.header.Get("Allow"), row.allow)
			}
		})
	}
}
