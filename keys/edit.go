package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Edit implements [Editor]. It calls edit with the union of the ring in the file and the ring in
// memory, so a file that lost keys gets them back. Keys that edit leaves out stay unless they
// expired. A file that cannot be read is not overwritten.
//
// Reading follows symbolic links, but editing does not: if path is a symbolic link, the error is
// [ErrReadOnly]. A file that root edits keeps its owner. Root does not edit in a folder that group
// or others can write to, or that belongs to a third user: the error is [ErrExposed].
func (f *File) Edit(ctx context.Context, edit func(*Ring) (*Ring, error)) error {
	if f.closed() {
		return ErrClosed
	}
	dir, done, err := openLocked(ctx, f.path)
	if err != nil {
		return err
	}
	defer done()
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.give()
	kek := f.kek.Once()
	if err := f.load(ctx, kek); err != nil && (errors.Is(err, ErrKEK) || !errors.Is(err, fs.ErrNotExist)) {
		return err // only a missing ring may be written over
	}
	base := f.ring.Load()
	next, err := edit(base)
	switch {
	case err != nil:
		return err
	case next == nil:
		return errors.New("keys: Edit: edit returned a nil ring")
	case next == base:
		return nil
	}
	if next, err = next.Merge(base.Prune(time.Now())); err != nil {
		return err
	}
	doc, err := kek.Reseal(ctx, next, f.good)
	if err != nil {
		return err
	}
	if err := dir.replace(doc); err != nil {
		return err
	}
	f.publish(next, doc)
	Audit(ctx, f.conf.Audit, base, next)
	return nil
}

// CreateFile writes a ring to a file that does not exist yet, and creates the key of a [KEKFile] if
// that does not exist either. If there is a file already, the error is [fs.ErrExist] and nothing is
// written. A file that root creates belongs to the owner of the folder; the limits of [File.Edit]
// on where root writes apply.
func CreateFile(ctx context.Context, path string, k KEK, r *Ring) error {
	dir, done, err := openLocked(ctx, path)
	if err != nil {
		return err
	}
	defer done()
	if there, err := dir.exists(); err != nil {
		return fmt.Errorf("keys: %w", err)
	} else if there {
		return fmt.Errorf("keys: %s: %w", path, fs.ErrExist)
	}
	k = k.first()
	material, err := k.make(ctx)
	if err != nil {
		return err
	}
	doc, err := k.sealSurely(ctx, material, r.PlaintextJWKSet())
	if err != nil {
		return err
	}
	return dir.replace(doc)
}

// make is material, but creates the key of a [KEKFile] if there is none.
func (k KEK) make(ctx context.Context) ([]byte, error) {
	b, err := k.material(ctx)
	if errors.Is(err, fs.ErrNotExist) && k.k.kind == kindFile {
		if err = CreateKEK(k.k.path); err == nil {
			return k.material(ctx)
		}
	}
	return b, err
}

// CreateKEK creates a file with a random key for [KEKFile]. If there is such a file already, or if
// another process creates it first, it is left as it is.
func CreateKEK(path string) error {
	dir, err := openFolder(path)
	if err != nil {
		return err
	}
	defer dir.close()
	b := randomSecret()
	err = dir.create([]byte(encode(b[:]) + "\n"))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
