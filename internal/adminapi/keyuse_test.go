package adminapi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// rotated returns a ring whose second key took over from the first at the time returned.
func rotated(t *testing.T) (r *keys.Ring, first, second string, at time.Time) {
	t.Helper()
	r = keys.Generate(time.Hour)
	first, at = r.Keys()[0].ID(), r.Keys()[0].NotBefore().Add(time.Minute)
	r, err := r.Rotate(at, keys.Rotation{Immediate: true})
	if err != nil {
		t.Fatal(err)
	}
	return r, first, r.Keys()[0].ID(), at
}

func TestReportedRing(t *testing.T) {
	r, first, second, at := rotated(t)
	running := []revlog.Replica{
		{ID: "b", Host: "two", Keys: []revlog.KeyUse{{ID: first, Seals: 3, Sealed: at, Opened: at.Add(time.Second)}}},
		{ID: "command", Host: "one"}, // keeps no sessions
		{ID: "a", Host: "one", Keys: []revlog.KeyUse{{ID: first, Seals: 4, Sealed: at.Add(-time.Second)}, {ID: second, Seals: 1, Sealed: at.Add(time.Second)}}},
	}
	d := adminapi.ReportedRing(r, at.Add(time.Minute), running, keys.NewMeter())
	sealed, opened := at.UTC(), at.Add(time.Second).UTC()
	for kid, want := range map[string]struct {
		use     adminapi.Use
		holders adminapi.Holders
	}{
		first: {adminapi.Use{Seals: 7, Counted: "replicas", Sealed: &sealed, Opened: &opened}, adminapi.Holders{Of: 2, Have: 2, Sealed: 2}},
		second: {adminapi.Use{Seals: 1, Counted: "replicas", Sealed: &opened},
			adminapi.Holders{Of: 2, Have: 1, Sealed: 1, Missing: []adminapi.Holder{{ID: "b", Host: "two"}}}},
	} {
		k, _ := d.Key(kid)
		if k.Use == nil || k.Replicas == nil {
			t.Fatalf("key %+v", k)
		}
		if diff := cmp.Diff(want.use, *k.Use); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
		if diff := cmp.Diff(want.holders, *k.Replicas); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	}
}

// What counts of a revoked key is who still takes it for good.
func TestReportedRingOfARevokedKey(t *testing.T) {
	r, first, second, at := rotated(t)
	r, err := r.Revoke(at, first)
	if err != nil {
		t.Fatal(err)
	}
	running := []revlog.Replica{
		{ID: "knows", Keys: []revlog.KeyUse{{ID: first, Revoked: true}, {ID: second}}},
		{ID: "lacks it", Keys: []revlog.KeyUse{{ID: second}}},
		{ID: "late", Keys: []revlog.KeyUse{{ID: first}, {ID: second}}},
	}
	k, _ := adminapi.ReportedRing(r, at, running, keys.NewMeter()).Key(first)
	if want := (adminapi.Holders{Of: 3, Have: 2, Missing: []adminapi.Holder{{ID: "late"}}}); k.Replicas == nil || !cmp.Equal(want, *k.Replicas) {
		t.Errorf("replicas %+v, want %+v", k.Replicas, want)
	}
}

func TestReportedRingWithoutReplicas(t *testing.T) {
	r, first, _, at := rotated(t)
	k, _ := adminapi.ReportedRing(r, at, nil, keys.NewMeter()).Key(first)
	if k.Use != nil || k.Replicas == nil || k.Replicas.Of != 0 {
		t.Errorf("use %+v, replicas %+v", k.Use, k.Replicas)
	}
}

// A meter over the fleet counts more than the replicas that run.
func TestReportedRingCountsTheFleet(t *testing.T) {
	r, first, _, at := rotated(t)
	fleet := meter.NewFleet(meter.Limits{})
	fleet.Told(first, 1<<20, at.Unix(), at.Unix())
	running := []revlog.Replica{{ID: "a", Keys: []revlog.KeyUse{{ID: first, Seals: 4, Sealed: at.Add(time.Second)}}}}
	k, _ := adminapi.ReportedRing(r, at, running, keys.MeterOf(fleet)).Key(first)
	sealed, opened := at.Add(time.Second).UTC(), at.UTC()
	if want := (adminapi.Use{Seals: 1 << 20, Counted: "fleet", Sealed: &sealed, Opened: &opened}); k.Use == nil || !cmp.Equal(want, *k.Use) {
		t.Errorf("use %+v, want %+v", k.Use, want)
	}
}

// A key that sealed long after another one took over is not pruned.
func TestCheckPrune(t *testing.T) {
	r, first, _, at := rotated(t)
	k, _ := r.Key(first)
	now := k.Expires().Add(time.Second)
	for _, row := range []struct {
		name   string
		sealed time.Time
		needed time.Time // zero: not any more
	}{
		{"by nobody, as far as is known", time.Time{}, time.Time{}},
		{"before the rotation", at.Add(-time.Second), time.Time{}},
		{"an hour ago", now.Add(-time.Hour), now.Add(-time.Hour).Add(time.Hour + 24*time.Hour)},
	} {
		d := adminapi.ReportedRing(r, now, []revlog.Replica{{ID: "a", Keys: []revlog.KeyUse{{ID: first, Seals: 1, Sealed: row.sealed}}}}, keys.NewMeter())
		if prunable := d.Prunable(); len(prunable) != 1 || prunable[0].ID != first {
			t.Fatalf("sealed %s: prunable %+v", row.name, prunable)
		}
		if err := d.CheckPrune(now); errors.Is(err, adminapi.ErrInUse) == row.needed.IsZero() {
			t.Errorf("sealed %s: CheckPrune = %v", row.name, err)
		}
		if got := d.Prunable()[0].Needed; (got == nil) != row.needed.IsZero() || got != nil && !got.Equal(row.needed.Truncate(time.Second)) {
			t.Errorf("sealed %s: needed until %v, want %v", row.name, got, row.needed)
		}
		if err := d.CheckPrune(now.Add(26 * time.Hour)); err != nil {
			t.Errorf("sealed %s: a day later: %v", row.name, err)
		}
	}
}

// An edit is tried again if another process came first. What the first attempt would have changed does
// not stay in the record.
func TestChangesAreThoseOfTheLastAttempt(t *testing.T) {
	r := keys.Generate(time.Hour)
	now := r.IssuedAt()
	longer, err := r.Extend(now, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var c audit.Change
	before, after := adminapi.RingOf(r, now), adminapi.RingOf(longer, now)
	if !adminapi.Changes(&c, before, after) || adminapi.Changes(&c, after, after) {
		t.Errorf("after an attempt with nothing to change: %+v", c)
	}
}
