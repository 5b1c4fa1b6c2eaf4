package admin_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

const secret = "a-token-of-some-length-0123456789"

const (
	sid      = "AAAAAAAAAAAAAAAAAAAAAA"
	otherSid = "BBBBBBBBBBBBBBBBBBBBBA"
)

// fixture is one API on a real server, over a list in memory and a ring in a file.
type fixture struct {
	t     *testing.T
	url   string
	list  *revocation.List
	keys  *keys.File
	store *revlogtest.Faulty
	log   *lines
}

func start(t *testing.T, change ...func(*admin.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: revlogtest.NewFaulty(revlog.NewMemory()), log: new(lines)}
	var err error
	f.keys, err = keys.OpenFile(t.Context(), filepath.Join(t.TempDir(), "ring.json"), keys.InsecurePlaintext(), keys.FileConfig{Create: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.keys.Close() })
	f.list, err = revocation.Open(t.Context(), f.store, f.keys.Ring(), revocation.Config{Logger: quiet, Audit: slog.NewJSONHandler(f.log, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.list.Close() })
	f.serve(f.keys, change...)
	return f
}

// serve starts a server over the fixture's list and the given source of keys.
func (f *fixture) serve(k keys.Source, change ...func(*admin.Config)) {
	f.t.Helper()
	c := admin.Config{Token: secret, Audit: slog.NewJSONHandler(f.log, nil)}
	for _, ch := range change {
		ch(&c)
	}
	h, err := admin.New(f.list, k, c)
	if err != nil {
		f.t.Fatal(err)
	}
	server := httptest.NewServer(h)
	f.t.Cleanup(server.Close)
	f.url = server.URL
}

var quiet = slog.New(slog.DiscardHandler)

// lines is a log of audit records.
type lines struct{ logtest.Log }

// records parses the audit records.
func (l *lines) records(t *testing.T) (all []audit.Record) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		r, err := audit.Parse([]byte(line))
		if err != nil {
			t.Fatalf("record %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// request sends one with the right token and a JSON body, which change may alter.
func (f *fixture) request(method, path, body string, change ...func(*http.Request)) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, ch := range change {
		ch(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			f.t.Fatalf("%s %s answered %q: %v", method, path, raw, err)
		}
	}
	return a
}

func (f *fixture) post(path, body string) answer {
	f.t.Helper()
	return f.request(http.MethodPost, path, body)
}

// want fails unless the answer has the status and, if that is an error, is a problem document with the
// code.
func (a answer) want(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d with %v, want %d %s", a.status, a.body, status, code)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	contentType := "application/json"
	if status >= 400 {
		contentType = "application/problem+json"
		if a.body["code"] != code || a.body["status"] != float64(status) || a.body["title"] != http.StatusText(status) {
			t.Errorf("problem document %v, want code %q", a.body, code)
		}
	}
	if got := a.header.Get("Content-Type"); got != contentType {
		t.Errorf("Content-Type is %q", got)
	}
}

func TestNewRefusesAnAPIForEverybody(t *testing.T) {
	ring := keys.Generate(0)
	list, source := revocation.Disabled(ring), keys.Static(ring)
	authorize := func(*http.Request) (admin.Caller, error) { return admin.Caller{Name: "me"}, nil }
	for _, row := range []struct {
		name string
		list *revocation.List
		keys keys.Source
		conf admin.Config
		ok   bool
	}{
		{"nothing", list, source, admin.Config{}, false},
		{"a short token", list, source, admin.Config{Token: secret[:admin.MinToken-1]}, false},
		{"24 equal letters", list, source, admin.Config{Token: strings.Repeat("t", admin.MinToken)}, false},
		{"seven different letters", list, source, admin.Config{Token: strings.Repeat("abcdefg", 6)}, false},
		{"a word over and over", list, source, admin.Config{Token: strings.Repeat("password1", 4)}, false},
		{"the alphabet", list, source, admin.Config{Token: "abcdefghijklmnopqrstuvwxyz"}, false},
		{"token and own", list, source, admin.Config{Token: secret, Authorize: authorize}, false},
		{"no list", nil, source, admin.Config{Token: secret}, false},
		{"no keys", list, nil, admin.Config{Token: secret}, false},
		{"a token", list, source, admin.Config{Token: secret[:admin.MinToken]}, true},
		{"own", list, source, admin.Config{Authorize: authorize}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, err := admin.New(row.list, row.keys, row.conf)
			if (err == nil) != row.ok || (h != nil) != row.ok {
				t.Errorf("New returned %v, %v", h, err)
			}
			if err != nil && strings.Contains(err.Error(), secret[:8]) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestRevokeAndLookUp(t *testing.T) {
	for _, row := range []struct{ scope, id string }{
		{"session", sid}, {"subject", "ada"}, {"group", "tenant:7"}, {"everyone", ""},
	} {
		t.Run(row.scope, func(t *testing.T) {
			f := start(t)
			body := mustJSON(t, map[string]string{"scope": row.scope, "id": row.id})
			if row.scope == "everyone" {
				body = `{"scope":"everyone"}`
			}
			before := f.post("/revocations/lookup", body)
			before.want(t, http.StatusOK, "")
			if before.body["revoked"] != false {
				t.Fatalf("revoked at the start: %v", before.body)
			}

			asked := time.Now()
			got := f.post("/revocations", body)
			got.want(t, http.StatusOK, "")
			if got.body["changed"] != true || got.body["position"] == "" {
				t.Errorf("answer %v", got.body)
			}
			effective, worst := timeIn(t, got.body, "effective"), timeIn(t, got.body, "worst_case")
			if d := effective.Sub(asked); d < f.list.Replica().Within() || d > f.list.Replica().Within()+time.Minute {
				t.Errorf("effective %v after the request, and the list promises %v", d, f.list.Replica().Within())
			}
			if d := worst.Sub(asked); d < f.list.Replica().Grace() || d > f.list.Replica().Grace()+time.Minute {
				t.Errorf("worst_case %v after the request, and the list promises %v", d, f.list.Replica().Grace())
			}

			after := f.post("/revocations/lookup", body)
			after.want(t, http.StatusOK, "")
			if after.body["revoked"] != true {
				t.Errorf("lookup after: %v", after.body)
			}
			if row.scope == "session" || row.scope == "everyone" {
				again := f.post("/revocations", body)
				again.want(t, http.StatusOK, "")
				if row.scope == "session" && again.body["changed"] != false {
					t.Errorf("revoking a session twice changed something: %v", again.body)
				}
			}
		})
	}
}

// A revocation may wait for every replica, and names those that have not confirmed it.
func TestRevokeWaitsForTheFleet(t *testing.T) {
	f := start(t)
	got := f.request(http.MethodPost, "/revocations", `{"scope":"subject","id":"ada","wait":"fleet"}`)
	got.want(t, http.StatusOK, "")
	fleet, _ := got.body["fleet"].(map[string]any)
	if fleet["complete"] != true || fleet["refusing"] != 1.0 || len(fleet["behind"].([]any)) != 0 {
		t.Errorf("fleet = %v", fleet)
	}
	stuck := revlog.Replica{ID: "stuck", Host: "far", State: "synced", Position: "1-0"}
	if err := f.store.Register(t.Context(), stuck, 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	got = f.request(http.MethodPost, "/revocations", `{"scope":"subject","id":"ada","wait":"fleet"}`)
	got.want(t, http.StatusOK, "")
	fleet, _ = got.body["fleet"].(map[string]any)
	behind, _ := fleet["behind"].([]any)
	if fleet["complete"] != false || fleet["refusing"] != 1.0 || len(behind) != 1 || behind[0].(map[string]any)["id"] != "stuck" {
		t.Errorf("fleet = %v", fleet)
	}
	f.request(http.MethodPost, "/revocations", `{"scope":"subject","id":"ada","wait":"all"}`).want(t, http.StatusUnprocessableEntity, "invalid")
	if got := f.request(http.MethodPost, "/revocations", `{"scope":"subject","id":"ada"}`); got.body["fleet"] != nil {
		t.Errorf("nobody waited: %v", got.body)
	}
}

func TestRevokeBefore(t *testing.T) {
	f := start(t)
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	f.post("/revocations", mustJSON(t, map[string]string{"scope": "subject", "id": "ada", "before": at.Format(time.RFC3339Nano)})).want(t, http.StatusOK, "")
	got := f.post("/revocations/lookup", `{"scope":"subject","id":"ada"}`)
	since, until := timeIn(t, got.body, "since"), timeIn(t, got.body, "until")
	if !since.Equal(at) {
		t.Errorf("since %v, want %v", since, at)
	}
	// No session that it ends can be used that long after it began without being asked about.
	if kept := until.Sub(since); kept < f.list.Replica().MaxIdle() || kept > 24*time.Hour {
		t.Errorf("remembered %v from since on", kept)
	}
	for _, row := range []struct{ name, body, code string }{
		{"the future", `{"scope":"subject","id":"ada","before":"2999-01-01T00:00:00Z"}`, "future"},
		{"the zero time", `{"scope":"everyone","before":"0001-01-01T00:00:00Z"}`, "invalid"},
		{"the zero time elsewhere", `{"scope":"everyone","before":"0001-01-01T00:00:00-05:00"}`, "invalid"},
		{"before 1970", `{"scope":"everyone","before":"1969-12-31T23:59:59.999Z"}`, "invalid"},
		{"nothing", `{"scope":"everyone","before":""}`, "invalid"},
		{"no time", `{"scope":"subject","id":"ada","before":"yesterday"}`, "invalid"},
		{"a session", `{"scope":"session","id":"` + sid + `","before":"2020-01-01T00:00:00Z"}`, "invalid"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.post("/revocations", row.body).want(t, http.StatusUnprocessableEntity, row.code)
		})
	}
	if _, revoked, err := f.list.Revoked(t.Context(), revocation.Everyone()); revoked || err != nil {
		t.Errorf("everyone is revoked: %v, %v", revoked, err)
	}
}

func TestTargetsThatAreNone(t *testing.T) {
	f := start(t)
	for _, row := range []struct{ name, body string }{
		{"no scope", `{}`},
		{"unknown scope", `{"scope":"planet","id":"x"}`},
		{"scope of other case", `{"scope":"Session","id":"` + sid + `"}`},
		{"short session id", `{"scope":"session","id":"AAAA"}`},
		{"session id of another spelling", `{"scope":"session","id":"AAAAAAAAAAAAAAAAAAAAAB"}`},
		{"no subject", `{"scope":"subject"}`},
		{"long subject", `{"scope":"subject","id":"` + strings.Repeat("x", 257) + `"}`},
		{"everyone by name", `{"scope":"everyone","id":"ada"}`},
	} {
		for _, path := range []string{"/revocations", "/revocations/lookup"} {
			t.Run(row.name+path, func(t *testing.T) {
				f.post(path, row.body).want(t, http.StatusUnprocessableEntity, "invalid")
			})
		}
	}
	t.Run("a key", func(t *testing.T) {
		f.post("/revocations", `{"scope":"key","id":"AAAAAAAAAAA"}`).want(t, http.StatusUnprocessableEntity, "invalid")
		f.post("/revocations/lookup", `{"scope":"key","id":"AAAAAAAAAAA"}`).want(t, http.StatusOK, "")
	})
}

func TestStatus(t *testing.T) {
	f := start(t)
	f.post("/revocations", `{"scope":"session","id":"`+sid+`"}`).want(t, http.StatusOK, "")
	got := f.request(http.MethodGet, "/status", "")
	got.want(t, http.StatusOK, "")
	if got.body["ready"] != true || got.body["state"] != "synced" || got.body["position"] == "" {
		t.Errorf("status %v", got.body)
	}
	promise, _ := got.body["promise"].(map[string]any)
	if promise["within"] != f.list.Replica().Within().Seconds() || promise["grace"] != f.list.Replica().Grace().Seconds() || promise["max_idle"] != f.list.Replica().MaxIdle().Seconds() {
		t.Errorf("promise %v", promise)
	}
	counters, _ := got.body["counters"].(map[string]any)
	for _, name := range []string{"decisions", "refusals", "confirms", "reads", "anomalies"} {
		if _, ok := counters[name].(map[string]any); !ok {
			t.Errorf("counters: %s is %v", name, counters[name])
		}
	}
	head := f.request(http.MethodHead, "/status", "")
	if head.status != http.StatusOK || head.body != nil {
		t.Errorf("HEAD answered %d %v", head.status, head.body)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func timeIn(t *testing.T, body map[string]any, name string) time.Time {
	t.Helper()
	text, _ := body[name].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatalf("%s in %v: %v", name, body, err)
	}
	return at
}
