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
)

// exposed cannot say anything here: files have no owner, group and others.
func exposed(string, fs.FileInfo) bool { return false }

// lock takes the lock that writers of path take turns by: a file that only one of
// them can make. One that a crash left behind is taken away after a while.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	name := path + ".lock"
	for {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return func() { file.Close(); os.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, writeError(err)
		}
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > lockStale {
			os.Remove(name)
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func keepOwner(string, string) error { return nil }

func syncDir(string) error { return nil }
