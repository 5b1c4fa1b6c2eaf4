package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A folder is where an edit works. It is opened once and stays the same folder even if its name
// comes to mean another one. An edit creates every file in it exclusively, follows no link there,
// and changes the owner only of files that it has just created. So another user who can write to
// the folder cannot make an edit by root touch a file elsewhere.
type folder struct {
	root  *os.Root
	path  string // of the file to edit
	base  string // its name in the folder
	owner owner  // of the files that are created here
}

// openFolder opens the folder of a file that is to be edited or created.
func openFolder(path string) (*folder, error) {
	d := &folder{path: path, base: filepath.Base(path)}
	var err error
	if d.root, err = os.OpenRoot(filepath.Dir(path)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("keys: folder %s: %w", filepath.Dir(path), fs.ErrNotExist)
		}
		return nil, writeError(err)
	}
	if err := d.check(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// openLocked is openFolder for a folder in which writers of the file take turns. The caller has its
// turn until it calls done.
func openLocked(ctx context.Context, path string) (d *folder, done func(), _ error) {
	d, err := openFolder(path)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		d.close()
		return nil, nil, err
	}
	return d, func() { unlock(); d.close() }, nil
}

// check refuses a file that is not regular, and a folder that is not safe to edit in. It determines
// the owner of new files.
func (d *folder) check() error {
	file, err := d.root.Lstat(d.base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		file = nil
	case err != nil:
		return writeError(err)
	case file.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link, and an edit never writes through one; edit the file that it leads to", ErrReadOnly, d.path)
	case !file.Mode().IsRegular():
		return fmt.Errorf("keys: %s is not a regular file", d.path)
	}
	dir, err := d.root.Stat(".")
	if err != nil {
		return writeError(err)
	}
	d.owner, err = ownerOf(d.path, dir, file)
	return err
}

func (d *folder) close() { d.root.Close() }

// exists reports whether the file is there.
func (d *folder) exists() (bool, error) {
	_, err := d.root.Lstat(d.base)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// replace replaces the file with b in one step and durably: a crash at any point leaves the old
// file or the new one. The caller holds the lock.
func (d *folder) replace(b []byte) error {
	temp := d.base + ".new"
	err := d.writeTemp(temp, b)
	if err == nil {
		err = d.root.Rename(temp, d.base)
	}
	if err != nil {
		d.root.Remove(temp)
		return writeError(err)
	}
	return d.sync()
}

// create is replace for a file that must not exist. If it does, the error is [fs.ErrExist].
func (d *folder) create(b []byte) error {
	temp := fmt.Sprintf("%s.%d.new", d.base, os.Getpid())
	err := d.writeTemp(temp, b)
	if err == nil {
		err = d.root.Link(temp, d.base) // unlike a rename, a link replaces nothing
	}
	d.root.Remove(temp)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = d.write(d.base, b) // a file system without links
	}
	if err != nil {
		return writeError(err)
	}
	return d.sync()
}

// writeTemp is write for a temporary file. It first removes one that a crash left behind.
func (d *folder) writeTemp(name string, b []byte) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.write(name, b)
}

// write creates a file that only its owner can access, and waits until it is on disk.
func (d *folder) write(name string, b []byte) error {
	file, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = d.owner.give(file)
	}
	if err == nil {
		err = file.Sync()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		d.root.Remove(name) // half a file is of no use
	}
	return err
}

// writeError adds ErrReadOnly to errors that mean that this process may not write here.
func writeError(err error) error {
	for _, is := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		}
	}
	return fmt.Errorf("keys: %w", err)
}
