package keys_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

func TestOpenFileCreates(t *testing.T) {
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), filepath.Join(dir, "kek")
	if _, err := keys.OpenFile(t.Context(), path, keys.KEKFile(kek), keys.FileConfig{}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without Create: %v, want fs.ErrNotExist", err)
	}
	f := open(t, path, keys.KEKFile(kek), keys.FileConfig{Create: true, MaxSession: 7 * time.Hour})
	if f.Ring().MaxSession() != 7*time.Hour {
		t.Errorf("max session %v", f.Ring().MaxSession())
	}
	for _, name := range []string{path, kek} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	again := open(t, path, keys.KEKFile(kek), keys.FileConfig{Create: true, MaxSession: time.Hour})
	if doc(again.Ring()) != doc(f.Ring()) {
		t.Error("opening again made another ring")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 3 { // and the lock
		t.Errorf("left behind: %v", names)
	}
}

func TestOpenFileNeverReplaces(t *testing.T) {
	good := testdata(t, "ring-kek.jwe")
	for _, c := range []struct {
		name    string
		content []byte
		kek     func(dir string) keys.KEK
		want    error
	}{
		{"another kek", good, func(string) keys.KEK { return kekOf(must(keysKEK(1))) }, keys.ErrKEK},
		{"kek is gone", good, func(dir string) keys.KEK { return keys.KEKFile(filepath.Join(dir, "kek")) }, keys.ErrKEK},
		{"broken", good[:100], func(string) keys.KEK { return kekOf(goldenKEK) }, keys.ErrDocument},
		{"empty", nil, func(string) keys.KEK { return kekOf(goldenKEK) }, keys.ErrDocument},
		{"plain text", testdata(t, "ring.json"), func(string) keys.KEK { return kekOf(goldenKEK) }, keys.ErrKEK},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "ring.jwe")
			write(t, path, c.content)
			f, err := keys.OpenFile(t.Context(), path, c.kek(dir), keys.FileConfig{Create: true, Logger: quiet})
			if f != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, %v, want %v", f, err, c.want)
			}
			if !bytes.Equal(read(t, path), c.content) {
				t.Error("the file was changed")
			}
			if _, err := os.Stat(filepath.Join(dir, "kek")); err == nil {
				t.Error("a key was made for a ring that has one")
			}
			if err := keys.CreateFile(t.Context(), path, kekOf(goldenKEK), keys.Generate(0)); !errors.Is(err, fs.ErrExist) {
				t.Errorf("CreateFile: %v, want fs.ErrExist", err)
			}
		})
	}
}

func TestOpenFileRefusesNonsense(t *testing.T) {
	path := create(t, keys.InsecurePlaintext(), keys.Generate(0))
	for _, c := range []keys.FileConfig{{MaxSession: -1}, {MaxSession: keys.LongestSession + 1}, {Poll: -1}} {
		if _, err := keys.OpenFile(t.Context(), path, keys.InsecurePlaintext(), c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := keys.CreateFile(t.Context(), filepath.Join(t.TempDir(), "no", "ring"), keys.InsecurePlaintext(), keys.Generate(0)); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "folder") {
		t.Errorf("no folder: %v", err)
	}
	if _, err := keys.OpenFile(t.Context(), t.TempDir(), keys.InsecurePlaintext(), keys.FileConfig{}); err == nil {
		t.Error("a folder was opened as a ring")
	}
}

func TestClosedFile(t *testing.T) {
	bubble.Test(t, func(t *testing.T) { // a bubble fails if a goroutine is left
		kek := kekOf(goldenKEK)
		path := create(t, kek, keys.Generate(0))
		f := open(t, path, kek, keys.FileConfig{PollOnly: true})
		r := f.Ring()
		for range 2 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if f.Ring() != r {
			t.Error("the ring is gone")
		}
		if err := f.Refresh(t.Context()); !errors.Is(err, keys.ErrClosed) {
			t.Errorf("Refresh: %v, want ErrClosed", err)
		}
		if err := f.Edit(t.Context(), rotate); !errors.Is(err, keys.ErrClosed) {
			t.Errorf("Edit: %v, want ErrClosed", err)
		}
	})
}

func TestStatic(t *testing.T) {
	r := keys.Generate(0)
	s := keys.Static(r)
	if s.Ring() != r || s.Refresh(t.Context()) != nil {
		t.Error("it is not what it was given")
	}
	if _, ok := s.(keys.Editor); ok {
		t.Error("it can be edited")
	}
}

// If a ring was expected, a new one means that everybody is logged out.
func TestNewRingIsAnnounced(t *testing.T) {
	var l logs
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	for range 2 {
		f := open(t, path, kek, keys.FileConfig{Create: true, Logger: l.logger()})
		if l.Count("level=WARN msg=\"keys: created a ring, because there was none; sessions of an earlier ring no longer open\" ring="+f.Ring().ID()+" file="+path) != 1 {
			t.Errorf("the log says\n%s", l.String())
		}
	}
}
