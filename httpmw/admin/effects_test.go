package admin_test

import (
	"net/http"
	"strings"
	"testing"
)

// A revocation can lock sessions, have them loaded again, or end them one after another. A lookup and
// the list tell each, and a record says which it was.
func TestEffects(t *testing.T) {
	f := start(t)
	for _, body := range []string{
		`{"scope":"subject","id":"ada","effect":"require_login"}`,
		`{"scope":"session","id":"` + sid + `","effect":"reload","wait":"fleet"}`,
		`{"scope":"group","id":"a","effect":"end","over":"1h"}`,
	} {
		got := f.post("/revocations", body)
		if got.want(t, http.StatusOK, ""); got.body["changed"] != true || strings.Contains(body, "over") != (got.body["ended_by"] != nil) || strings.Contains(body, "wait") != (got.body["fleet"] != nil) {
			t.Errorf("%s: %v", body, got.body)
		}
	}
	records := f.log.records(t)
	if len(records) != 3 || records[0].Effect != "require_login" || records[1].Effect != "reload" || records[1].Since.IsZero() || records[2].Effect != "" || records[2].Over.String() != "1h0m0s" {
		t.Errorf("records %+v", records)
	}
	got := f.post("/revocations/lookup", `{"scope":"subject","id":"ada"}`)
	if all, _ := got.body["effects"].([]any); got.body["revoked"] != false || len(all) != 1 || dig(all[0], "effect") != "require_login" || dig(all[0], "since") == nil {
		t.Errorf("lookup %v", got.body)
	}
	got = f.request(http.MethodGet, "/revocations", "")
	all, _ := got.body["revocations"].([]any)
	if len(all) != 3 || dig(all[0], "effect") != "end" || dig(all[0], "over") != "1h0m0s" || dig(all[0], "ended_by") == nil || dig(all[1], "effect") != "reload" || dig(all[1], "since") == nil {
		t.Errorf("list %v", got.body)
	}
	for _, dry := range []string{`}`, `,"dry_run":true}`} {
		f.post("/revocations", `{"scope":"group","id":"a","over":"1m"`+dry).want(t, http.StatusConflict, "under_way")
	}
	if n := len(f.log.records(t)); n != 3 {
		t.Errorf("%d records", n)
	}
	f.post("/revocations", `{"scope":"group","id":"a"}`).want(t, http.StatusOK, "")
}

func TestEffectsAreRefused(t *testing.T) {
	f := start(t)
	for _, row := range []struct {
		body   string
		status int
		code   string
	}{
		{`"subject","id":"ada","effect":"end_slowly"`, 422, "invalid"},
		{`"subject","id":"ada","effect":1`, 400, "body"},
		{`"subject","id":"ada","effect":null`, 400, "body"},
		{`"subject","id":"ada","over":"1h"`, 422, "invalid"},
		{`"group","id":"a","over":"1h","effect":"reload"`, 422, "invalid"},
		{`"group","id":"a","over":"1h","before":"2026-01-01T00:00:00Z"`, 422, "invalid"},
		{`"group","id":"a","over":"3h"`, 422, "invalid"}, // longer than the longest idle limit
		{`"group","id":"a","over":""`, 422, "invalid"},
		{`"group","id":"a","over":"25h"`, 422, "invalid"},
		{`"group","id":"a","over":"-1h"`, 422, "invalid"},
		{`"group","id":"a","over":3600`, 400, "body"},
		{`"key","id":"k","effect":"reload"`, 422, "invalid"},
	} {
		for _, dry := range []string{"", `,"dry_run":true`} {
			f.post("/revocations", `{"scope":`+row.body+dry+`}`).want(t, row.status, row.code)
		}
	}
	f.many(`{"scope":"subject","effect":"reload"}`+"\n\"ada\"\n").want(t, http.StatusUnprocessableEntity, "invalid")
}
