package admin_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
)

// A body that does not arrive holds no connection for longer than bodyTime.
func TestSlowBody(t *testing.T) {
	f := start(t)
	defer admin.SetBodyTime(admin.SetBodyTime(10 * time.Millisecond))
	body, never := io.Pipe()
	defer never.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/revocations/lookup", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("status %s", answer.Status)
	}
}

func TestBodies(t *testing.T) {
	f := start(t)
	const good = `{"scope":"subject","id":"ada"}`
	for _, row := range []struct {
		name, contentType, body string
		status                  int
		code                    string
	}{
		{"plain", "application/json", good, 200, ""},
		{"with charset", "application/json; charset=utf-8", good, 200, ""},
		{"with space around", "application/json", " \n" + good + "\t\n", 200, ""},
		{"no content type", "", good, 415, "media_type"},
		{"text", "text/plain", good, 415, "media_type"},
		{"a form", "application/x-www-form-urlencoded", "scope=subject&id=ada", 415, "media_type"},
		{"JSON of a kind", "application/problem+json", good, 415, "media_type"},
		{"another charset", "application/json; charset=utf-16", good, 415, "media_type"},
		{"no body", "application/json", "", 400, "body"},
		{"too long", "application/json", `{"scope":"` + strings.Repeat("x", 9000) + `"}`, 413, "too_large"},
		{"an unknown member", "application/json", `{"scope":"subject","id":"ada","force":true}`, 400, "body"},
		{"half of a character", "application/json", `{"scope":"subject","id":"a\ud800"}`, 400, "body"},
		{"the other half", "application/json", `{"scope":"subject","id":"a\udc00\ud800"}`, 400, "body"},
		{"half of one before an escape", "application/json", `{"scope":"subject","id":"\ud800\n"}`, 400, "body"},
		{"both halves", "application/json", `{"scope":"subject","id":"\ud83d\ude00"}`, 200, ""},
		{"what looks like half of one", "application/json", `{"scope":"subject","id":"\\ud800"}`, 200, ""},
		{"the replacement character itself", "application/json", `{"scope":"subject","id":"\ufffd"}`, 200, ""},
		{"half of a character in the reason", "application/json", `{"scope":"subject","id":"ada","reason":"\ud800"}`, 400, "body"},
		{"another case", "application/json", `{"Scope":"subject","id":"ada"}`, 400, "body"},
		{"a member twice", "application/json", `{"scope":"subject","id":"ada","id":"eve"}`, 400, "body"},
		{"null", "application/json", `{"scope":"subject","id":null}`, 400, "body"},
		{"a number for a string", "application/json", `{"scope":"subject","id":7}`, 400, "body"},
		{"an array", "application/json", `[` + good + `]`, 400, "body"},
		{"a string", "application/json", `"subject"`, 400, "body"},
		{"two values", "application/json", good + good, 400, "body"},
		{"an end too much", "application/json", good + `}`, 400, "body"},
		{"cut off", "application/json", good[:len(good)-1], 400, "body"},
		{"not UTF-8", "application/json", "{\"scope\":\"subject\",\"id\":\"a\xffa\"}", 400, "body"},
		{"a control character in the reason", "application/json", `{"scope":"subject","id":"ada","reason":"a\nb"}`, 422, "invalid"},
		{"a change of direction in the reason", "application/json", `{"scope":"subject","id":"ada","reason":"a\u202eb"}`, 422, "invalid"},
		{"a line separator in the actor", "application/json", `{"scope":"subject","id":"ada","actor":"a\u2028b"}`, 422, "invalid"},
		{"a long reason", "application/json", `{"scope":"subject","id":"ada","reason":"` + strings.Repeat("x", 201) + `"}`, 422, "invalid"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.request(http.MethodPost, "/revocations", row.body, func(r *http.Request) {
				r.Header.Del("Content-Type")
				if row.contentType != "" {
					r.Header.Set("Content-Type", row.contentType)
				}
			}).want(t, row.status, row.code)
		})
	}
}

// The caller learns which member of the body is wrong.
func TestBodyProblemsNameTheMember(t *testing.T) {
	f := start(t)
	for _, row := range []struct{ body, member string }{
		{`{"scope":"subject","id":"a\ud800"}`, "id"},
		{"{\"scope\":\"subject\",\"id\":\"a\xffa\"}", "id"},
		{`{"scope":"subject","id":"ada","force":true}`, `"force"`},
		{`{"scope":"subject","id":"ada","id":"eve"}`, "id"},
		{`{"scope":"subject","id":7}`, "id"},
	} {
		got := f.request(http.MethodPost, "/revocations", row.body)
		got.want(t, 400, "body")
		if detail, _ := got.body["detail"].(string); !strings.Contains(detail, "member "+row.member) {
			t.Errorf("%q: %q does not name the member %s", row.body, detail, row.member)
		}
	}
}

// What the parser accepts is one JSON object of known members, each there once, with the values that a
// plain decoder finds.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"scope":"session","id":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"scope":"subject","id":"ada","before":"2026-01-01T00:00:00Z","reason":"stolen"}`,
		`{"after":600,"immediate":false}`, `{"id":"a","id":"b"}`, `{"ID":"a"}`, `{"id":null}`, `{"id":"\ud800"}`, `{"id":{"id":"a"}}`, `{"after":1e2}`,
		`{"after":-1}`, `{"id":"a"}{"id":"b"}`, `{"id":"a"`, `[]`, ``, ` `, "{\"id\":\"\xff\"}", `{"id":"a",}`, `{,"id":"a"}`, `{"id" "a"}`,
		strings.Repeat(`{"id":`, 200), `{"immediate":tru}`, `{"after":99999999999999999999}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var id, scope string
		var after int64
		var immediate bool
		fields := map[string]any{"id": &id, "scope": &scope, "after": &after, "immediate": &immediate}
		if admin.Parse(body, fields) != nil {
			return
		}
		var plain map[string]json.RawMessage
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatalf("took %q, which is not a JSON object: %v", body, err)
		}
		members := 0
		for dec := json.NewDecoder(bytes.NewReader(body)); ; members++ { // each key and each value is one token, as no value here is nested
			if _, err := dec.Token(); err != nil {
				break
			}
		}
		if members != 2+2*len(plain) {
			t.Fatalf("took %q: %d tokens for %d members", body, members, len(plain))
		}
		for name, raw := range plain {
			got, known := fields[name]
			if !known {
				t.Fatalf("took %q with the member %q", body, name)
			}
			want := map[string]any{"id": new(string), "scope": new(string), "after": new(int64), "immediate": new(bool)}[name]
			if err := json.Unmarshal(raw, want); err != nil {
				t.Fatalf("took %q: %v", body, err)
			}
			if s, ok := got.(*string); ok && strings.Contains(*s, "\ufffd") && !bytes.Contains(raw, []byte("\ufffd")) && !bytes.Contains(bytes.ToLower(raw), []byte("fffd")) {
				t.Fatalf("took %q: %q holds half of a character", body, name)
			}
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			if !bytes.Equal(a, b) {
				t.Fatalf("took %q: %q is %s, and a plain decoder says %s", body, name, a, b)
			}
		}
	})
}
