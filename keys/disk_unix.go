//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

const lockRetry = 10 * time.Millisecond

// exposed says whether a file is less closed than a secret must be.
func exposed(path string, info fs.FileInfo) bool {
	open := info.Mode().Perm() & 0o077
	return open != 0 && (open != 0o040 || !givenByGroup(path, info))
}

// givenByGroup says whether the group is how a file was given to us, and we could
// not have it otherwise: the group is one of ours, and the file belongs to another
// user or lies on a read-only file system. Kubernetes mounts secrets so (0440)
// where a pod has an fsGroup, and nothing in the pod can change it.
func givenByGroup(path string, info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, _ := os.Getgroups()
	if int(stat.Gid) != os.Getegid() && !slices.Contains(groups, int(stat.Gid)) {
		return false
	}
	const writable = 2 // W_OK
	return int(stat.Uid) != os.Geteuid() || errors.Is(syscall.Access(path, writable), syscall.EROFS)
}

// lock takes the lock that writers of path take turns by. The system releases it
// if the process dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, writeError(err)
	}
	keepOwner(path, file.Name()) // root's lock would keep the service out
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("keys: lock: %w", err)
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("keys: another process is writing %s: %w", path, ctx.Err())
		}
	}
}

// keepOwner gives temp the owner of path, if path is there: what root edits must
// stay readable to the service it belongs to.
func keepOwner(path, temp string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return os.Chown(temp, int(stat.Uid), int(stat.Gid))
}

// syncDir makes a rename or a link in the folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return writeError(err)
	}
	defer d.Close()
	// Some file systems cannot sync a folder; then there is nothing to wait for.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}
