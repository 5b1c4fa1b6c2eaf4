//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package keys

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

const (
	lockRetry = 50 * time.Millisecond
	lockStale = 30 * time.Second
	nonBlock  = 0
)

// exposed always returns false: files here have no mode for owner, group and others.
func exposed(string, fs.FileInfo) bool { return false }

// An owner is empty on this system.
type owner struct{}

func ownerOf(string, fs.FileInfo, fs.FileInfo) (owner, error) { return owner{}, nil }

func (owner) give(*os.File) error { return nil }

// lock takes the lock by which writers take turns: a file that only one of them can create. A lock
// that a crash left behind is removed after a while.
func (d *folder) lock(ctx context.Context) (unlock func(), err error) {
	name := d.base + ".lock"
	for {
		file, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return func() { file.Close(); d.root.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, writeError(err)
		}
		if info, err := d.root.Lstat(name); err == nil && time.Since(info.ModTime()) > lockStale {
			d.root.Remove(name)
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *folder) sync() error { return nil }
