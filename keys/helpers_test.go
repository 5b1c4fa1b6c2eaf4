package keys_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/keys"
)

// await waits for a condition that another goroutine or the system fulfills.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	temp := path + ".test"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// logs collects what is logged.
type logs struct{ logtest.Log }

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, path string, k keys.KEK, c keys.FileConfig) *keys.File {
	t.Helper()
	if c.Logger == nil {
		c.Logger = quiet
	}
	f, err := keys.OpenFile(context.Background(), path, k, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func rotate(r *keys.Ring) (*keys.Ring, error) {
	return r.Rotate(time.Now(), keys.Rotation{Immediate: true})
}

// create writes a ring to a new folder.
func create(t testing.TB, k keys.KEK, r *keys.Ring) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ring.jwe")
	if err := keys.CreateFile(t.Context(), path, k, r); err != nil {
		t.Fatal(err)
	}
	return path
}

// alter changes one character of the ciphertext to another one.
func alter(b []byte) []byte {
	b = bytes.Clone(b)
	if b[len(b)/2]++; b[len(b)/2] != 'B' {
		b[len(b)/2] = 'A'
	}
	return b
}

// keysKEK returns one of many KEKs.
func keysKEK(n byte) ([]byte, error) {
	b := bytes.Clone(goldenKEK)
	b[0] = n
	return b, nil
}

func must2[T any](v T, ok bool) T {
	if !ok {
		panic("not there")
	}
	return v
}
