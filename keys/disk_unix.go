//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	lockRetry = 10 * time.Millisecond
	nonBlock  = syscall.O_NONBLOCK
)

// exposed reports whether others can read or write a file that must be secret.
func exposed(path string, info fs.FileInfo) bool {
	open := info.Mode().Perm() & 0o077
	return open != 0 && (open != 0o040 || !given(path, info))
}

// given reports whether a file that its group may read is one that the system gave us: it belongs
// to another user or lies on a read-only file system, and the group is
//   - one of ours. Kubernetes mounts secrets so (0440) where a pod has an fsGroup, and nothing in the
//     pod can change it.
//   - root's, as the user is. So systemd hands a credential to a service that has a user of its own:
//     an access control list lets that user read, and in the mode its bits stand in place of the
//     group's.
func given(path string, info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, _ := os.Getgroups()
	ours := int(stat.Gid) == os.Getegid() || slices.Contains(groups, int(stat.Gid))
	if roots := stat.Uid == 0 && stat.Gid == 0; !ours && !roots {
		return false
	}
	return int(stat.Uid) != os.Geteuid() || onReadOnly(path)
}

// onReadOnly reports whether path is on a read-only file system.
func onReadOnly(path string) bool {
	const writable = 2 // W_OK
	return errors.Is(syscall.Access(path, writable), syscall.EROFS)
}

// An owner is the user and group that own the files which an edit creates. The zero owner is this
// process.
type owner struct {
	other    bool
	uid, gid int
}

// ownerOf returns the owner for files that an edit creates: the owner of the file, or of the folder
// if there is no file yet. So a file that root edits stays readable to the service. Root does not
// edit where a third user, or everybody, could interfere.
func ownerOf(path string, dir, file fs.FileInfo) (owner, error) {
	d, ok := dir.Sys().(*syscall.Stat_t)
	if !ok {
		return owner{}, nil
	}
	o := owner{uid: int(d.Uid), gid: int(d.Gid)}
	if file != nil {
		f := file.Sys().(*syscall.Stat_t)
		o.uid, o.gid = int(f.Uid), int(f.Gid)
	}
	name := filepath.Dir(path)
	switch me := os.Geteuid(); {
	case me != 0 && file != nil && o.uid != me:
		return owner{}, fmt.Errorf("%w: %s belongs to user %d", ErrReadOnly, path, o.uid)
	case me != 0:
		return owner{}, nil
	case onReadOnly(name):
		return owner{}, fmt.Errorf("%w: %s is on a read-only file system", ErrReadOnly, name)
	case dir.Mode().Perm()&0o022 != 0:
		return owner{}, fmt.Errorf("%w: root does not write to a folder that others can write to; chmod go-w %s", ErrExposed, name)
	case d.Uid != 0 && int(d.Uid) != o.uid:
		return owner{}, fmt.Errorf("%w: root does not write to another user's folder: %s belongs to user %d, and the file to user %d", ErrExposed, name, d.Uid, o.uid)
	}
	o.other = o.uid != 0
	return o, nil
}

// give changes the owner of file. It uses the descriptor, since the name may lead to another file
// by now. Only give away a file that this process has just created.
func (o owner) give(file *os.File) error {
	if !o.other {
		return nil
	}
	return file.Chown(o.uid, o.gid)
}

// lock takes the lock by which writers take turns. The system releases it if the process dies.
func (d *folder) lock(ctx context.Context) (unlock func(), err error) {
	for {
		file, err := d.openLock(d.base + ".lock")
		if err != nil {
			return nil, err
		}
		if file != nil {
			err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
			if err == nil && d.finds(d.base+".lock", file) {
				return func() { file.Close() }, nil
			}
			file.Close()
			if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
				return nil, fmt.Errorf("keys: lock: %w", err)
			}
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("keys: another process is writing %s: %w", d.path, ctx.Err())
		}
	}
}

// openLock creates the lock, or opens the existing one. It returns nil if the lock changed
// meanwhile. An os.Root follows a link within the folder even with O_NOFOLLOW; finds notices a link
// that was put there in between.
func (d *folder) openLock(name string) (*os.File, error) {
	file, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		if err = d.owner.give(file); err != nil { // a lock of root's would keep the service out
			file.Close()
			d.root.Remove(name)
			return nil, writeError(err)
		}
		return file, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, writeError(err)
	}
	info, err := d.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, writeError(err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("keys: the lock %s.lock is not a regular file; remove it", d.path)
	}
	file, err = d.root.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: the lock %s.lock belongs to another user; remove it", ErrReadOnly, d.path)
	case err != nil:
		return nil, writeError(err)
	}
	return file, nil
}

// finds reports whether the name still leads to that file, and not through a link.
func (d *folder) finds(name string, file *os.File) bool {
	is, err := file.Stat()
	if err != nil {
		return false
	}
	found, err := d.root.Lstat(name)
	return err == nil && os.SameFile(is, found)
}

// sync makes a rename or a link in the folder durable.
func (d *folder) sync() error {
	dir, err := d.root.Open(".")
	if err != nil {
		return writeError(err)
	}
	defer dir.Close()
	// Some file systems cannot sync a folder; then there is nothing to wait for.
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}
