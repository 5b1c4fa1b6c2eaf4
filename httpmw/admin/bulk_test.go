package admin_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/revocation"
)

func (f *fixture) many(body string) answer {
	f.t.Helper()
	return f.request(http.MethodPost, "/revocations/many", body, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-ndjson") })
}

func sessionID(i int) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func TestRevokeMany(t *testing.T) {
	f := start(t)
	const n = 2500
	var body strings.Builder
	body.WriteString(`{"scope":"session","reason":"leak","actor":"grace"}` + "\n")
	for i := range n {
		fmt.Fprintf(&body, "%q\r\n\n", sessionID(i))
	}
	for _, changed := range []bool{true, false} {
		got := f.many(body.String())
		got.want(t, http.StatusOK, "")
		if got.body["count"] != float64(n) || got.body["changed"] != changed || timeIn(t, got.body, "effective").After(timeIn(t, got.body, "worst_case")) {
			t.Errorf("answer %v", got.body)
		}
	}
	if _, revoked, err := f.list.Revoked(t.Context(), revocation.Session(sessionID(n-1))); !revoked || err != nil {
		t.Errorf("the last one: %v, %v", revoked, err)
	}
	if entries := f.list.Stats().Entries; entries != 0 {
		t.Errorf("%d entries went into the log", entries)
	}
	records := f.log.records(t)
	if len(records) != 2*(n+1) {
		t.Fatalf("%d records", len(records))
	}
	for _, r := range records {
		if r.Actor != "admin" || r.Claimed != "grace" || r.Reason != "leak" || !r.Quiet || r.Via != audit.ViaAdmin {
			t.Fatalf("record %+v", r)
		}
	}
	if last := records[n]; last.Action != audit.RevokeMany || last.Count != n {
		t.Errorf("record %+v", last)
	}
}

// One replica takes one body at a time. Others wait for their turn.
func TestRevokeManyTakesTurns(t *testing.T) {
	f := start(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if got := f.many(fmt.Sprintf("{\"scope\":\"session\"}\n%q\n", sessionID(i))); got.status != http.StatusOK {
				t.Errorf("call %d: %d %v", i, got.status, got.body)
			}
		})
	}
	wg.Wait()
}

// An id may hold any character, and each wrong line is named.
func TestRevokeManyLines(t *testing.T) {
	f := start(t)
	f.many("{\"scope\":\"subject\"}\n\"a\\u0000b\"\n\"tab\\there\"").want(t, http.StatusOK, "")
	for _, id := range []string{"a\x00b", "tab\there"} {
		if _, revoked, err := f.list.Revoked(t.Context(), revocation.Subject(id)); !revoked || err != nil {
			t.Errorf("%q: %v, %v", id, revoked, err)
		}
	}
	got := f.many("{\"scope\":\"subject\"}\n\"ada\"\nada\n\"\"\n7\n\"x\" \"y\"\n\"\\ud800\"\n\"\xff\"\n\"" + strings.Repeat("x", 257) + "\"\n{\"id\":\"x\"}")
	got.want(t, http.StatusUnprocessableEntity, "lines")
	var lines []any
	for _, l := range got.body["lines"].([]any) {
		lines = append(lines, dig(l, "line"))
		if detail, _ := dig(l, "detail").(string); detail == "" {
			t.Errorf("line %v", l)
		}
	}
	if s := fmt.Sprint(lines); s != "[3 4 5 6 7 8 9 10]" {
		t.Errorf("lines %s", s)
	}
	if _, revoked, _ := f.list.Revoked(t.Context(), revocation.Subject("ada")); revoked {
		t.Error("a line was revoked although others are wrong")
	}
	if got := f.many("{\"scope\":\"subject\"}\n" + strings.Repeat("7\n", 500)); len(got.body["lines"].([]any)) != 100 {
		t.Errorf("%d lines are named", len(got.body["lines"].([]any)))
	}
}

func TestRevokeManyRefuses(t *testing.T) {
	f := start(t)
	for _, row := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"nothing", " ", 400, "body"},
		{"no ids", `{"scope":"session"}`, 422, "invalid"},
		{"no object", `"ada"`, 400, "body"},
		{"an unknown member", `{"scope":"session","id":"x"}` + "\n", 400, "body"},
		{"everyone", `{"scope":"everyone"}` + "\n\"x\"", 422, "invalid"},
		{"a key", `{"scope":"key"}` + "\n\"x\"", 422, "invalid"},
		{"a bad reason", `{"scope":"subject","reason":"a\nb"}` + "\n\"x\"", 422, "invalid"},
		{"a long line", `{"scope":"subject"}` + "\n\"" + strings.Repeat("x", 5000), 413, "too_large"},
		{"a long body", `{"scope":"subject"}` + strings.Repeat("\n", 65<<20), 413, "too_large"},
	} {
		t.Run(row.name, func(t *testing.T) { f.many(row.body).want(t, row.status, row.code) })
	}
	f.post("/revocations/many", `{"scope":"subject"}`).want(t, http.StatusUnsupportedMediaType, "media_type")
	if s := f.log.String(); s != "" {
		t.Errorf("records %s", s)
	}
	f.store.Fail()
	got := f.many("{\"scope\":\"subject\"}\n\"ada\"")
	got.want(t, http.StatusServiceUnavailable, "unavailable")
	if records := f.log.records(t); len(records) != 2 || records[0].Target.Tag == "" || records[1].Error == "" || records[1].Action != audit.RevokeMany {
		t.Errorf("records %+v", records)
	}
}

// Whatever is read is within its bounds, and is the same ids again.
func FuzzReadMany(f *testing.F) {
	f.Add([]byte("{\"scope\":\"subject\"}\n\"ada\"\n\n\"\\u00e9\"\r\n"))
	f.Add([]byte("{\"scope\":\"session\",\"reason\":\"x\"}\n\"AAAAAAAAAAAAAAAAAAAAAA\""))
	f.Add([]byte("{\"scope\":\"group\"}\n7\n\"\xff\"\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		scope, ids, err := admin.ReadMany(body)
		if err != nil {
			return
		}
		again := fmt.Appendf(nil, "{\"scope\":%q}\n", scope)
		for _, id := range ids {
			if len(id) == 0 || len(id) > 256 {
				t.Fatalf("an id of %d bytes", len(id))
			}
			again = append(append(again, mustJSON(t, id)...), '\n')
		}
		if _, got, err := admin.ReadMany(again); err != nil || fmt.Sprint(got) != fmt.Sprint(ids) || len(ids) == 0 {
			t.Errorf("%q has %q, then %q, %v", body, ids, got, err)
		}
	})
}

func TestListRevocations(t *testing.T) {
	f := start(t)
	for i := range 5 {
		f.post("/revocations", fmt.Sprintf(`{"scope":"subject","id":"user%d","reason":"reason %d","actor":"grace"}`, i, i)).want(t, http.StatusOK, "")
	}
	f.post("/revocations", `{"scope":"session","id":"`+sid+`"}`).want(t, http.StatusOK, "")
	var seen []string
	for query := "?limit=2"; query != ""; {
		got := f.request(http.MethodGet, "/revocations"+query, "")
		got.want(t, http.StatusOK, "")
		page, _ := got.body["revocations"].([]any)
		for _, r := range page {
			seen = append(seen, fmt.Sprint(dig(r, "scope"), dig(r, "reason"), dig(r, "actor"), dig(r, "claimed_actor"), dig(r, "since") != nil))
		}
		next, more := got.body["next"].(string)
		if query = ""; more {
			query = "?limit=2&before=" + next
		}
	}
	if want := "[session<nil>admin<nil> false subjectreason 4admingracetrue subjectreason 3admingracetrue subjectreason 2admingracetrue subjectreason 1admingracetrue subjectreason 0admingracetrue]"; fmt.Sprint(seen) != want {
		t.Errorf("seen %v\nwant %s", seen, want)
	}
	got := f.request(http.MethodGet, "/revocations?scope=session", "")
	if page, _ := got.body["revocations"].([]any); len(page) != 1 || got.body["next"] != nil {
		t.Errorf("of sessions: %v", got.body)
	}
	for _, query := range []string{
		"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "before=7", "before=1-0", "before=-1-2", "scope=planet", "subject=ada", "%zz", "before=" + strings.Repeat("1", 2000),
	} {
		f.request(http.MethodGet, "/revocations?"+query, "").want(t, http.StatusUnprocessableEntity, "invalid")
	}
	f.store.Fail()
	f.request(http.MethodGet, "/revocations", "").want(t, http.StatusServiceUnavailable, "unavailable")
}
