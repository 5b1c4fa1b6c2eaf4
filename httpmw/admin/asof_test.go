package admin_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Every receipt has what httpmw.AsOfHeader takes: another replica, asked with it, has read the
// revocation.
func TestReceiptsSayAsOf(t *testing.T) {
	f := start(t)
	other, err := revocation.Open(t.Context(), f.store, f.keys.Ring(), revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	post := map[string]func(body string) answer{"/revocations/many": f.many}
	for _, row := range []struct{ path, body string }{
		{"/revocations", `{"scope":"subject","id":"ada"}`},
		{"/revocations", `{"scope":"subject","id":"ada"}`}, // changes nothing
		{"/revocations", `{"scope":"subject","id":"ada","effect":"require_login"}`},
		{"/revocations", `{"scope":"subject","id":"ada","effect":"reload","wait":"fleet"}`},
		{"/revocations", `{"scope":"everyone","over":"1h"}`},
		{"/revocations/many", "{\"scope\":\"subject\"}\n\"bob\""},
		{"/keys/" + f.keys.Ring().Keys()[0].ID() + "/revoke", `{"key_only":true}`},
	} {
		send := post[row.path]
		if send == nil {
			send = func(body string) answer { return f.post(row.path, body) }
		}
		got := send(row.body)
		got.want(t, http.StatusOK, "")
		asOf, _ := got.body["as_of"].(string)
		if !other.Replica().Reach(t.Context(), []string{asOf}) {
			t.Errorf("%s %s: %q is no receipt", row.path, row.body, asOf)
			continue
		}
		if has, want := position(t, other.Stats().Position), position(t, got.body["position"]); has.Before(want) {
			t.Errorf("%s %s: the other replica has read up to %v, and the revocation is %v", row.path, row.body, has, want)
		}
	}
}

// position reads what a document says of one.
func position(t *testing.T, v any) (p revlog.Position) {
	t.Helper()
	if _, err := fmt.Sscanf(fmt.Sprint(v), "%d-%d", &p.MS, &p.N); err != nil {
		t.Fatalf("position %v: %v", v, err)
	}
	return p
}
