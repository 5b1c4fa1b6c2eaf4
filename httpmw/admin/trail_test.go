package admin_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
)

func TestTheTrail(t *testing.T) {
	f := start(t)
	f.request(http.MethodGet, "/audit", "").want(t, http.StatusNotImplemented, "no_trail")
	trail := audit.NewTrail(slog.DiscardHandler)
	f.serve(f.keys, func(c *admin.Config) { c.Audit = trail })
	if got := f.request(http.MethodGet, "/audit", ""); got.status != http.StatusOK || len(got.body["records"].([]any)) != 0 {
		t.Errorf("%d %v", got.status, got.body)
	}
	f.post("/keys/rotate", `{"reason":"drill"}`).want(t, http.StatusOK, "")
	f.request(http.MethodGet, "/status", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") })
	user := audit.With(t.Context(), audit.By{Actor: "subject:x", Via: audit.ViaSession})
	for range audit.TrailSize { // does not push out what operators did
		audit.Record{Action: audit.Revoke, Target: audit.Target{Scope: "session", Tag: "x"}}.Write(user, trail)
	}
	records := f.request(http.MethodGet, "/audit", "").body["records"].([]any)
	if len(records) != audit.TrailSize+2 {
		t.Fatalf("%d records", len(records))
	}
	records = records[audit.TrailSize:]
	if first, last := records[0].(map[string]any), records[1].(map[string]any); first["action"] != "refused" || last["action"] != "keys" || last["reason"] != "drill" || last["msg"] != audit.Message {
		t.Errorf("%v", records)
	}
}
