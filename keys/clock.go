package keys

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// clock returns the time by which the ring is rotated automatically: that of the file system, if the
// clock of this machine is ahead of it. Where machines share a file, that is one clock for all. A
// machine whose own clock stays ahead would otherwise add a key at each turn, which waits by the
// clocks of all others, and prune keys that they still use.
func (f *File) clock(ctx context.Context) (time.Time, error) {
	dir, done, err := openLocked(ctx, f.path)
	if err != nil {
		return time.Time{}, err
	}
	defer done()
	there, err := dir.now()
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	tooFar := now.Sub(there) > ahead*time.Second
	if tooFar && !f.fast {
		f.conf.Logger.Warn("keys: the clock of this machine is ahead of that of the file system; rotating the ring by the latter", "file", f.path, "ahead", now.Sub(there).Round(time.Second))
	}
	if f.fast = tooFar; tooFar {
		return there, nil
	}
	return now, nil
}

// now returns the time by the clock of the file system. The caller holds the lock.
func (d *folder) now() (time.Time, error) {
	name := d.base + ".clock"
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // left behind by a crash
		return time.Time{}, writeError(err)
	}
	file, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return time.Time{}, writeError(err)
	}
	defer d.root.Remove(name)
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return time.Time{}, writeError(err)
	}
	return info.ModTime(), nil
}
