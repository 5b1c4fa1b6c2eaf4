//go:build linux

package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/wafer-sessions/wafer/keys"
)

// killEach runs a job in a process that is killed at its first call of the named system call that
// concerns the folder, then one that is killed at its second, and so on, until the job ends. Each
// time, before prepares and after checks.
func killEach(t *testing.T, job, call, dir string, names []string, before func(), after func(killed bool)) (kills int) {
	t.Helper()
	strace := needStrace(t)
	args := []string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=" + call, "-P", dir}
	for _, name := range names {
		args = append(args, "-P", filepath.Join(dir, name), "-P", name)
	}
	for nth := 1; nth < 30; nth++ {
		before()
		cmd := exec.Command(strace, append(args, "-e", "inject="+call+":signal=KILL:when="+strconv.Itoa(nth), os.Args[0], filepath.Join(dir, "ring.jwe"))...)
		cmd.Env = append(os.Environ(), jobVariable+"="+job)
		out, err := cmd.CombinedOutput()
		if len(out) > 0 {
			t.Fatalf("killed at %s no. %d: %s", call, nth, out)
		}
		after(err != nil)
		if t.Failed() {
			t.Fatalf("killed at %s no. %d", call, nth)
		}
		if err == nil {
			return kills
		}
		kills++
	}
	t.Fatalf("%s: no end", call)
	return 0
}

var steps = []string{"openat", "write", "fsync", "close", "linkat", "unlinkat", "renameat,renameat2", "flock"}

// A process that creates a ring and the key of its KEKFile is killed at each step. The next process
// is not kept waiting, and finds or makes a whole ring.
func TestKilledWhileItCreates(t *testing.T) {
	if racing {
		t.Skip("it starts a hundred processes; make test runs it without the race detector, too")
	}
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	names := []string{"ring.jwe", "ring.jwe.new", "ring.jwe.lock", "kek"}
	kills := 0
	for _, call := range steps {
		kills += killEach(t, "make", call, dir, names, func() {
			for _, name := range must(os.ReadDir(dir)) {
				os.Remove(filepath.Join(dir, name.Name()))
			}
		}, func(killed bool) {
			had, _ := os.ReadFile(path)
			f, err := keys.OpenFile(bounded(t), path, kek, keys.FileConfig{Create: true, Logger: quiet})
			if err != nil {
				t.Errorf("the next process: %v", err)
				return
			}
			defer f.Close()
			if err := f.Edit(bounded(t), rotate); err != nil {
				t.Errorf("an edit: %v", err)
			}
			if !killed && had == nil {
				t.Error("nothing was created")
			}
		})
	}
	if kills < 15 {
		t.Errorf("killed %d times: some steps were not seen", kills)
	}
}

// A process that changes the KEK is killed at each step. The ring is under the old KEK or the new
// one, and the change can be made again.
func TestKilledWhileItRewraps(t *testing.T) {
	if racing {
		t.Skip("it starts a hundred processes; make test runs it without the race detector, too")
	}
	dir := t.TempDir()
	path, kek, kek2 := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek")), keys.KEKFile(filepath.Join(dir, "kek2"))
	if err := keys.CreateFile(t.Context(), path, kek, keys.Generate(0)); err != nil {
		t.Fatal(err)
	}
	old := read(t, path)
	id := open(t, path, kek, keys.FileConfig{}).Ring().ID()
	names := []string{"ring.jwe", "ring.jwe.new", "ring.jwe.lock", "kek", "kek2"}
	kills := 0
	for _, call := range steps {
		kills += killEach(t, "rewrap", call, dir, names, func() {
			os.Remove(filepath.Join(dir, "kek2"))
			write(t, path, old)
		}, func(bool) {
			with := kek
			if !bytes.Equal(read(t, path), old) {
				with = kek2
			}
			if f, err := keys.OpenFile(bounded(t), path, with, keys.FileConfig{Logger: quiet}); err != nil {
				t.Errorf("the next process: %v", err)
			} else {
				f.Close()
			}
			if err := keys.RewrapFile(bounded(t), path, kek, kek2); err != nil {
				t.Errorf("once more: %v", err)
				return
			}
			f := open(t, path, kek2, keys.FileConfig{})
			defer f.Close()
			if f.Ring().ID() != id {
				t.Error("it is another ring")
			}
		})
	}
	if kills < 15 {
		t.Errorf("killed %d times: some steps were not seen", kills)
	}
}

// No space is left on the disk: the edit fails, the old ring stays whole, and a later edit works.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	cmd := exec.Command(os.Args[0], filepath.Join(t.TempDir(), "ring.jwe"))
	cmd.Env = append(os.Environ(), jobVariable+"=full disk")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || string(out) == "error: no mounts here\n" {
		t.Skip("no mounts here")
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func fullDisk(path string) error {
	dir := filepath.Dir(path)
	if syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") != nil ||
		syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0755") != nil {
		return errors.New("no mounts here")
	}
	filler := filepath.Join(dir, "filler")
	return cannotWrite(path, func() error {
		if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("the disk is not full: %w", err)
		}
		return nil
	}, func() error { return os.Remove(filler) }, syscall.ENOSPC)
}

// A limit on the size of files, which cuts a write short.
func TestWriteCutShort(t *testing.T) {
	cmd := exec.Command(os.Args[0], filepath.Join(t.TempDir(), "ring.jwe"))
	cmd.Env = append(os.Environ(), jobVariable+"=small files")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func smallFiles(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &had); err != nil {
		return err
	}
	limit := func(n uint64) error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: had.Max})
	}
	return cannotWrite(path, func() error { return limit(20) }, func() error { return limit(had.Cur) }, syscall.EFBIG)
}

// cannotWrite creates, edits and rewraps while nothing can be written, which must fail as want says,
// and then once more.
func cannotWrite(path string, spoil, mend func() error, want error) error {
	ctx, dir := context.Background(), filepath.Dir(path)
	kek, kek2 := keys.KEKFile(filepath.Join(dir, "kek")), keys.KEKFile(filepath.Join(dir, "kek2"))
	var f *keys.File
	for _, do := range []struct {
		what string
		run  func() error
	}{
		{"create", func() error { return keys.CreateFile(ctx, path, kek, keys.Generate(0)) }},
		{"open", nil},
		{"edit", func() error { return f.Edit(ctx, rotate) }},
		{"rewrap", func() error { return keys.RewrapFile(ctx, path, kek, kek2) }},
	} {
		if do.run == nil {
			var err error
			if f, err = keys.OpenFile(ctx, path, kek, keys.FileConfig{PollOnly: true, Logger: quiet}); err != nil {
				return err
			}
			defer f.Close()
			continue
		}
		before, _ := os.ReadFile(path)
		if err := spoil(); err != nil {
			return err
		}
		err := do.run()
		if after, _ := os.ReadFile(path); !errors.Is(err, want) || !bytes.Equal(after, before) {
			return fmt.Errorf("%s: %w, want %w, and the file changed: %v", do.what, err, want, !bytes.Equal(after, before))
		}
		if _, err := os.Stat(path + ".new"); err == nil {
			return fmt.Errorf("%s left half a file", do.what)
		}
		if err := mend(); err != nil {
			return err
		}
		if err := do.run(); err != nil {
			return fmt.Errorf("%s, once there is room: %w", do.what, err)
		}
	}
	if n := len(f.Ring().Keys()); n != 2 {
		return fmt.Errorf("%d keys, want 2", n)
	}
	return nil
}
