package admin_test

import (
	"context"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func (f *fixture) states() map[string]string {
	f.t.Helper()
	got := f.request(http.MethodGet, "/keys", "")
	got.want(f.t, http.StatusOK, "")
	states := map[string]string{}
	list, _ := got.body["keys"].([]any)
	for _, item := range list {
		k, _ := item.(map[string]any)
		kid, _ := k["kid"].(string)
		states[kid], _ = k["state"].(string)
		for _, name := range []string{"iat", "nbf"} {
			timeIn(f.t, k, name)
		}
	}
	return states
}

func TestKeysAreListedWithoutSecrets(t *testing.T) {
	f := start(t)
	got := f.request(http.MethodGet, "/keys", "")
	got.want(t, http.StatusOK, "")
	if got.body["ring"] != f.keys.Ring().ID() {
		t.Errorf("ring %v, want %v", got.body["ring"], f.keys.Ring().ID())
	}
	text := mustJSON(t, got.body)
	for _, secret := range secretsOf(t, f.keys.Ring()) {
		if strings.Contains(text, secret) {
			t.Error("a secret of the ring is in the answer")
		}
	}
	if want := f.keys.Ring().Keys()[0]; f.states()[want.ID()] != keys.Sealing.String() {
		t.Errorf("states %v", f.states())
	}
}

// secretsOf finds every text of 256 bits in a ring's document.
func secretsOf(t *testing.T, r *keys.Ring) []string {
	t.Helper()
	found := regexp.MustCompile(`[A-Za-z0-9_-]{43}`).FindAllString(string(r.PlaintextJWKSet()), -1)
	if len(found) < 2 {
		t.Fatal("no secrets found in the ring's document")
	}
	return found
}

func TestRotate(t *testing.T) {
	for _, row := range []struct {
		name, body string
		state      keys.State
		after      time.Duration
	}{
		{"with no body", "", keys.Pending, 10 * time.Minute},
		{"by default", `{}`, keys.Pending, 10 * time.Minute},
		{"later", `{"after":3600,"reason":"yearly"}`, keys.Pending, time.Hour},
		{"at once", `{"immediate":true}`, keys.Sealing, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := start(t)
			old := f.keys.Ring().Keys()[0]
			asked := time.Now()
			f.post("/keys/rotate", row.body).want(t, http.StatusOK, "")
			states := f.states()
			if len(states) != 2 {
				t.Fatalf("states %v", states)
			}
			for _, k := range f.keys.Ring().Keys() {
				if k.ID() == old.ID() {
					continue
				}
				if states[k.ID()] != row.state.String() {
					t.Errorf("the new key is %s, want %s", states[k.ID()], row.state)
				}
				if d := k.NotBefore().Sub(asked); d < row.after-2*time.Second || d > row.after+time.Minute {
					t.Errorf("the new key seals after %v, want %v", d, row.after)
				}
			}
		})
	}
	f := start(t)
	for _, body := range []string{`{"after":-1}`, `{"after":31622401}`, `{"if_older_than":-1}`, `{"if_older_than":31622401}`, `{"immediate":true,"after":60}`} {
		f.post("/keys/rotate", body).want(t, http.StatusUnprocessableEntity, "invalid")
	}
	if n := len(f.states()); n != 1 {
		t.Errorf("%d keys after refused rotations", n)
	}
	f.post("/keys/rotate", "").want(t, http.StatusOK, "")
	f.post("/keys/rotate", "").want(t, http.StatusConflict, "pending")
}

// A timer may ask every hour, and makes one key a month.
func TestRotateIfOlder(t *testing.T) {
	f := start(t)
	f.post("/keys/rotate", `{"if_older_than":2592000}`).want(t, http.StatusOK, "")
	if n := len(f.states()); n != 1 {
		t.Errorf("%d keys after a rotation of a young ring, want 1", n)
	}
	f.serve(f.threeKeys())
	for range 2 { // the second time a key is waiting
		f.post("/keys/rotate", `{"if_older_than":2592000}`).want(t, http.StatusOK, "")
		if n := len(f.states()); n != 4 {
			t.Errorf("%d keys after a rotation of an old ring, want 4", n)
		}
	}
	if n := len(f.log.records(t)); n != 1 {
		t.Errorf("%d audit records for one key: %s", n, f.log)
	}
}

func TestCancelARotation(t *testing.T) {
	f := start(t)
	old := f.keys.Ring().Keys()[0].ID()
	f.post("/keys/cancel", "").want(t, http.StatusConflict, "no_pending")
	f.post("/keys/rotate", "").want(t, http.StatusOK, "")
	f.post("/keys/cancel", `{"reason":"a replica is broken"}`).want(t, http.StatusOK, "")
	if states := f.states(); len(states) != 2 || states[old] != keys.Sealing.String() {
		t.Errorf("states %v", states)
	}
	if k, _ := f.keys.Ring().Key(old); !k.Expires().IsZero() {
		t.Errorf("the key that goes on sealing ends at %v", k.Expires())
	}
	entries := f.log.records(t)
	if last := entries[len(entries)-1]; last.Ring.What != "cancel" || last.Reason != "a replica is broken" || last.Ring.Revoked == nil {
		t.Errorf("the audit record is %v", last)
	}
	f.post("/keys/rotate", `{"after":30}`).want(t, http.StatusOK, "")
	f.post("/keys/cancel", "").want(t, http.StatusConflict, "no_pending") // too late
}

func TestExtend(t *testing.T) {
	f := start(t)
	for _, body := range []string{``, `{"max_session":0}`, `{"max_session":-1}`, `{"max_session":315360001}`} {
		f.post("/keys/extend", body).want(t, http.StatusUnprocessableEntity, "invalid")
	}
	f.post("/keys/extend", `{"max_session":3600}`).want(t, http.StatusConflict, "shorter")
	got := f.post("/keys/extend", `{"max_session":2592000,"reason":"remember me"}`)
	got.want(t, http.StatusOK, "")
	if f.keys.Ring().MaxSession() != 30*24*time.Hour || got.body["max_session"] != 2592000.0 {
		t.Errorf("max_session %v in the ring, %v in the answer", f.keys.Ring().MaxSession(), got.body["max_session"])
	}
	f.post("/keys/extend", `{"max_session":2592000}`).want(t, http.StatusOK, "")
	entries := f.log.records(t)
	if len(entries) != 2 || entries[0].Error == "" || entries[1].Ring.What != "extend" ||
		entries[1].Reason != "remember me" || entries[1].Ring.MaxSession != 2592000 {
		t.Errorf("audit records, of a refused and of a done extension: %s", f.log)
	}
}

// threeKeys makes a file with a ring of one key that seals, and two that expired.
func (f *fixture) threeKeys() *keys.File {
	f.t.Helper()
	ring, err := keys.Parse([]byte(`{"ring":"pU3KGCUwux1tEyze1iN7Lg","iat":1767225600,"max_session":86400,"list_key":"2R4_ch_LGXEXRJTWSTydXDRgvjEgHmn-2qDu6LmZf1w","keys":[{"kty":"oct","alg":"A256GCM","kid":"9fefK0k0r4c","k":"dwb4XYaQAkrWvaNAG-nIy8zJNfbNH2EiauFTOK4aNAA","iat":1767312000,"nbf":1767312600},{"kty":"oct","alg":"A256GCM","kid":"gbG68j47-e4","k":"sQvstVY7_B5vk0J-y8j-KVXlzY5G3I7Ut8J2TSpaTXY","iat":1767225601,"nbf":1767225600,"exp":1767485400},{"kty":"oct","alg":"A256GCM","kid":"TTO6DSRqwEw","k":"fCmZ_a_lkyU81lSvTfrXFCegrrP-6SMvivIhH57kkcU","iat":1767225600,"nbf":1767225600,"exp":1767398400,"revoked":1767225660}]}`))
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(f.t.TempDir(), "ring.json")
	if err := keys.CreateFile(f.t.Context(), path, keys.InsecurePlaintext(), ring); err != nil {
		f.t.Fatal(err)
	}
	file, err := keys.OpenFile(f.t.Context(), path, keys.InsecurePlaintext(), keys.FileConfig{Logger: quiet})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { file.Close() })
	return file
}

func TestPrune(t *testing.T) {
	f := start(t)
	f.serve(f.threeKeys())
	if n := len(f.states()); n != 3 {
		t.Fatalf("%d keys before", n)
	}
	for range 2 { // the second time finds it done
		f.post("/keys/prune", `{"reason":"monthly"}`).want(t, http.StatusOK, "")
	}
	if states := f.states(); len(states) != 1 || states["9fefK0k0r4c"] != keys.Sealing.String() {
		t.Errorf("states %v", states)
	}
	entries := f.log.records(t)
	if len(entries) != 1 || entries[0].Ring.What != "prune" || !slices.Equal(entries[0].Ring.Removed, []string{"gbG68j47-e4", "TTO6DSRqwEw"}) {
		t.Errorf("audit records: %s", f.log)
	}
}

// A replica that does not follow the ring may seal with a key that has expired.
func TestPruneKeepsWhatALivingSessionMayNeed(t *testing.T) {
	f := start(t)
	f.serve(f.threeKeys())
	stuck := revlog.Replica{ID: "stuck", Host: "web-3", Keys: []revlog.KeyUse{{ID: "gbG68j47-e4", Seals: 1, Sealed: time.Now()}}}
	if err := f.store.Register(t.Context(), stuck, time.Hour); err != nil {
		t.Fatal(err)
	}
	got := f.post("/keys/prune", "")
	got.want(t, http.StatusConflict, "in_use")
	if detail, _ := got.body["detail"].(string); !strings.Contains(detail, "key gbG68j47-e4 last sealed at ") || !strings.Contains(detail, "may need it until ") {
		t.Errorf("detail %q", detail)
	}
	if n := len(f.states()); n != 3 {
		t.Errorf("%d keys are left, want 3", n)
	}
	if entries := f.log.records(t); len(entries) != 1 || entries[0].Ring.What != "prune" || entries[0].Error == "" || entries[0].Ring.Removed != nil {
		t.Errorf("audit records of a refused pruning: %s", f.log)
	}
}

// meanwhile is a source in which something happens right before each edit.
type meanwhile struct {
	*keys.File
	happens func()
}

func (m meanwhile) Edit(ctx context.Context, edit func(*keys.Ring) (*keys.Ring, error)) error {
	m.happens()
	return m.File.Edit(ctx, edit)
}

// A replica that seals with an expired key at the last moment is heard too.
func TestPruneChecksWhatIsNeededWhileItEdits(t *testing.T) {
	f := start(t)
	f.serve(meanwhile{f.threeKeys(), func() {
		stuck := revlog.Replica{ID: "stuck", Host: "web-3", Keys: []revlog.KeyUse{{ID: "gbG68j47-e4", Seals: 1, Sealed: time.Now()}}}
		if err := f.store.Register(t.Context(), stuck, time.Hour); err != nil {
			t.Error(err)
		}
	}})
	f.post("/keys/prune", "").want(t, http.StatusConflict, "in_use")
	if n := len(f.states()); n != 3 {
		t.Errorf("%d keys are left, want 3", n)
	}
}

// An audit record and an answer say what their own change did, and not what others did meanwhile.
func TestAChangeThatOthersInterrupt(t *testing.T) {
	f := start(t)
	file := f.threeKeys()
	days := 1
	extend := func() {
		days++
		file.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) {
			return r.Extend(time.Now(), time.Duration(days)*24*time.Hour)
		})
	}
	f.serve(interrupted{file, extend})
	got := f.post("/keys/rotate", "")
	got.want(t, http.StatusOK, "")
	if got.body["max_session"] != 86400.0 {
		t.Errorf("the answer has what others did: %v", got.body)
	}
	f.post("/keys/9fefK0k0r4c/revoke", `{"key_only":true}`).want(t, http.StatusOK, "")
	entries := f.log.records(t)
	if len(entries) != 3 || entries[0].Ring.Added == nil || entries[0].Ring.MaxSession != 0 ||
		!slices.Equal(entries[1].Ring.Revoked, []string{"9fefK0k0r4c"}) || entries[1].Ring.MaxSession != 0 {
		t.Errorf("audit records: %s", f.log)
	}
}

// The error of a ring that cannot be changed is one line in the audit record, and the caller hears where
// to look.
func TestARingThatDoesNotOpen(t *testing.T) {
	f := start(t)
	f.serve(failing{f.threeKeys(), keys.ErrKEK})
	got := f.post("/keys/rotate", "")
	got.want(t, http.StatusServiceUnavailable, "ring")
	if detail, _ := got.body["detail"].(string); !strings.Contains(detail, "the audit log of the application says why") {
		t.Errorf("detail %q", detail)
	}
	if entries := f.log.records(t); len(entries) != 1 || entries[0].Error != "admin: the ring could not be changed: keys: cannot open the ring" {
		t.Errorf("audit records: %s", f.log)
	}
}

// failing is a source that cannot be edited now.
type failing struct {
	*keys.File
	err error
}

func (m failing) Edit(context.Context, func(*keys.Ring) (*keys.Ring, error)) error { return m.err }

// interrupted is a source in which something happens right after each edit.
type interrupted struct {
	*keys.File
	happens func()
}

func (m interrupted) Edit(ctx context.Context, edit func(*keys.Ring) (*keys.Ring, error)) error {
	defer m.happens()
	return m.File.Edit(ctx, edit)
}

// metered is a source that counts over a fleet.
type metered struct {
	*keys.File
	meter *keys.Meter
}

func (m metered) Meter() *keys.Meter { return m.meter }

// What the source knows of the fleet counts while the store is silent, too.
func TestPruneKeepsWhatTheSourceSaysIsNeeded(t *testing.T) {
	f := start(t)
	f.store.Fail()
	counts := meter.NewFleet(meter.Limits{})
	counts.Told("gbG68j47-e4", 1, time.Now().Unix(), 0)
	f.serve(metered{f.threeKeys(), keys.MeterOf(counts)})
	f.post("/keys/prune", "").want(t, http.StatusConflict, "in_use")
	got := f.request(http.MethodGet, "/keys", "")
	got.want(t, http.StatusOK, "")
	if text := mustJSON(t, got.body); strings.Contains(text, `"replicas"`) || !strings.Contains(text, `"counted":"fleet"`) {
		t.Errorf("keys while the store is silent: %s", text)
	}
}

// R25: the ring decides, the list announces, and everyone goes too unless that is declined.
func TestRevokeKey(t *testing.T) {
	for _, row := range []struct {
		name, body string
		everyone   bool
	}{
		{"and everyone", `{"reason":"leaked"}`, true},
		{"alone", `{"key_only":true}`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := start(t)
			kid := f.keys.Ring().Keys()[0].ID()
			got := f.post("/keys/"+kid+"/revoke", row.body)
			got.want(t, http.StatusOK, "")
			timeIn(t, got.body, "effective")
			if states := f.states(); states[kid] != keys.Revoked.String() {
				t.Errorf("states %v", states)
			}
			if _, ok := f.keys.Ring().Sealing(time.Now()); !ok {
				t.Error("no key seals any more")
			}
			if _, ok, err := f.list.Revoked(t.Context(), revocation.Key(kid)); !ok || err != nil {
				t.Errorf("the key is not announced: %v, %v", ok, err)
			}
			if _, ok, err := f.list.Revoked(t.Context(), revocation.Everyone()); ok != row.everyone || err != nil {
				t.Errorf("everyone revoked: %v, %v", ok, err)
			}
		})
	}
}

func TestRevokeKeyThatIsNone(t *testing.T) {
	f := start(t)
	f.post("/keys/AAAAAAAAAAA/revoke", "").want(t, http.StatusNotFound, "no_key")
	if _, ok, err := f.list.Revoked(t.Context(), revocation.Everyone()); ok || err != nil {
		t.Errorf("everyone revoked: %v, %v", ok, err)
	}
}

// The path may hold anything. An audit record holds the id of a key, or there is none.
func TestRevokeKeyAuditsOnlyIDsOfKeys(t *testing.T) {
	f := start(t)
	for _, source := range []keys.Source{f.keys, keys.Static(f.keys.Ring())} {
		f.serve(source)
		for _, kid := range []string{
			"a%20key%20that%20is%20none", "AAAAAAAAAAA%0Amsg=forged", "AAAAAAAAAAAA", "AAAAAAAAAA", "AAAAAAAAAAB",
			"AAAAAAAAAA%0A", strings.Repeat("A", 8000),
		} {
			f.post("/keys/"+kid+"/revoke", "").want(t, http.StatusNotFound, "no_key")
		}
	}
	if log := f.log.String(); log != "" {
		t.Errorf("audit records: %s", log)
	}
	f.post("/keys/AAAAAAAAAAA/revoke", "").want(t, http.StatusNotImplemented, "read_only")
	if entries := f.log.records(t); len(entries) != 1 || entries[0].Ring.KID != "AAAAAAAAAAA" || entries[0].Error == "" {
		t.Errorf("audit records: %s", f.log)
	}
}

func TestRevokeKeyWhileTheStoreIsSilent(t *testing.T) {
	f := start(t)
	kid := f.keys.Ring().Keys()[0].ID()
	f.store.Fail()
	f.post("/keys/"+kid+"/revoke", "").want(t, http.StatusServiceUnavailable, "unavailable")
	if states := f.states(); states[kid] != keys.Revoked.String() {
		t.Errorf("the ring was to be marked all the same: %v", states)
	}
	if n := f.list.Stats().Outbox; n != 2 {
		t.Errorf("%d revocations wait for the store, want those of the key and of everyone", n)
	}
}

// The ring changes before the list, so no answer after that may say that nothing was done.
func TestRevokeKeyWithoutWhatTheListWouldDo(t *testing.T) {
	for _, row := range []struct {
		name, code string
		status     int
		list       func(f *fixture)
	}{
		{"shutting down", "unavailable", http.StatusServiceUnavailable, func(f *fixture) { f.list.Close() }},
		{"no list", "disabled", http.StatusNotImplemented, func(f *fixture) { f.list = revocation.Disabled(f.keys.Ring()) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := start(t)
			row.list(f)
			f.serve(f.keys)
			kid := f.keys.Ring().Keys()[0].ID()
			got := f.post("/keys/"+kid+"/revoke", "")
			got.want(t, row.status, row.code)
			if detail, _ := got.body["detail"].(string); !strings.HasPrefix(detail, "The key is revoked in the ring") {
				t.Errorf("detail %q", detail)
			}
			if states := f.states(); states[kid] != keys.Revoked.String() {
				t.Errorf("states %v", states)
			}
		})
	}
}

func TestARingThatCannotBeEdited(t *testing.T) {
	f := start(t)
	f.serve(keys.Static(f.keys.Ring()))
	kid := f.keys.Ring().Keys()[0].ID()
	f.post("/keys/rotate", "").want(t, http.StatusNotImplemented, "read_only")
	f.post("/keys/prune", "").want(t, http.StatusNotImplemented, "read_only")
	f.post("/keys/extend", `{"max_session":2592000}`).want(t, http.StatusNotImplemented, "read_only")
	f.post("/keys/"+kid+"/revoke", "").want(t, http.StatusNotImplemented, "read_only")
	f.request(http.MethodGet, "/keys", "").want(t, http.StatusOK, "")

	// A key that is revoked where the ring is kept can be announced.
	revoked, err := f.keys.Ring().Revoke(time.Now(), kid)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(keys.Static(revoked))
	f.post("/keys/"+kid+"/revoke", "").want(t, http.StatusOK, "")
	if _, ok, err := f.list.Revoked(t.Context(), revocation.Everyone()); !ok || err != nil {
		t.Errorf("everyone revoked: %v, %v", ok, err)
	}
}

func TestWithoutAList(t *testing.T) {
	f := start(t)
	f.list = revocation.Disabled(f.keys.Ring())
	f.serve(f.keys)
	f.post("/revocations", `{"scope":"everyone"}`).want(t, http.StatusNotImplemented, "disabled")
	f.request(http.MethodGet, "/status", "").want(t, http.StatusOK, "")

	// Nothing is known of its replicas.
	got := f.request(http.MethodGet, "/keys", "")
	got.want(t, http.StatusOK, "")
	if text := mustJSON(t, got.body); strings.Contains(text, `"replicas"`) {
		t.Errorf("keys without a list: %s", text)
	}
}

// The audit log says who, what and why, and names no user, token or key.
func TestAuditLog(t *testing.T) {
	f := start(t, func(c *admin.Config) { c.Actor = "on-call" })
	kid := f.keys.Ring().Keys()[0].ID()
	f.post("/revocations", `{"scope":"subject","id":"ada@example.com","reason":"laptop stolen"}`).want(t, http.StatusOK, "")
	f.post("/keys/rotate", `{"reason":"yearly"}`).want(t, http.StatusOK, "")
	f.post("/keys/"+kid+"/revoke", `{"reason":"leaked"}`).want(t, http.StatusOK, "")
	f.post("/revocations/lookup", `{"scope":"subject","id":"ada@example.com"}`).want(t, http.StatusOK, "")

	entries := f.log.records(t)
	want := []struct{ action, what, reason string }{
		{audit.Revoke, "subject", "laptop stolen"}, {audit.Keys, "rotate", "yearly"},
		{audit.Keys, "revoke", "leaked"}, {audit.Revoke, "key", "leaked"}, {audit.Revoke, "everyone", "leaked"},
	}
	if len(entries) != len(want) {
		t.Fatalf("%d lines: %s", len(entries), f.log)
	}
	for i, w := range want {
		e := entries[i]
		if e.Action != w.action || e.Ring.What+e.Target.Scope != w.what || e.Reason != w.reason || e.Actor != "on-call" || e.Via != audit.ViaAdmin || e.Address == "" || e.Error != "" {
			t.Errorf("record %d is %+v, want %v", i, e, w)
		}
	}
	if found := f.post("/revocations/lookup", `{"scope":"subject","id":"ada@example.com"}`); found.body["tag"] != entries[0].Target.Tag {
		t.Errorf("the tag is %v in the record, and %v in the answer to a question", entries[0].Target.Tag, found.body["tag"])
	}
	for _, leak := range append(secretsOf(t, f.keys.Ring()), "ada@example.com", secret) {
		if strings.Contains(f.log.String(), leak) {
			t.Errorf("the log holds what it must not")
		}
	}
}

// The line has the actor that the caller claims beside the one that was authenticated.
func TestAuditLogHasWhatTheCallerClaims(t *testing.T) {
	f := start(t, func(c *admin.Config) { c.Actor = "on-call" })
	kid := f.keys.Ring().Keys()[0].ID()
	f.post("/revocations", `{"scope":"subject","id":"ada","actor":"grace"}`).want(t, http.StatusOK, "")
	f.post("/keys/rotate", `{"actor":"grace"}`).want(t, http.StatusOK, "")
	f.post("/keys/"+kid+"/revoke", `{"actor":"grace","key_only":true}`).want(t, http.StatusOK, "")
	f.post("/revocations", `{"scope":"subject","id":"ada"}`).want(t, http.StatusOK, "")
	entries := f.log.records(t)
	if len(entries) != 5 { // two of the key: in the ring and in the list
		t.Fatalf("%d lines: %s", len(entries), f.log)
	}
	for i, e := range entries {
		if e.Actor != "on-call" || (e.Claimed == "grace") != (i < 4) {
			t.Errorf("record %d is %+v", i, e)
		}
	}
	for _, bad := range []string{`a\nb`, strings.Repeat("x", 201)} {
		f.post("/revocations", `{"scope":"subject","id":"ada","actor":"`+bad+`"}`).want(t, http.StatusUnprocessableEntity, "invalid")
	}
}
