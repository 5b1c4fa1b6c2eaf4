package keys

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

var errTooLarge = errors.New("too large")

// readSealed reads the file of a ring.
func readSealed(path string) ([]byte, error) {
	b, err := readSecretFile(path, maxAtRest)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	case err == nil, errors.Is(err, ErrExposed):
		return b, err
	}
	return nil, fmt.Errorf("keys: %w", err)
}

// readSecretFile reads a file of at most limit bytes that only its owner can read.
func readSecretFile(path string, limit int64) ([]byte, error) {
	// The mode is checked before opening: opening a pipe would wait for a writer.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0) // it may have become a pipe since
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if exposed(path, info) {
		return nil, fmt.Errorf("%w: its mode is %#o; chmod 600 %s", ErrExposed, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is %w: it has more than %d bytes", path, errTooLarge, limit)
	}
	return b, nil
}

// resolve follows symbolic links to where the file is now. If nothing is at path, it returns path.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
