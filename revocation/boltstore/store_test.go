package boltstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func open(t *testing.T, path string) *boltstore.Store {
	t.Helper()
	s, err := boltstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	revlogtest.TestStore(t, func(t *testing.T) revlog.Store {
		return open(t, filepath.Join(t.TempDir(), "list.db"))
	})
}

func list(ctx context.Context, t *testing.T, s revlog.Store) *revocation.List {
	t.Helper()
	l, err := revocation.Open(ctx, s, revlogtest.Secrets(1), revocation.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.db")
	s := open(t, path)
	l := list(t.Context(), t, s)
	if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	since, ok, err := l.Revoked(t.Context(), revocation.Subject("ada"))
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	l.Close()
	s.Close()

	l = list(t.Context(), t, open(t, path))
	again, ok, err := l.Revoked(t.Context(), revocation.Subject("ada"))
	if err != nil || !ok || !again.Equal(since) {
		t.Errorf("after reopening: %v, %v, %v; before: %v", again, ok, err, since)
	}
	if _, ok, _ := l.Revoked(t.Context(), revocation.Subject("bob")); ok {
		t.Error("bob was never revoked")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestNotAList(t *testing.T) {
	for _, tt := range []struct{ name, content string }{
		{"text", strings.Repeat("not a list\n", 1000)},
		{"zeros", strings.Repeat("\x00", 1<<16)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "list.db")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := boltstore.Open(path); !errors.Is(err, boltstore.ErrCorrupt) {
				t.Errorf("Open = %v", err)
			}
		})
	}
}

// TestMain runs the child, which prints each subject once its revocation is acknowledged.
func TestMain(m *testing.M) {
	if path := os.Getenv("BOLTSTORE_CHILD"); path != "" {
		if err := child(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(path string) error {
	ctx := context.Background()
	s, err := boltstore.Open(path)
	if err != nil {
		return err
	}
	l, err := revocation.Open(ctx, s, revlogtest.Secrets(1), revocation.Config{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		subject := fmt.Sprintf("user%d", i)
		if _, err := l.Revoke(ctx, revocation.Subject(subject), revocation.Options{}); err != nil {
			return err
		}
		fmt.Println(subject)
	}
}

func TestAcknowledgedSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.db")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BOLTSTORE_CHILD="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	acknowledged := []string{}
	lines := bufio.NewScanner(out)
	for len(acknowledged) < 20 && lines.Scan() {
		acknowledged = append(acknowledged, lines.Text())
	}
	if len(acknowledged) < 20 {
		t.Fatalf("the child stopped after %q", acknowledged)
	}
	if _, err := boltstore.Open(path); !errors.Is(err, boltstore.ErrInUse) || !strings.Contains(err.Error(), "--admin") {
		t.Errorf("Open beside another process = %v", err)
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL, in the middle of a write
		t.Fatal(err)
	}
	for lines.Scan() {
		acknowledged = append(acknowledged, lines.Text())
	}
	cmd.Wait()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := list(ctx, t, open(t, path))
	for _, subject := range acknowledged {
		if _, ok, err := l.Revoked(ctx, revocation.Subject(subject)); !ok || err != nil {
			t.Errorf("%s was acknowledged, but is forgotten (%v)", subject, err)
		}
	}
	if _, err := l.Revoke(ctx, revocation.Subject("later"), revocation.Options{}); err != nil {
		t.Error(err)
	}
}

// A quiet revocation stays quiet after a restart: an append of it makes a log entry.
func TestQuietRevocationsAreRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.db")
	s := open(t, path)
	h, err := s.Create(t.Context(), revlog.CreateOptions{ID: revlog.ListID{1}, Retain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := revlog.Bulk{List: h.ID, Assertions: []revlog.Assertion{
		{Scope: revlog.ScopeSession, Tag: revlog.Tag{1}, W: revlog.Forever, Version: revlog.EntryVersion, Effect: revlog.End.Byte()},
	}}
	if _, err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	again := revlog.Append{List: h.ID, Assertions: b.Assertions}
	for _, want := range []bool{true, false} {
		s.Close()
		s = open(t, path)
		w, err := s.Write(t.Context(), again)
		if err != nil || w.Results[0].Changed != want || w.Head.N != 1 {
			t.Errorf("Write = %+v, %v, want changed %v", w, err, want)
		}
	}
}
