package revlogtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A Faulty without hooks behaves like the store behind it.
func TestFaultyPassesTheKit(t *testing.T) {
	revlogtest.TestStore(t, func(*testing.T) revlog.Store { return revlogtest.NewFaulty(revlog.NewMemory()) })
}

func TestFaulty(t *testing.T) {
	f := revlogtest.NewFaulty(revlog.NewMemory())
	list := revlog.ListID{1}
	calls := map[string]func() error{
		"Create":   func() error { _, err := f.Create(t.Context(), revlog.CreateOptions{ID: list}); return err },
		"Read":     func() error { _, err := f.Read(t.Context(), revlog.Cursor{}); return err },
		"Write":    func() error { _, err := f.Write(t.Context(), revlog.Append{}); return err },
		"Confirm":  func() error { _, err := f.Confirm(t.Context(), revlog.Question{}); return err },
		"Turn":     func() error { _, err := f.Turn(t.Context(), "a", time.Second); return err },
		"Replicas": func() error { _, err := f.Replicas(t.Context()); return err },
		"Sketches": func() error { _, err := f.Sketches(t.Context(), nil); return err },
	}
	f.Fail()
	for name, call := range calls {
		if err := call(); !errors.Is(err, revlogtest.ErrFault) {
			t.Errorf("%s of a store that fails: %v", name, err)
		}
	}
	if f.Reads() != 1 || f.Confirms() != 1 || len(f.Writes()) != 1 {
		t.Errorf("%d reads, %d confirms, %d writes counted, want 1 of each", f.Reads(), f.Confirms(), len(f.Writes()))
	}
	f.Recover()
	for name, call := range calls {
		if err := call(); errors.Is(err, revlogtest.ErrFault) {
			t.Errorf("%s of a store that recovered: %v", name, err)
		}
	}

	f.Hook(func(h *revlogtest.Hooks) {
		h.Read = func(context.Context, revlog.Cursor) (revlog.Page, error) {
			return revlog.Page{Head: revlog.Head{ID: revlog.ListID{7}}}, nil
		}
	})
	if p, err := f.Read(t.Context(), revlog.Cursor{}); err != nil || p.Head.ID != (revlog.ListID{7}) {
		t.Errorf("hooked Read: %v, %v", p.Head.ID, err)
	}
	f.Recover()
	f.Replace(revlog.NewMemory())
	if _, err := f.Read(t.Context(), revlog.Cursor{List: list}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Read of an emptied store: %v", err)
	}
}

func TestFaultyRegisters(t *testing.T) {
	f := revlogtest.NewFaulty(revlog.NewMemory())
	if err := f.Register(t.Context(), revlog.Replica{ID: "a"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if all, err := f.Replicas(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%d replicas, %v", len(all), err)
	}
	f.Replace(struct{ revlog.Store }{revlog.NewMemory()}) // not a Registrar
	if err := f.Register(t.Context(), revlog.Replica{ID: "a"}, time.Minute); err != nil {
		t.Error(err)
	}
	if all, err := f.Replicas(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d replicas, %v", len(all), err)
	}
}

func TestSecrets(t *testing.T) {
	a, b := revlogtest.Secrets(1), revlogtest.Secrets(2)
	if a.ListSecret("x") != revlogtest.Secrets(1).ListSecret("x") || a.ListSecret("x") == a.ListSecret("y") || a.ListSecret("x") == b.ListSecret("x") {
		t.Error("secrets do not depend on the value and the label alone")
	}
}
