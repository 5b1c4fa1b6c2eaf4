package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
)

// state is what all replicas share, and what outlives the process: the ring, encrypted under a key beside it, and the store of the list.
type state struct {
	dir       string
	temporary bool
	ring      *keys.File
	store     *boltstore.Store
}

func openState(ctx context.Context, dir string, log *slog.Logger) (_ *state, err error) {
	s := &state{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if dir == "" {
		s.temporary = true
		if s.dir, err = os.MkdirTemp("", "wafer-demo-"); err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	// The store comes first: its lock keeps two demos off one folder.
	if s.store, err = boltstore.Open(filepath.Join(s.dir, "list.db")); err != nil {
		if errors.Is(err, boltstore.ErrInUse) {
			return nil, fmt.Errorf("demo: another demo is running on %s: %w", s.dir, err)
		}
		return nil, fmt.Errorf("demo: %w", err)
	}
	// The key lies beside what it encrypts, which is good enough for a demo only.
	kek := filepath.Join(s.dir, "ring.kek")
	s.ring, err = keys.OpenFile(ctx, filepath.Join(s.dir, "ring.jwe"), keys.KEKFile(kek), keys.FileConfig{Create: true, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return s, nil
}

func (s *state) close() error {
	var errs []error
	if s.ring != nil {
		errs = append(errs, s.ring.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.temporary && s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
