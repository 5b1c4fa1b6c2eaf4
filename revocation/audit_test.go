package revocation_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// audited opens a list that writes its records to the buffer that is returned.
func audited(t *testing.T, s revlog.Store) (*revocation.List, *bytes.Buffer) {
	t.Helper()
	var lines bytes.Buffer
	l := openBulk(t, s, revocation.Config{Audit: slog.NewJSONHandler(&lines, nil)})
	return l, &lines
}

// records parses what a list wrote.
func records(t *testing.T, lines *bytes.Buffer) (all []audit.Record) {
	t.Helper()
	for line := range bytes.Lines(lines.Bytes()) {
		r, err := audit.Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// A call of the library has a record, with who acts by the context and the place in the log.
func TestAuditOfRevoke(t *testing.T) {
	store := revlog.NewMemory()
	l, lines := audited(t, store)
	ctx := audit.With(t.Context(), audit.By{Actor: "grace", Address: "192.0.2.1:80", Reason: "stolen laptop"})
	ada, sid := revocation.Subject("ada"), revocation.Session("AAECAwQFBgcICQoLDA0ODw")
	got, err := l.Revoke(ctx, ada, revocation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Revoke(t.Context(), sid, revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Revoke(t.Context(), sid, revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	all := records(t, lines)
	if len(all) != 3 {
		t.Fatalf("%d records:\n%s", len(all), lines)
	}
	p, err := store.Read(t.Context(), revlog.Cursor{Limit: 10})
	if err != nil || len(p.Entries) != 2 {
		t.Fatalf("%d entries, %v", len(p.Entries), err)
	}
	first := all[0]
	if first.Action != audit.Revoke || first.Actor != "grace" || first.Address != "192.0.2.1:80" || first.Reason != "stolen laptop" || first.Via != audit.ViaApplication || !first.Changed {
		t.Errorf("record %+v", first)
	}
	for i, e := range p.Entries {
		r := all[i]
		if tag := e.Tag.String(); r.Target.Tag != tag || r.Target.Scope != e.Scope.String() {
			t.Errorf("target %+v, want %v %s", r.Target, e.Scope, tag)
		}
		if r.Position != e.Position.String() || r.Head != r.Position || r.Chain != hexOf(e.Chain[:]) || r.List != hexOf(p.Head.ID[:]) {
			t.Errorf("record %+v is not of entry %+v", r, e)
		}
	}
	if first.Position != got.Position || first.Since.UnixMilli() != p.Entries[0].W || !all[1].Since.IsZero() {
		t.Errorf("since %v and %v, W %d", first.Since, all[1].Since, p.Entries[0].W)
	}
	if again := all[2]; again.Changed || again.Actor != "" || again.Head != all[1].Head {
		t.Errorf("the second of the same session: %+v", again)
	}
	for _, secret := range []string{"ada", "AAECAwQFBgcICQoLDA0ODw"} {
		if strings.Contains(lines.String(), secret) {
			t.Errorf("the records hold %q", secret)
		}
	}
}

// A revocation that waits for the store has a record without a position, and one that cannot be asked
// for has none.
func TestAuditOfFailure(t *testing.T) {
	store := revlogtest.NewFaulty(revlog.NewMemory())
	l, lines := audited(t, store)
	if _, err := l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Before: time.Now().Add(time.Hour)}); !errors.Is(err, revocation.ErrFuture) {
		t.Fatal(err)
	}
	if _, err := l.Revoke(t.Context(), revocation.Session("short"), revocation.Options{}); !errors.Is(err, revocation.ErrTarget) {
		t.Fatal(err)
	}
	if lines.Len() != 0 {
		t.Errorf("what was not asked for right has a record: %s", lines)
	}
	store.Fail()
	if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
		t.Fatal(err)
	}
	if all := records(t, lines); len(all) != 1 || all[0].Error == "" || all[0].Position != "" || all[0].Target.Scope != "subject" {
		t.Errorf("records %s", lines)
	}
	if !strings.Contains(lines.String(), `"level":"ERROR"`) {
		t.Errorf("records %s", lines)
	}
}

// Many revocations have a record each, and one for all.
func TestAuditOfMany(t *testing.T) {
	l, lines := audited(t, revlog.NewMemory())
	targets := []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7")}
	if _, err := l.RevokeMany(t.Context(), slices.Values(targets), nil); err != nil {
		t.Fatal(err)
	}
	all := records(t, lines)
	if len(all) != 3 {
		t.Fatalf("records %s", lines)
	}
	for i, r := range all[:2] {
		tag := l.Tag(targets[i])
		if r.Action != audit.Revoke || !r.Quiet || !r.Changed || r.Target.Tag != tag.String() || r.Since.IsZero() {
			t.Errorf("record %+v", r)
		}
	}
	if last := all[2]; last.Action != audit.RevokeMany || last.Count != 2 || !last.Quiet || !last.Changed || last.Position == "" {
		t.Errorf("record %+v", last)
	}
}

// Many revocations that the store did not acknowledge have a record each: some of them may be in force.
func TestAuditOfManyThatFail(t *testing.T) {
	for _, row := range []struct {
		name  string
		ack   int
		fails bool
	}{{"no answer", 0, true}, {"too few replicas of the store", 1, false}} {
		t.Run(row.name, func(t *testing.T) {
			store := revlogtest.NewFaulty(revlog.NewMemory())
			var lines bytes.Buffer
			l := openBulk(t, store, revocation.Config{Audit: slog.NewJSONHandler(&lines, nil), Ack: revlog.Ack{Replicas: row.ack, Timeout: time.Millisecond}})
			if row.fails {
				store.Fail()
			}
			if _, err := l.RevokeMany(t.Context(), slices.Values([]revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7")}), nil); !errors.Is(err, revocation.ErrUnavailable) {
				t.Fatal(err)
			}
			all := records(t, &lines)
			if len(all) != 3 {
				t.Fatalf("records %s", &lines)
			}
			for _, r := range all[:2] {
				if r.Action != audit.Revoke || !r.Quiet || r.Error == "" || r.Target.Tag == "" || (r.Position == "") != row.fails {
					t.Errorf("record %+v", r)
				}
			}
		})
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
