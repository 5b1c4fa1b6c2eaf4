package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// RewrapFile encrypts the ring in a file under another KEK, and creates the key of a [KEKFile] if
// that does not exist. The document itself does not change by a byte, so sessions live on. If from
// does not open the ring, the error is [ErrKEK], unless to opens it already: then there is nothing
// to do.
//
// A process that runs with the old KEK keeps the ring in memory, and logs that the file no longer
// opens. Until it is restarted with the new KEK, it neither sees changes of the file nor can edit
// it.
func RewrapFile(ctx context.Context, path string, from, to KEK) error {
	dir, done, err := openLocked(ctx, path)
	if err != nil {
		return err
	}
	defer done()
	old, err := readSecretFile(path, maxAtRest)
	if errors.Is(err, ErrExposed) {
		return err
	} else if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	doc, err := from.decrypt(ctx, old)
	if errors.Is(err, ErrKEK) {
		if _, already := to.decrypt(ctx, old); already == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("%w (%s)", err, path)
	}
	material, err := to.make(ctx)
	if err != nil {
		return err
	}
	sealed, err := to.k.seal(ctx, material, doc)
	if err != nil {
		return err
	}
	// The old file is the only copy. A KEK that differs from call to call, as from a faulty
	// function, must not replace it.
	if again, err := to.decrypt(ctx, sealed); err != nil {
		return fmt.Errorf("the new KEK cannot open what it sealed: %w", err)
	} else if !bytes.Equal(again, doc) {
		return fmt.Errorf("%w: the new KEK opened it to another document", ErrKEK)
	}
	return dir.replace(sealed)
}

// decrypt returns the document of a ring, to the byte.
func (k KEK) decrypt(ctx context.Context, sealed []byte) ([]byte, error) {
	material, err := k.material(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := k.k.decrypt(ctx, material, sealed)
	if err != nil {
		return nil, err
	}
	if _, err := Parse(doc); err != nil {
		return nil, err
	}
	return doc, nil
}
