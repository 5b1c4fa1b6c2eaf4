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
// A process that runs with [KEKs] of both goes on as before. A process that runs with the old KEK
// alone keeps the ring in memory, and logs that the file no longer opens. Until it is restarted
// with the new KEK, it neither sees changes of the file nor can edit it.
func RewrapFile(ctx context.Context, path string, from, to KEK) error {
	dir, done, err := openLocked(ctx, path)
	if err != nil {
		return err
	}
	defer done()
	old, err := readSealed(path)
	if err != nil {
		return err
	}
	sealed, err := Rewrap(ctx, old, from, to)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, path)
	}
	if bytes.Equal(sealed, old) {
		return nil
	}
	return dir.replace(sealed)
}

// Rewrap returns a sealed ring encrypted under another KEK, for a ring that is kept elsewhere than
// in a file. It is otherwise as [RewrapFile]. If to opens the ring already and from does not,
// Rewrap returns the ring as it is. Of [KEKs], the first counts as to.
func Rewrap(ctx context.Context, sealed []byte, from, to KEK) ([]byte, error) {
	to = to.first()
	old, err := from.decrypt(ctx, sealed)
	if err == nil {
		_, err = Parse(old.doc)
	} else if errors.Is(err, ErrKEK) {
		if already, e := to.decrypt(ctx, sealed); e == nil {
			if _, e = Parse(already.doc); e == nil {
				return sealed, nil
			}
		}
	}
	if err != nil {
		return nil, err
	}
	material, err := to.make(ctx)
	if err != nil {
		return nil, err
	}
	return to.sealSurely(ctx, material, old.doc)
}
