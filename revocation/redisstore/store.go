package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/revocation"
)

// Config of a Store. The zero value is good for production.
type Config struct {
	// Prefix names the list: its keys are {<prefix>}:head and so on. Zero: "wafer".
	Prefix string
	// AllowVolatile accepts a server that forgets everything when it restarts: one
	// without an append-only file and without a replica it waits for. Zero: refused.
	AllowVolatile bool
	// AllowSplit accepts Sentinel and Cluster without min-replicas-to-write, where
	// a primary cut off from its replicas goes on taking revocations that are lost
	// when it comes back. Zero: refused.
	AllowSplit bool
}

// A Store is a [revocation.Store] in Redis. It is safe for concurrent use, and
// may serve several lists of the process.
type Store struct {
	client  redis.UniversalClient
	scripts scripts
	keys    []string // of every script: head, log, marks
	prefix  string   // of all other keys
}

// Format implements [fmt.Formatter]: every verb prints the name of the type. The client holds a password.
func (s Store) Format(f fmt.State, _ rune) { io.WriteString(f, "redisstore.Store") }

var _ revocation.Store = (*Store)(nil)

// ErrUnsafe: the server is set up such that it would forget revocations, or the
// client such that it would not see them. The message names the setting.
var ErrUnsafe = errors.New("redisstore: refused")

const retryEvery = 200 * time.Millisecond

// Open connects to Redis and examines the server; what it finds unfit is
// [ErrUnsafe]. While the server does not answer it tries again; ctx bounds that,
// and nothing later. Where o leaves a timeout open, the store uses its own: half
// a second, and one retry.
//
// Close the lists that use the store before the store.
func Open(ctx context.Context, o *redis.UniversalOptions, c Config) (*Store, error) {
	if err := checkOptions(o, c); err != nil {
		return nil, err
	}
	s := newStore(o, c)
	for {
		findings, err := s.examine(ctx, o, c)
		if err == nil {
			if err = refused(findings); err != nil {
				s.Close()
				return nil, err
			}
			return s, nil
		}
		if permanent(err) {
			s.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			s.Close()
			return nil, fmt.Errorf("redisstore: open: %w (%w)", ctx.Err(), err)
		case <-time.After(retryEvery):
		}
	}
}

func newStore(o *redis.UniversalOptions, c Config) *Store {
	base := "{" + c.prefix() + "}:"
	return &Store{
		client:  redis.NewUniversalClient(ourOptions(o)),
		scripts: newScripts(),
		keys:    []string{base + "head", base + "log", base + "marks"},
		prefix:  base,
	}
}

func (c Config) prefix() string {
	if c.Prefix == "" {
		return "wafer"
	}
	return c.Prefix
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }
