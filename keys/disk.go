package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// readSecretFile reads a file that nobody else may read, of at most limit bytes.
func readSecretFile(path string, limit int64) ([]byte, error) {
	// Before it is opened: opening a pipe would wait for a writer.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if exposed(path, info) {
		return nil, fmt.Errorf("%w: its mode is %#o; chmod 600 %s", ErrExposed, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b, nil
}

// resolve follows symbolic links, so that what is replaced is the file and not the
// link to it. A path where nothing is stays as it is.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// replace puts a file of mode 0600 with these bytes at path, in one step and
// durably: a crash at any point leaves the old file or the new one. The owner
// stays who it was. The caller holds the lock.
func replace(path string, b []byte) error {
	temp := path + ".new"
	err := writeTemp(temp, b)
	if err == nil {
		err = keepOwner(path, temp)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return writeError(err)
	}
	return syncDir(filepath.Dir(path))
}

// writeNew is replace for a file that must not exist: then it is [fs.ErrExist].
func writeNew(path string, b []byte) error {
	temp := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	err := writeTemp(temp, b)
	if err == nil {
		err = os.Link(temp, path) // unlike a rename it replaces nothing
	}
	os.Remove(temp)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = writeExclusive(path, b) // a file system without links
	}
	if err != nil {
		return writeError(err)
	}
	return syncDir(filepath.Dir(path))
}

// writeTemp is writeExclusive for a file that a crash may have left behind; nothing
// of that one lives on.
func writeTemp(path string, b []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeExclusive(path, b)
}

// writeExclusive makes a file for its owner alone and waits until it is on the disk.
func writeExclusive(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// writeError adds ErrReadOnly to the errors that say: not here, not by you.
func writeError(err error) error {
	for _, is := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		}
	}
	if at := (*fs.PathError)(nil); errors.Is(err, fs.ErrNotExist) && errors.As(err, &at) {
		return fmt.Errorf("keys: folder %s: %w", filepath.Dir(at.Path), fs.ErrNotExist)
	}
	return fmt.Errorf("keys: %w", err)
}
