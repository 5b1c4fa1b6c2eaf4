package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
)

// A dry run says what would be revoked, and whether that would change anything. It writes neither to
// the store nor a record.
func TestDryRun(t *testing.T) {
	f := start(t)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	preview := func(body string, changes bool, text string) answer {
		t.Helper()
		writes, lines := len(f.store.Writes()), f.log.String()
		got := f.post("/revocations", body)
		got.want(t, http.StatusOK, "")
		summary, _ := got.body["summary"].(string)
		if got.body["dry_run"] != true || got.body["changes"] != changes || !strings.Contains(summary, text) || got.body["position"] != nil {
			t.Errorf("%s: %v", body, got.body)
		}
		if len(f.store.Writes()) != writes || f.log.String() != lines {
			t.Errorf("%s: something was written", body)
		}
		return got
	}
	const ada, session = `{"scope":"subject","id":"ada","reason":"leak","dry_run":true`, `{"scope":"session","id":"` + sid + `","dry_run":true}`
	preview(ada+`}`, true, "All sessions of this subject that began until now would end. How many that is, is not known")
	preview(ada+`,"before":"`+past+`"}`, true, "until "+past)
	preview(session, true, "if there is one")
	if got := preview(`{"scope":"everyone","dry_run":true}`, true, "no replica has counted"); got.body["signed_in"] != nil {
		t.Errorf("answer %v", got.body)
	}
	for _, body := range []string{`{"scope":"subject","id":"ada"}`, `{"scope":"session","id":"` + sid + `","dry_run":false}`} {
		got := f.post("/revocations", body)
		if got.want(t, http.StatusOK, ""); got.body["changed"] != true {
			t.Errorf("%s: %v", body, got.body)
		}
	}
	if got := preview(ada+`}`, true, "until now"); dig(got.body["found"], "revoked") != true || dig(got.body["found"], "since") == nil {
		t.Errorf("answer %v", got.body)
	}
	preview(ada+`,"before":"`+past+`"}`, false, "Nothing would change")
	preview(session, false, "Nothing would change")
}

// A dry run for everyone says about how many are signed in, as the status does.
func TestDryRunForEveryone(t *testing.T) {
	f := start(t)
	begin, err := f.list.Replica().Begin(t.Context(), replica.Login{Subject: f.list.Tag(revocation.Subject("ada"))})
	if err != nil {
		t.Fatal(err)
	}
	q := &replica.Query{Session: [16]byte{1}, Subject: f.list.Tag(revocation.Subject("ada")), Epoch: begin.Epoch, Checked: begin.Checked, Term: begin.Term}
	if d := f.list.Replica().Decide(q); d.Outcome != replica.Accept {
		t.Fatalf("decision %+v", d)
	}
	for deadline := time.Now().Add(20 * time.Second); f.list.Stats().SignedIn.At.IsZero(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the replica never counted")
		}
	}
	got := f.post("/revocations", `{"scope":"everyone","dry_run":true,"before":"2026-01-01T00:00:00Z"}`)
	got.want(t, http.StatusOK, "")
	if summary := got.body["summary"]; dig(got.body["signed_in"], "subjects") != 1.0 || summary != "All sessions that began until 2026-01-01T00:00:00Z would end: at most about 1 session, of about 1 person." {
		t.Errorf("answer %v", got.body)
	}
}

// A dry run of many counts the ids, and refuses what the revocation would refuse.
func TestDryRunOfMany(t *testing.T) {
	f := start(t)
	const head = `{"scope":"subject","dry_run":true}` + "\n"
	got := f.many(head + "\"ada\"\n\"kim\"\n")
	got.want(t, http.StatusOK, "")
	if summary, _ := got.body["summary"].(string); got.body["count"] != 2.0 || got.body["dry_run"] != true || !strings.HasPrefix(summary, "2 subjects would be revoked") {
		t.Errorf("answer %v", got.body)
	}
	f.many(head+"ada").want(t, http.StatusUnprocessableEntity, "lines")
	if _, revoked, err := f.list.Revoked(t.Context(), revocation.Subject("ada")); revoked || err != nil {
		t.Errorf("%v, %v", revoked, err)
	}
	if s := f.log.String(); s != "" {
		t.Errorf("records %s", s)
	}
}

// What a revocation would be refused for, its dry run is refused for as well.
func TestDryRunIsRefused(t *testing.T) {
	reader, asReader := newToken(t, "reader", admin.RoleRead)
	writer, asWriter := newToken(t, "writer", admin.RoleRevoke)
	f := start(t, withTokens(reader, writer))
	const everyone = `{"scope":"everyone","dry_run":true}`
	f.request(http.MethodPost, "/revocations", everyone, asReader).want(t, http.StatusForbidden, "role")
	if all := f.log.records(t); len(all) != 1 || all[0].Actor != "reader" {
		t.Errorf("records %+v", all)
	}
	for _, row := range []struct {
		body   string
		status int
		code   string
	}{
		{`{"scope":"subject","dry_run":true}`, 422, "invalid"},
		{`{"scope":"key","id":"k","dry_run":true}`, 422, "invalid"},
		{`{"scope":"everyone","dry_run":true,"before":"2999-01-01T00:00:00Z"}`, 422, "future"},
		{`{"scope":"everyone","dry_run":true,"wait":"x"}`, 422, "invalid"},
		{`{"scope":"everyone","dry_run":"true"}`, 400, "body"},
		{`{"scope":"everyone","dry_run":null}`, 400, "body"},
	} {
		t.Run(row.body, func(t *testing.T) {
			f.request(http.MethodPost, "/revocations", row.body, asWriter).want(t, row.status, row.code)
		})
	}
	f.store.Fail()
	f.request(http.MethodPost, "/revocations", everyone, asWriter).want(t, http.StatusServiceUnavailable, "unavailable")
	f.list.Close()
	f.request(http.MethodPost, "/revocations", everyone, asWriter).want(t, http.StatusServiceUnavailable, "closed")
	f.list = revocation.Disabled(f.keys.Ring())
	f.serve(f.keys, withTokens(writer))
	f.request(http.MethodPost, "/revocations", everyone, asWriter).want(t, http.StatusNotImplemented, "disabled")
	f.request(http.MethodPost, "/revocations/many", "{\"scope\":\"subject\",\"dry_run\":true}\n\"ada\"", asWriter, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-ndjson") }).want(t, http.StatusNotImplemented, "disabled")
}
