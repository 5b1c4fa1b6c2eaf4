//go:build linux

package keys_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

const service = 54321 // the user whose ring root edits

// serviceRing creates a ring in a folder that belongs to the service, as everything in it does, and
// a file of root's elsewhere.
func serviceRing(t *testing.T) (path, secret string) {
	t.Helper()
	path = create(t, kekOf(goldenKEK), keys.Generate(0))
	os.Remove(path + ".lock")
	secret = filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(secret, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		for _, name := range []string{path, filepath.Dir(path)} {
			if err := os.Chown(name, service, service); err != nil {
				t.Fatal(err)
			}
		}
	}
	return path, secret
}

func owned(t *testing.T, name string) (uid int) {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Lstat(name, &stat); err != nil {
		t.Fatal(err)
	}
	return int(stat.Uid)
}

// untouched fails the test if an edit reached the file.
func untouched(t *testing.T, secret string) {
	t.Helper()
	info, err := os.Lstat(secret)
	if err != nil || info.Mode() != 0o600 || string(read(t, secret)) != "root's" || owned(t, secret) != os.Geteuid() {
		t.Errorf("the file elsewhere is changed: %v, %v, owner %d", info, err, owned(t, secret))
	}
}

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

// bounded returns a context for calls that must not hang.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// The owner of the folder plants a link where an edit puts its lock or its new file.
func TestEditFollowsNoPlantedLink(t *testing.T) {
	for _, c := range []struct{ planted, err string }{
		{".lock", ".lock is not a regular file; remove it"},
		{".new", ""},
	} {
		t.Run(c.planted, func(t *testing.T) {
			path, secret := serviceRing(t)
			symlink(t, secret, path+c.planted)
			err := open(t, path, kekOf(goldenKEK), keys.FileConfig{}).Edit(bounded(t), rotate)
			untouched(t, secret)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("Edit = %v, want %q", err, c.err)
			}
			if n := len(open(t, path, kekOf(goldenKEK), keys.FileConfig{}).Ring().Keys()); (n == 2) != (err == nil) {
				t.Errorf("%d keys, and Edit = %v", n, err)
			}
		})
	}
}

// A link to a file in the same folder is refused like any other.
func TestLockIsNoLinkWithinTheFolder(t *testing.T) {
	path, _ := serviceRing(t)
	inside := filepath.Join(filepath.Dir(path), "inside")
	if err := os.WriteFile(inside, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	symlink(t, "inside", path+".lock")
	if err := open(t, path, kekOf(goldenKEK), keys.FileConfig{}).Edit(bounded(t), rotate); err == nil {
		t.Error("a link was taken for a lock")
	}
	untouched(t, inside)
}

// The ring is read through a link but never written through one.
func TestRingThatIsALink(t *testing.T) {
	kek := kekOf(goldenKEK)
	path, secret := serviceRing(t)
	before := read(t, path)
	link := filepath.Join(t.TempDir(), "ring.jwe")
	symlink(t, path, link)
	err := open(t, link, kek, keys.FileConfig{}).Edit(bounded(t), rotate)
	if !errors.Is(err, keys.ErrReadOnly) || !strings.Contains(err.Error(), link+" is a symbolic link") {
		t.Errorf("Edit = %v", err)
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the file behind the link is changed")
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	for what, to := range map[string]string{"a file": secret, "nothing": filepath.Join(t.TempDir(), "nothing")} {
		link, kekLink := filepath.Join(t.TempDir(), "ring.jwe"), filepath.Join(t.TempDir(), "kek")
		symlink(t, to, link)
		if err := keys.CreateFile(bounded(t), link, kek, keys.Generate(0)); !errors.Is(err, keys.ErrReadOnly) {
			t.Errorf("CreateFile at a link to %s = %v", what, err)
		}
		if what == "nothing" {
			symlink(t, to, kekLink)
			ring := filepath.Join(t.TempDir(), "ring.jwe")
			if err := keys.CreateFile(bounded(t), ring, keys.KEKFile(kekLink), keys.Generate(0)); err == nil {
				t.Error("a KEK was made through a link")
			}
			if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is something behind the link: %v", err)
			}
		}
	}
	untouched(t, secret)
}

// Links appear and disappear between the steps of an edit.
func TestEditWhileLinksAreSwapped(t *testing.T) {
	kek := kekOf(goldenKEK)
	path, secret := serviceRing(t)
	f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
	stop := make(chan bool)
	var all sync.WaitGroup
	for _, name := range []string{path + ".lock", path + ".new"} {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				os.Symlink(secret, name)
				os.Remove(name)
				os.Symlink(filepath.Base(path), name+".planted")
				os.Rename(name+".planted", name)
				os.Remove(name)
			}
		})
	}
	good, done := read(t, path), 0
	for range 300 {
		// The owner may lose his own ring.
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			write(t, path, good)
			if os.Geteuid() == 0 {
				os.Chown(path, service, service)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := f.Edit(ctx, rotate); err == nil {
			done++
		}
		cancel()
	}
	close(stop)
	all.Wait()
	untouched(t, secret)
	t.Logf("%d edits went through", done)
}

// A lock that is not a regular file is an error at once.
func TestLockThatIsNone(t *testing.T) {
	kek := kekOf(goldenKEK)
	for _, c := range []struct {
		name  string
		plant func(lock string) error
		ok    bool
	}{
		{"a pipe", func(lock string) error { return syscall.Mkfifo(lock, 0o666) }, false},
		{"a folder", func(lock string) error { return os.Mkdir(lock, 0o777) }, false},
		{"one that a crash left behind", func(lock string) error { return os.WriteFile(lock, nil, 0o600) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, _ := serviceRing(t)
			if err := c.plant(path + ".lock"); err != nil {
				t.Fatal(err)
			}
			err := open(t, path, kek, keys.FileConfig{}).Edit(bounded(t), rotate)
			if (err == nil) != c.ok || err != nil && !strings.HasSuffix(err.Error(), "ring.jwe.lock is not a regular file; remove it") {
				t.Errorf("Edit = %v, want it to work: %v", err, c.ok)
			}
		})
	}
}

// A lock that root created before it knew the service keeps the service out, and the error says so.
func TestLockOfAnotherUser(t *testing.T) {
	needRoot(t)
	path, _ := serviceRing(t)
	kek := filepath.Join(filepath.Dir(path), "kek")
	for name, b := range map[string][]byte{kek: goldenKEK, path + ".lock": nil} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(kek, service, service); err != nil {
		t.Fatal(err)
	}
	out := runAs(t, service, filepath.Dir(path), path)
	if !strings.Contains(out, "error: keys: read-only: the lock "+path+".lock belongs to another user; remove it") {
		t.Errorf("%s", out)
	}
}

// Root does not edit where others could interfere.
func TestFoldersThatRootEditsIn(t *testing.T) {
	needRoot(t)
	const stranger = 54322
	for _, c := range []struct {
		name          string
		folder, file  int
		mode          fs.FileMode
		ok, okIfThere bool // whether it may create a ring, or edit one
	}{
		{"root's own", 0, 0, 0o755, true, true},
		{"the service's file", 0, service, 0o755, true, true},
		{"the service's folder", service, service, 0o700, true, true},
		{"a stranger's folder", stranger, service, 0o755, true, false},
		{"root's file in the service's folder", service, 0, 0o755, true, false},
		{"the group may write", 0, service, 0o775, false, false},
		{"all may write", 0, 0, 0o777, false, false},
		{"all may write, sticky", 0, 0, 0o777 | fs.ModeSticky, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			kek := kekOf(goldenKEK)
			path := create(t, kek, keys.Generate(0))
			dir := filepath.Dir(path)
			if err := errors.Join(os.Chown(path, c.file, c.file), os.Chown(dir, c.folder, c.folder)); err != nil {
				t.Fatal(err)
			}
			chmod(t, dir, c.mode)
			os.Remove(path + ".lock")
			err := open(t, path, kek, keys.FileConfig{}).Edit(bounded(t), rotate)
			if (err == nil) != c.okIfThere || err != nil && (!errors.Is(err, keys.ErrExposed) || !strings.Contains(err.Error(), dir)) {
				t.Errorf("Edit = %v, want it to work: %v", err, c.okIfThere)
			}
			if err == nil && (owned(t, path) != c.file || owned(t, path+".lock") != c.file) {
				t.Errorf("the ring belongs to %d, the lock to %d, want %d", owned(t, path), owned(t, path+".lock"), c.file)
			}
			other := filepath.Join(dir, "other.jwe")
			err = keys.CreateFile(bounded(t), other, keys.KEKFile(filepath.Join(dir, "kek")), keys.Generate(0))
			if (err == nil) != c.ok || err != nil && !errors.Is(err, keys.ErrExposed) {
				t.Errorf("CreateFile = %v, want it to work: %v", err, c.ok)
			}
			if err == nil && (owned(t, other) != c.folder || owned(t, filepath.Join(dir, "kek")) != c.folder) {
				t.Errorf("the new ring belongs to %d, want the owner of the folder, %d", owned(t, other), c.folder)
			}
		})
	}
}
