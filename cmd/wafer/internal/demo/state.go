package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/redisdevices"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// state is what all replicas share and what outlives the process: the ring, encrypted, and the store
// of the list.
type state struct {
	dir       string // "": both are in a Redis
	temporary bool
	ring      ring
	store     *outage
	devices   devices.Store
	client    redis.UniversalClient // of devices and roles, nil if they are in memory
	roles     roles
	trail     *audit.Trail // what all replicas did, since they are one process
}

type ring interface {
	keys.Editor
	Close() error
}

type store interface {
	revlog.Store
	revlog.Registrar
	revlog.Sketcher
	revlog.Measurer
	Close() error
}

func openState(ctx context.Context, c Config) (*state, error) {
	s := &state{trail: audit.NewTrail(c.Logger.Handler())}
	if c.Redis != "" {
		return openShared(ctx, s, c)
	}
	return openFolder(ctx, s, c.Dir, c.Logger)
}

// openShared shares ring and list with every demo at the same Redis. Unlike an application it accepts
// a Redis that forgets everything when it restarts, because most Redis servers on a laptop do. The log
// says so.
func openShared(ctx context.Context, s *state, c Config) (_ *state, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	o, err := redisstore.ParseURL(c.Redis)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	config := redisstore.Config{AllowVolatile: true, AllowSplit: true, Logger: c.Logger}
	list, err := redisstore.Open(ctx, o, config)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	s.store = &outage{store: list}
	findings, err := redisstore.Examine(ctx, o, config)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	for _, f := range findings {
		if f.Level != redisstore.Good {
			c.Logger.Warn("demo: this Redis is good enough for a demo only: "+f.Message, slog.String("fix", f.Fix))
		}
	}
	shared, err := rediskeys.Open(ctx, o, c.KEK, rediskeys.Config{Create: true, AllowVolatile: true, Poll: time.Second, Logger: c.Logger, Audit: s.trail})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	s.ring = shared
	s.client = redis.NewUniversalClient(o)
	s.roles.client = s.client
	s.devices = redisdevices.New(s.client, redisdevices.Config{})
	return s, nil
}

const redisTime = 10 * time.Second // for a Redis to answer

func openFolder(ctx context.Context, s *state, dir string, log *slog.Logger) (_ *state, err error) {
	s.dir, s.devices = dir, devices.NewMemory()
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
	// The store comes first: its lock keeps a second demo out of the folder.
	list, err := boltstore.Open(filepath.Join(s.dir, "list.db"))
	if err != nil {
		if errors.Is(err, boltstore.ErrInUse) {
			return nil, fmt.Errorf("demo: another demo is running on %s: %w", s.dir, err)
		}
		return nil, fmt.Errorf("demo: %w", err)
	}
	s.store = &outage{store: list}
	// The key is kept beside the ring that it encrypts, which is good enough for a demo only.
	path, kek := filepath.Join(s.dir, "ring.jwe"), keys.KEKFile(filepath.Join(s.dir, "ring.kek"))
	if s.temporary { // OpenFile would warn of a new ring, as if there had been another
		if err := keys.CreateFile(ctx, path, kek, keys.Generate(0)); err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	file, err := keys.OpenFile(ctx, path, kek, keys.FileConfig{Create: !s.temporary, Logger: log, Audit: s.trail})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	s.ring = file
	return s, nil
}

// report is what each replica adds to its description in the store.
func (s *state) report() map[string]string { return map[string]string{"program": "wafer demo"} }

func (s *state) close() error {
	var errs []error
	if s.ring != nil {
		errs = append(errs, s.ring.Close())
	}
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.temporary && s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
