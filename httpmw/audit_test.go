package httpmw_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Whatever ends a session in the list has a record that names the user by tag, and every entry of the
// log is the position of one.
func TestAuditOfUsers(t *testing.T) {
	ring, store := keys.Generate(0), revlog.NewMemory()
	var lines bytes.Buffer
	list, err := revocation.Open(t.Context(), store, ring, revocation.Config{Logger: quiet(), Audit: slog.NewJSONHandler(&lines, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	f, b := &fixture{Manager: m, ring: ring, list: list}, newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ada"})
	f.login(t, b, httpmw.Identity{Subject: "ada"})
	for _, do := range []func(s *httpmw.Session[cart], r *http.Request) error{
		func(s *httpmw.Session[cart], r *http.Request) error {
			return s.SetGroups(r.Context(), []string{"tenant:7"})
		},
		func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) },
		func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Logout(audit.With(r.Context(), audit.By{Actor: "grace", Reason: "kicked out"}))
		},
	} {
		f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := do(s, r); err != nil {
				t.Error(err)
			}
		})
	}
	f.login(t, b, httpmw.Identity{Subject: "ada"})
	f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.LogoutEverywhere(r.Context()); err != nil {
			t.Error(err)
		}
	})

	p, err := store.Read(t.Context(), revlog.Cursor{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	at, ada := map[string]bool{}, "subject:"+list.Tag(revocation.Subject("ada")).String()
	var reasons []string
	for line := range bytes.Lines(lines.Bytes()) {
		r, err := audit.Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		at[r.Position] = true
		reasons = append(reasons, r.Target.Scope+" "+r.Reason)
		switch {
		case r.Reason == "kicked out" && r.Actor == "grace" && r.Via == audit.ViaApplication:
		case r.Actor != ada || r.Via != audit.ViaSession || r.Address == "":
			t.Errorf("record %s", line)
		}
	}
	const want = "session login, session set_groups, session logout_others, subject logout_others, session kicked out, subject logout_everywhere"
	if got := strings.Join(reasons, ", "); got != want {
		t.Errorf("records %s, want %s", got, want)
	}
	for _, e := range p.Entries {
		if !at[e.Position.String()] {
			t.Errorf("no record of entry %v", e.Position)
		}
	}
	if strings.Contains(lines.String(), "ada\"") {
		t.Errorf("a record names the user:\n%s", &lines)
	}
}
