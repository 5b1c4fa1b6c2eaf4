package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// An outage of the store is when the console is needed: it stays, shows the state, and lets operators in.
func TestTheStoreIsAway(t *testing.T) {
	ops, secret := token(t, "ops", everyRole...)
	s := start(t, 3, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	before := s.signedIn(secret)
	stream := before.listen("events")
	stream.until("now")
	for _, r := range s.replicas {
		r.store.Fail()
	}
	await(t, "the stream shows the outage", func() bool {
		now := stream.until("now").data
		return now["replicas"] == nil && now["status"].(map[string]any)["state"] != "synced"
	})
	before.everywhere("", http.StatusOK)
	before.everywhere("status", http.StatusOK)
	before.everywhere("keys", http.StatusOK)
	before.everywhere("replicas", http.StatusServiceUnavailable)
	during := s.signedIn(secret)
	during.everywhere("", http.StatusOK)
	during.everywhere("status", http.StatusOK)

	// A sign-out that the store does not take is known here, and says so.
	s.only.Store(1)
	thief := during.copied()
	got := during.do(http.MethodPost, "sign-out", form, "")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.text, "signed out here") || !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("sign-out: %d %s", got.status, got.text)
	}
	if got := thief.get("status"); got.status != http.StatusUnauthorized {
		t.Errorf("the copy of the cookie: %d", got.status)
	}
	// The same with a revocation of everyone. The operator is not thrown out in silence.
	if got := before.post("revocations", `{"scope":"everyone"}`); got.status != http.StatusServiceUnavailable || got.json(t)["code"] != "unavailable" {
		t.Errorf("everyone: %d %s", got.status, got.text)
	}
	if got := before.get(""); got.status != http.StatusOK || !strings.Contains(got.text, "revoked") || !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the page: %d %s", got.status, got.text)
	}
	if got := before.signIn(secret); got.status != http.StatusServiceUnavailable || !strings.Contains(got.text, "Your token is right") {
		t.Errorf("sign-in where everyone is revoked: %d %s", got.status, got.text)
	}
	s.only.Store(0)
	for _, r := range s.replicas {
		r.store.Recover()
	}
	thief.awaitEverywhere("status", http.StatusUnauthorized)
	before.awaitEverywhere("status", http.StatusUnauthorized)
	await(t, "sign-in after the outage", func() bool { return before.signIn(secret).status == http.StatusSeeOther })
	before.everywhere("status", http.StatusOK)
}

// While a replica boots, its console says so. Nobody can sign in yet, and tokens work.
func TestTheReplicaBoots(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := newSite(t)
	store := s.store
	s.store = silent{store}
	r := s.add(console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}}, revocation.Config{StartWithoutStore: true})
	b := s.browser()
	if got := b.get(""); got.status != http.StatusOK || !strings.Contains(got.text, `action="sign-in"`) {
		t.Errorf("the page: %d %s", got.status, got.text)
	}
	if got := b.signIn(secret); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.text, "Your token is right") {
		t.Errorf("sign-in: %d %s", got.status, got.text)
	}
	if got := b.signIn(secret + "x"); got.status != http.StatusUnauthorized {
		t.Errorf("with a wrong token: %d", got.status)
	}
	byToken := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }
	now := b.listen("events", byToken).until("now").data
	if now["status"].(map[string]any)["state"] != "booting" {
		t.Errorf("now: %v", now)
	}
	r.store.Replace(store)
	await(t, "sign-in after the boot", func() bool { return b.signIn(secret).status == http.StatusSeeOther })
}

// Past the list's Grace it is not known whether a session was revoked: nobody is told that they are
// signed out, and no stream goes on.
func TestTheGraceIsOver(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	s := newSite(t)
	r := s.add(console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}}, revocation.Config{Within: 100 * time.Millisecond, Grace: 200 * time.Millisecond})
	b := s.signedIn(secret)
	r.store.Fail()
	await(t, "503", func() bool { return b.get("status").status == http.StatusServiceUnavailable })
	if got := b.get("status"); got.json(t)["code"] != "unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := b.get("events"); got.status != http.StatusServiceUnavailable {
		t.Errorf("events: %d", got.status)
	}
	if got := b.get(""); got.status != http.StatusOK || !strings.Contains(got.text, "not known whether your session was revoked") {
		t.Errorf("the page: %d %s", got.status, got.text)
	}
	if got := b.get("status", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }); got.status != http.StatusOK {
		t.Errorf("with the token: %d", got.status)
	}
	r.store.Recover()
	await(t, "the session goes on", func() bool { return b.get("status").status == http.StatusOK })
}

// Without a list the console works, and a sign-out only clears the cookie.
func TestWithoutAList(t *testing.T) {
	ops, secret := token(t, "ops", everyRole...)
	s := newSite(t)
	r := s.add(console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}}, revocation.Config{})
	if err := r.list.Close(); err != nil {
		t.Fatal(err)
	}
	r.list = revocation.Disabled(s.ring.Ring())
	s.serve(r, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	if now := b.listen("events").until("now").data; now["status"].(map[string]any)["state"] != "disabled" {
		t.Errorf("now: %v", now)
	}
	if got := b.post("revocations", `{"scope":"everyone"}`); got.status != http.StatusNotImplemented {
		t.Errorf("%d %s", got.status, got.text)
	}
	if done := b.listen("fleet?as_of=x").until("done").data; done["complete"] != false {
		t.Errorf("done: %v", done)
	}
	if got := b.do(http.MethodPost, "sign-out", form, ""); got.status != http.StatusSeeOther || b.get("status").status != http.StatusUnauthorized {
		t.Errorf("sign-out: %d %s", got.status, got.text)
	}
}

func TestConfigsThatCannotWork(t *testing.T) {
	ring := keys.Generate(0)
	list := revocation.Disabled(ring)
	for name, c := range map[string]admin.Config{
		"nobody may call": {},
		"its own Recall":  {Token: "a token of the admin API, long enough", Recall: func(*http.Request) (t admin.Token, err error) { return }},
		"a weak token":    {Token: "weak"},
	} {
		if h, err := console.New(list, keys.Static(ring), console.Config{Admin: c}); err == nil || h != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := console.New(nil, keys.Static(ring), console.Config{}); err == nil {
		t.Error("no list")
	}
}
