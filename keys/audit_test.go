package keys_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/keys"
)

// Each change that a process makes has a record, unless its caller writes it.
func TestAuditOfEdits(t *testing.T) {
	var lines bytes.Buffer
	f, err := keys.OpenFile(t.Context(), filepath.Join(t.TempDir(), "ring.json"), keys.InsecurePlaintext(),
		keys.FileConfig{Create: true, Logger: slog.New(slog.DiscardHandler), Audit: slog.NewJSONHandler(&lines, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := f.Ring().Keys()[0].ID()
	edit := func(ctx context.Context, change func(*keys.Ring) (*keys.Ring, error)) {
		if err := f.Edit(ctx, change); err != nil {
			t.Fatal(err)
		}
	}
	rotate := func(r *keys.Ring) (*keys.Ring, error) {
		return r.Rotate(time.Now(), keys.Rotation{Immediate: true})
	}
	edit(audit.With(t.Context(), audit.By{Actor: "grace", Reason: "weekly"}), rotate)
	second := f.Ring().Keys()[0].ID()
	edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r, nil })
	edit(audit.Recorded(t.Context()), func(r *keys.Ring) (*keys.Ring, error) { return r.Extend(time.Now(), 48*time.Hour) })
	edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), first) })
	edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Extend(time.Now(), 72*time.Hour) })

	ring := f.Ring().ID()
	var got []audit.Record
	for line := range strings.Lines(lines.String()) {
		r, err := audit.Parse([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		r.Time = time.Time{}
		got = append(got, r)
	}
	by := audit.By{Via: audit.ViaApplication}
	if diff := cmp.Diff([]audit.Record{
		{Action: audit.Keys, By: by, Ring: audit.Change{What: "new", ID: ring, Added: []string{first}}},
		{Action: audit.Keys, By: audit.By{Actor: "grace", Reason: "weekly", Via: audit.ViaApplication}, Ring: audit.Change{ID: ring, Added: []string{second}}},
		{Action: audit.Keys, By: by, Ring: audit.Change{ID: ring, Revoked: []string{first}}},
		{Action: audit.Keys, By: by, Ring: audit.Change{ID: ring, MaxSession: int64((72 * time.Hour).Seconds())}},
	}, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
