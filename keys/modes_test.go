//go:build linux

package keys_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/wafer-sessions/wafer/keys"
)

// readOnly matches the output of a child that could open a ring but not write it.
var readOnly = regexp.MustCompile(`^[A-Za-z0-9_-]{22}\nerror: keys: read-only: `)

func TestModes(t *testing.T) {
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true,
		0o640: false, 0o440: false, // ours, and the group reads
		0o620: false, 0o660: false, 0o610: false,
		0o604: false, 0o602: false, 0o601: false, 0o644: false, 0o666: false, 0o777: false, 0o444: false,
	} {
		t.Run(fmt.Sprintf("%#o", mode), func(t *testing.T) {
			dir := t.TempDir()
			path, kek, link := filepath.Join(dir, "ring"), filepath.Join(dir, "kek"), filepath.Join(dir, "link")
			if err := keys.CreateFile(t.Context(), path, keys.KEKFile(kek), keys.Generate(0)); err != nil {
				t.Fatal(err)
			}
			check := func(what, path string, k keys.KEK) {
				t.Helper()
				f, err := keys.OpenFile(t.Context(), path, k, keys.FileConfig{Logger: quiet})
				if err == nil {
					f.Close()
				}
				if (err == nil) != ok || err != nil && !errors.Is(err, keys.ErrExposed) {
					t.Errorf("%s: %v, want it to open: %v", what, err, ok)
				}
			}
			chmod(t, path, mode)
			check("ring", path, keys.KEKFile(kek))
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			check("a link to it", link, keys.KEKFile(kek))
			chmod(t, path, 0o600)
			chmod(t, kek, mode)
			check("kek", path, keys.KEKFile(kek))
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

// A file may be readable by its group if we can read it only through the group.
func TestModesOfFilesGivenByGroup(t *testing.T) {
	needRoot(t)
	const stranger = 54321
	for _, c := range []struct {
		name     string
		uid, gid int
		mode     fs.FileMode
		ok       bool
	}{
		{"another user's, our group", stranger, os.Getegid(), 0o440, true},
		{"another user's, our group, who may write", stranger, os.Getegid(), 0o640, true},
		{"another user's, our group may write", stranger, os.Getegid(), 0o660, false},
		{"another user's, all may read", stranger, os.Getegid(), 0o444, false},
		{"another user's, another group", stranger, stranger, 0o440, false},
		{"ours, another group", 0, stranger, 0o440, false},
		{"another user's alone", stranger, stranger, 0o400, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := create(t, keys.InsecurePlaintext(), keys.Generate(0))
			chmod(t, path, c.mode)
			if err := os.Chown(path, c.uid, c.gid); err != nil {
				t.Fatal(err)
			}
			f, err := keys.OpenFile(t.Context(), path, keys.InsecurePlaintext(), keys.FileConfig{Logger: quiet})
			if err == nil {
				f.Close()
			}
			if (err == nil) != c.ok || err != nil && !errors.Is(err, keys.ErrExposed) {
				t.Errorf("%v, want it to open: %v", err, c.ok)
			}
		})
	}
}

// A file that root edits stays the service's.
func TestEditKeepsTheOwner(t *testing.T) {
	needRoot(t)
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	os.Remove(path + ".lock")
	if err := os.Chown(path, service, service); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path, kek, keys.FileConfig{}).Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + ".lock"} {
		var stat syscall.Stat_t
		if err := syscall.Stat(name, &stat); err != nil || stat.Uid != service || stat.Gid != service || stat.Mode&0o777 != 0o600 {
			t.Errorf("%s: owner %d:%d, mode %#o, %v", name, stat.Uid, stat.Gid, stat.Mode, err)
		}
	}
}

// A ring that cannot be written can still be read.
func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.jwe")
	open(t, path, keys.KEKFile(filepath.Join(dir, "kek")), keys.FileConfig{Create: true}).Close()
	os.Remove(path + ".lock")
	if os.Geteuid() == 0 {
		for _, name := range []string{path, filepath.Join(dir, "kek")} {
			if err := os.Chown(name, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod(t, dir, 0o555)
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	if out := runAs(t, 65534, dir, path); !readOnly.MatchString(out) {
		t.Errorf("%s\nwant a ring id, and then that it is read-only", out)
	}
}

// systemd hands a credential to a service as a file of root's that an access control list lets the
// user of the service read. Then the bits of the group in its mode are those of the list: 0440.
func TestCredentialsOfSystemd(t *testing.T) {
	needRoot(t)
	const user = 65534
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), filepath.Join(dir, "kek")
	open(t, path, keys.KEKFile(kek), keys.FileConfig{Create: true}).Close()
	os.Remove(path + ".lock")
	for _, name := range []string{path, kek} {
		letRead(t, name, user)
	}
	chmod(t, dir, 0o555)
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	if out := runAs(t, user, dir, path); !readOnly.MatchString(out) {
		t.Errorf("%s\nwant a ring id, and then that it is read-only", out)
	}
}

// letRead lets a user read a file, by an access control list, and nobody else but its owner.
func letRead(t *testing.T, path string, uid uint32) {
	t.Helper()
	const version, owner, user, group, mask, others, none, read = 2, 1, 2, 4, 16, 32, ^uint32(0), 4
	acl := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range []struct {
		tag, may uint16
		id       uint32
	}{{owner, read, none}, {user, read, uid}, {group, 0, none}, {mask, read, none}, {others, 0, none}} {
		acl = binary.LittleEndian.AppendUint16(acl, e.tag)
		acl = binary.LittleEndian.AppendUint16(acl, e.may)
		acl = binary.LittleEndian.AppendUint32(acl, e.id)
	}
	if err := syscall.Setxattr(path, "system.posix_acl_access", acl, 0); err != nil {
		t.Skip("no access control lists here: ", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o440 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
}

// runAs runs the job "open" as another user if we are root, and otherwise as ourselves. It returns
// the output.
func runAs(t *testing.T, uid uint32, dir, path string) string {
	t.Helper()
	// The binary must be where the user can read it.
	bin, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	bins := t.TempDir()
	self := filepath.Join(bins, "self")
	if err := os.WriteFile(self, bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{self, bins, filepath.Dir(bins), filepath.Dir(dir)} {
		chmod(t, name, 0o755)
	}
	cmd := exec.Command(self, path)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), jobVariable+"=open")
	if os.Geteuid() == 0 { // modes do not restrict root
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("it worked: %s", out)
	}
	return string(out)
}

// A read-only mount, as Kubernetes makes of a secret for a pod that runs as root with an fsGroup:
// the mode is 0440, the file is ours, and we cannot change that.
func TestReadOnlyMount(t *testing.T) {
	needRoot(t)
	cmd := exec.Command(os.Args[0], t.TempDir())
	cmd.Env = append(os.Environ(), jobVariable+"=read-only mount")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || string(out) == "error: no mounts here\n" {
		t.Skip("no mounts here")
	}
	if err == nil || !readOnly.MatchString(string(out)) {
		t.Errorf("%v: %s\nwant a ring id, and then that it is read-only", err, out)
	}
}

func readOnlyMount(dir string) error {
	// Mounts made here must not be visible outside.
	if syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") != nil ||
		syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0755") != nil {
		return errors.New("no mounts here")
	}
	path, kek := filepath.Join(dir, "ring.jwe"), filepath.Join(dir, "kek")
	if err := keys.CreateFile(context.Background(), path, keys.KEKFile(kek), keys.Generate(0)); err != nil {
		return err
	}
	os.Chmod(path, 0o440)
	os.Chmod(kek, 0o440)
	if _, err := keys.OpenFile(context.Background(), path, keys.KEKFile(kek), keys.FileConfig{}); !errors.Is(err, keys.ErrExposed) {
		return fmt.Errorf("while it can be written: %w", err)
	}
	os.Chmod(dir, 0o777|fs.ModeSticky) // as Kubernetes has it
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	return child("open", []string{path})
}
