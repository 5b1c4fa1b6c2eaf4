package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Edit implements [Editor]. The ring it hands to edit is the union of the file and
// of what is in memory, so a file that lost keys gets them back. Keys that edit
// leaves out stay unless they expired. A file that cannot be read is not written.
func (f *File) Edit(ctx context.Context, edit func(*Ring) (*Ring, error)) error {
	if f.closed() {
		return ErrClosed
	}
	path := resolve(f.path)
	unlock, err := lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.give()
	if err := f.load(ctx); err != nil && (errors.Is(err, ErrKEK) || !errors.Is(err, fs.ErrNotExist)) {
		return err // only a ring that is gone may be written over
	}
	base := f.ring.Load()
	next, err := edit(base)
	switch {
	case err != nil:
		return err
	case next == nil:
		return errors.New("keys: an edit returned no ring")
	case next == base:
		return nil
	}
	if next, err = next.Merge(base.Prune(time.Now())); err != nil {
		return err
	}
	material, err := f.kek.material(ctx)
	if err != nil {
		return err
	}
	doc, err := f.kek.k.seal(material, next)
	if err != nil {
		return err
	}
	if err := replace(path, doc); err != nil {
		return err
	}
	f.publish(next, sha256.Sum256(doc))
	return nil
}

// CreateFile writes a ring to a file that does not exist yet, and makes the key of
// a [KEKFile] if that does not exist either. If there is a file already, the error
// is [fs.ErrExist] and nothing is written.
func CreateFile(ctx context.Context, path string, k KEK, r *Ring) error {
	path = resolve(path)
	unlock, err := lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("keys: %s: %w", path, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keys: %w", err)
	}
	material, err := k.material(ctx)
	if errors.Is(err, fs.ErrNotExist) && k.k.kind == kindFile {
		if err = createKEK(k.k.path); err == nil {
			material, err = k.material(ctx)
		}
	}
	if err != nil {
		return err
	}
	doc, err := k.k.seal(material, r)
	if err != nil {
		return err
	}
	return replace(path, doc)
}

// createKEK makes a file with a random key. If another process makes it first,
// that one is the key.
func createKEK(path string) error {
	b := randomSecret()
	err := writeNew(path, []byte(encode(b[:])+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
