package keys_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

func TestRewrap(t *testing.T) {
	dir := t.TempDir()
	path, kek2 := filepath.Join(dir, "ring"), filepath.Join(dir, "kek2")
	chain := []struct {
		name string
		kek  keys.KEK
	}{
		{"plain text", keys.InsecurePlaintext()},
		{"a key", kekOf(goldenKEK)},
		{"a file that is made", keys.KEKFile(kek2)},
		{"a passphrase", passphraseOf(goldenPassphrase)},
		{"another passphrase", passphraseOf([]byte("correct horse battery stable"))},
		{"a key again", kekOf(goldenKEK)},
	}
	// The document has spaces and another order of members, and is not reformatted.
	odd := bytes.Replace(testdata(t, "ring.json"), []byte(`{"ring":`), []byte(`{  "ring":`), 1)
	if bytes.Equal(odd, testdata(t, "ring.json")) {
		t.Fatal("nothing odd about it")
	}
	if err := os.WriteFile(path, odd, 0o600); err != nil {
		t.Fatal(err)
	}
	last := chain[0].kek
	for _, c := range chain[1:] {
		t.Run(c.name, func(t *testing.T) {
			needs(t, c.kek)
			if err := keys.RewrapFile(t.Context(), path, last, c.kek); err != nil {
				t.Fatal(err)
			}
			if doc(open(t, path, c.kek, keys.FileConfig{}).Ring()) != golden(t) {
				t.Error("it is another ring")
			}
			if _, err := keys.OpenFile(t.Context(), path, last, keys.FileConfig{}); !errors.Is(err, keys.ErrKEK) {
				t.Errorf("with the old KEK: %v", err)
			}
			before := read(t, path)
			if err := keys.RewrapFile(t.Context(), path, last, c.kek); err != nil || !bytes.Equal(read(t, path), before) {
				t.Errorf("once more: %v", err)
			}
			last = c.kek
		})
	}
	if err := keys.RewrapFile(t.Context(), path, last, keys.InsecurePlaintext()); err != nil || !bytes.Equal(read(t, path), append(bytes.TrimSuffix(odd, []byte("\n")), '\n')) {
		t.Errorf("in the end: %v, %.30q, want %.30q", err, read(t, path), odd)
	}
}

func TestRewrapRefuses(t *testing.T) {
	good, other := kekOf(goldenKEK), keys.KEKFunc(func(context.Context) ([]byte, error) { return keysKEK(7) })
	n := byte(0)
	fickle := keys.KEKFunc(func(context.Context) ([]byte, error) { n++; return keysKEK(n) })
	for _, c := range []struct {
		name     string
		from, to keys.KEK
		want     error
	}{
		{"the wrong old one", other, keys.KEKFunc(func(context.Context) ([]byte, error) { return keysKEK(8) }), keys.ErrKEK},
		{"no old one", keys.KEK{}, other, keys.ErrKEK},
		{"no new one", good, keys.KEK{}, keys.ErrKEK},
		{"a short passphrase", good, passphraseOf([]byte("short")), keys.ErrKEK},
		{"another one each time", good, fickle, keys.ErrKEK},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := create(t, good, keys.Generate(0))
			before := read(t, path)
			if err := keys.RewrapFile(t.Context(), path, c.from, c.to); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if !bytes.Equal(read(t, path), before) {
				t.Error("the file is changed")
			}
		})
	}
	if err := keys.RewrapFile(t.Context(), filepath.Join(t.TempDir(), "ring"), good, other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// A process that runs with the old KEK keeps the ring, and its log says what to do.
func TestRewrapUnderARunningProcess(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	var l logs
	f := open(t, path, kek, keys.FileConfig{Poll: 10 * time.Millisecond, Logger: l.logger()})
	ring := f.Ring()
	next := keys.KEKFunc(func(context.Context) ([]byte, error) { return keysKEK(7) })
	if err := keys.RewrapFile(t.Context(), path, kek, next); err != nil {
		t.Fatal(err)
	}
	await(t, "the log says it", func() bool {
		return l.Count("keeping the one in memory; if the ring has a new KEK, restart this process with it") == 1
	})
	if f.Ring() != ring {
		t.Error("the ring in memory is another one")
	}
	before := read(t, path)
	if err := f.Edit(t.Context(), rotate); !errors.Is(err, keys.ErrKEK) || !bytes.Equal(read(t, path), before) {
		t.Errorf("it wrote over the file: %v", err)
	}
	if doc(open(t, path, next, keys.FileConfig{}).Ring()) != doc(ring) {
		t.Error("it is another ring")
	}
}
