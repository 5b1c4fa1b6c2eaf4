package keys_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

func TestSourcesCountThisProcess(t *testing.T) {
	dir := t.TempDir()
	file, err := keys.OpenFile(t.Context(), filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek")), keys.FileConfig{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	for name, s := range map[string]keys.Source{"file": file, "static": keys.Static(keys.Generate(0))} {
		m := keys.MeterFor(s)
		if m != keys.MeterFor(s) || m != s.(keys.Metered).Meter() {
			t.Errorf("%s: another meter each time", name)
		}
		now := time.Now()
		kid := s.Ring().Keys()[0].ID()
		if err := m.Count(kid).Seal(keys.Renewal, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m.Count(kid).Opened(now.Add(time.Second))
		at := now.UTC().Truncate(time.Second)
		if want := (keys.Use{Seals: 1, Sealed: at, Opened: at.Add(time.Second)}); m.Use(kid) != want {
			t.Errorf("%s: %+v, want %+v", name, m.Use(kid), want)
		}
		if m.Use("AAAAAAAAAAA") != (keys.Use{}) || m.Tired(kid) || m.Left(kid) < 0.99 {
			t.Errorf("%s: tired %v, left %v", name, m.Tired(kid), m.Left(kid))
		}
		if got := fmt.Sprintf("%+v", m); got != "keys.Meter" {
			t.Errorf("%s: prints %s", name, got)
		}
	}
	bare := struct{ keys.Source }{file}
	if m := keys.MeterFor(bare); m == nil || m == file.Meter() {
		t.Error("a source without a meter gets none of its own")
	}
}

func TestNeeded(t *testing.T) {
	now := time.Now()
	young := keys.Generate(time.Hour)
	first := young.Keys()[0]
	if at := keys.Needed(young, first, keys.Use{Sealed: now}); !at.IsZero() {
		t.Errorf("a key that goes on sealing is needed until %v", at)
	}
	ring, err := young.Rotate(now, keys.Rotation{Immediate: true})
	if err != nil {
		t.Fatal(err)
	}
	end := ring.Keys()[1].Expires()
	for _, row := range []struct {
		name   string
		sealed time.Time
		want   time.Time
	}{
		{"never sealed, as far as is known", time.Time{}, end},
		{"sealed before the rotation", now.Add(-time.Minute), end},
		{"sealed by a clock that is behind", time.Unix(now.Unix(), 0).Add(3 * time.Hour), time.Unix(now.Unix(), 0).Add(3*time.Hour + time.Hour + 24*time.Hour)},
	} {
		// first is a copy from before the rotation: the ring's own copy counts
		if at := keys.Needed(ring, first, keys.Use{Sealed: row.sealed}); !at.Equal(row.want) {
			t.Errorf("%s: until %v, want %v", row.name, at, row.want)
		}
	}
	late := keys.Use{Sealed: end.Add(time.Minute)}
	if pruned := ring.Prune(end); len(pruned.Keys()) != 1 {
		t.Error("Prune goes by more than the time")
	}
	if at := keys.Needed(ring, first, late); !at.After(end.Add(time.Hour)) {
		t.Errorf("an expired key that sealed later is needed until %v", at)
	}
	if at := keys.Needed(ring.Prune(end), ring.Keys()[1], late); !at.After(end) {
		t.Errorf("a key that was pruned: until %v", at)
	}
}
