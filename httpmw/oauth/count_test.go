package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/audit"
)

// Each request is counted once, by what it came to.
func TestCounts(t *testing.T) {
	f := start(t, all)
	bearer, cookie := f.issue(t), f.login(t)[cookieName]
	renewal := "eyJ0eXAiOiJzZWVuK2p3dCJ9...."
	f.active(t, bearer, true)
	f.active(t, "unheard of", false)
	f.ends(t, bearer)
	f.ends(t, cookie)
	f.ends(t, "unheard of")
	f.revoke(t, renewal).fails(t, http.StatusBadRequest, "unsupported_token_type")
	for _, h := range f.endpoints() {
		r := form(url.Values{"token": {bearer}})
		r.SetBasicAuth("x", "y")
		send(t, h, r).fails(t, http.StatusUnauthorized, "invalid_client")
		send(t, h, form(url.Values{})).fails(t, http.StatusBadRequest, "invalid_request")
		r = form(url.Values{"token": {bearer}})
		r.Method = http.MethodPut
		send(t, h, r).fails(t, http.StatusMethodNotAllowed, "invalid_request")
	}
	other := f.issue(t)
	f.store.Fail()
	f.revoke(t, other).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	want := map[string]map[string]uint64{
		"introspect": {"active": 1, "inactive": 1, "invalid_client": 1, "invalid_request": 2, "temporarily_unavailable": 0},
		"revoke": {"ended": 2, "ignored": 1, "invalid_client": 1, "invalid_request": 2, "temporarily_unavailable": 1,
			"unsupported_token_type": 1},
	}
	if diff := cmp.Diff(want, f.Counts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A revocation by a client has one record, with the client's id as it authenticated and its address, also
// if the store does not acknowledge it.
func TestAuditOfAClient(t *testing.T) {
	f := start(t, all)
	bearer, late, cookie := f.issue(t), f.issue(t), f.login(t)[cookieName]
	f.ends(t, bearer)
	f.ends(t, cookie)
	f.ends(t, "unheard of") // no session, no record
	f.store.Fail()
	f.revoke(t, late).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	var records []audit.Record
	for line := range strings.Lines(f.audit.String()) {
		r, err := audit.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	if len(records) != 3 {
		t.Fatalf("%d records: %s", len(records), f.audit)
	}
	for i, r := range records {
		if r.Action != audit.Revoke || r.Actor != "client:"+client || r.Address != "192.0.2.1:1234" || r.Target.Scope != "session" ||
			(r.Error == "") != (i < 2) {
			t.Errorf("record %d: %+v", i, r)
		}
	}
}
