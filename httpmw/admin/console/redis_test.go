package console_test

import (
	"net/http"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// The story of an incident with a real Redis: sign in, revoke, see every replica refuse; Redis stops
// and starts, and the console stays.
func TestARealRedis(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	ops, secret := token(t, "ops", everyRole...)
	s := newSite(t)
	options, err := redisstore.ParseURL("redis://" + server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.Open(t.Context(), options, redisstore.Config{AllowVolatile: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.store = store
	for range 3 {
		s.add(console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}}, revocation.Config{})
	}
	b, user := s.signedIn(secret), s.browser()
	user.get("../login?user=ada")
	user.everywhere("../me", http.StatusOK)
	receipt := b.post("revocations", `{"scope":"everyone","reason":"leak"}`).json(t)
	fleet := b.listen("fleet?as_of=" + receipt["as_of"].(string))
	if done := fleet.until("done").data; done["complete"] != true || done["refusing"] != 3.0 {
		t.Errorf("done: %v", done)
	}
	user.everywhere("../me", http.StatusUnauthorized)
	b.everywhere("status", http.StatusOK)

	stream := b.listen("events")
	stream.until("now")
	server.Kill()
	await(t, "the stream shows the outage", func() bool {
		now := stream.until("now").data
		return now["replicas"] == nil && now["status"].(map[string]any)["state"] != "synced"
	})
	b.everywhere("", http.StatusOK)
	b.everywhere("status", http.StatusOK)
	s.signedIn(secret).everywhere("status", http.StatusOK)
	server.Restart()
	await(t, "the stream shows that it is over", func() bool {
		now := stream.until("now").data
		all, _ := now["replicas"].([]any)
		return len(all) == 3 && now["status"].(map[string]any)["state"] == "synced"
	})
	thief := b.copied()
	await(t, "sign-out", func() bool {
		status := b.do(http.MethodPost, "sign-out", form, "").status
		return status == http.StatusSeeOther
	})
	thief.awaitEverywhere("status", http.StatusUnauthorized)
	if e := stream.until("ended"); e.data["reason"] != "revoked" {
		t.Errorf("%v", e)
	}
}
