package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

func TestAStoreThatDoesNotAcknowledge(t *testing.T) {
	f := start(t)
	f.store.Fail()
	got := f.post("/revocations", `{"scope":"session","id":"`+sid+`"}`)
	got.want(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if s := f.log.String(); !strings.Contains(s, `"level":"ERROR"`) || strings.Contains(s, sid) {
		t.Errorf("audit log %s", s)
	}
}

// While the store is silent, answers to questions promise nothing, and tell what the replica knows.
func TestReadsWhileTheStoreIsSilent(t *testing.T) {
	f := start(t)
	kid := f.keys.Ring().Keys()[0].ID()
	if _, err := f.list.Revoke(t.Context(), revocation.Key(kid), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !f.list.Replica().KeyRevoked(kid); {
		if time.Now().After(deadline) {
			t.Fatal("the replica does not hear of the key")
		}
		time.Sleep(time.Millisecond)
	}
	f.store.Fail()
	for _, got := range []answer{
		f.post("/revocations/lookup", `{"scope":"session","id":"`+otherSid+`"}`),
		f.post("/revocations/lookup", `{"scope":"key","id":"AAAAAAAAAAA"}`),
		f.request(http.MethodGet, "/replicas", ""),
	} {
		got.want(t, http.StatusServiceUnavailable, "unavailable")
		if detail, _ := got.body["detail"].(string); !strings.Contains(detail, "does not answer") || strings.Contains(detail, "trying") {
			t.Errorf("detail %q", detail)
		}
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	f.request(http.MethodGet, "/status", "").want(t, http.StatusOK, "")
	got := f.post("/revocations/lookup", `{"scope":"key","id":"`+kid+`"}`)
	got.want(t, http.StatusOK, "")
	if got.body["revoked"] != true || got.body["partial"] != true {
		t.Errorf("a key that every replica knows as revoked: %v", got.body)
	}
}

// A replica that is closed says that nothing was done.
func TestRevokingWhileClosed(t *testing.T) {
	f := start(t)
	f.list.Close()
	got := f.post("/revocations", `{"scope":"session","id":"`+sid+`"}`)
	got.want(t, http.StatusServiceUnavailable, "closed")
	if detail, _ := got.body["detail"].(string); !strings.Contains(detail, "Nothing was done") {
		t.Errorf("detail %q", detail)
	}
}
