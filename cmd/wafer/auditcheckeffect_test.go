package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A record of one effect explains no entry with another one.
func TestAuditCheckOfEffects(t *testing.T) {
	store := revlog.NewMemory()
	var b bytes.Buffer
	l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: quiet, Audit: slog.NewJSONHandler(&b, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type does = func(context.Context, revocation.Target, revocation.Options) (revocation.Receipt, error)
	for _, row := range []struct {
		do   does
		t    revocation.Target
		over time.Duration
	}{
		{l.Reload, revocation.Subject("ada"), 0},
		{l.RequireLogin, revocation.Session("AAECAwQFBgcICQoLDA0ODw"), 0},
		{l.Revoke, revocation.Everyone(), time.Hour},
	} {
		if _, err := row.do(t.Context(), row.t, revocation.Options{Over: row.over}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Over: time.Minute}); err == nil {
		t.Error("no error for a second one that is under way")
	}
	good := b.String()
	for _, row := range []struct{ name, old, new string }{
		{"a reload as a revocation", `"effect":"reload",`, ``},
		{"a reload as another effect", `"reload"`, `"require_login"`},
		{"a login as a revocation", `"effect":"require_login",`, ``},
		{"slowly as at once", `"over":"1h0m0s",`, ``},
		{"over another time", `"1h0m0s"`, `"2h0m0s"`},
	} {
		r := checked(t, store, strings.Replace(good, row.old, row.new, 1))
		if !strings.Contains(good, row.old) || r.Unexplained.Count != 1 || r.Unmatched.Count != 1 || !r.wrong() {
			t.Errorf("%s: report %+v", row.name, r)
		}
		var out strings.Builder
		if r.print(&out); !strings.Contains(out.String(), "over 1h0m0s") && !strings.Contains(out.String(), "reload") && !strings.Contains(out.String(), "require_login") {
			t.Errorf("%s: it prints %s", row.name, &out)
		}
	}
	if r := checked(t, store, good); r.Explained != 3 || r.Entries != 3 || r.wrong() || r.Records != 3 {
		t.Errorf("report %+v of\n%s", r, good)
	}
}

func TestAuditRecordsOfEffects(t *testing.T) {
	const line = `{"time":"2026-01-01T00:00:00Z","msg":"wafer audit","action":"revoke","target":{"scope":"everyone","tag":"00000000000000000000000000000000"},"over":`
	for over, good := range map[string]bool{`"1h0m0s"`: true, `"1h"`: false, `"-1h0m0s"`: false, `"0s"`: false, `3`: false, `"x"`: false} {
		if _, err := audit.Parse([]byte(line + over + "}")); (err == nil) != good {
			t.Errorf("over %s: %v", over, err)
		}
	}
}
