package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/lograte"
	_ "github.com/wafer-sessions/wafer/internal/redislog" // the client's log goes to slog
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Config of a Store. The zero value is good for production.
type Config struct {
	// Prefix names the list: its keys are {<prefix>}:head and so on. Zero: "wafer".
	Prefix string
	// AllowVolatile accepts a server that forgets everything when it restarts, because it has no
	// append-only file and does not wait for a replica. Zero: Open refuses it.
	AllowVolatile bool
	// AllowSplit accepts Sentinel and Cluster without min-replicas-to-write. There, a primary that
	// is cut off from its replicas keeps taking revocations, which are lost when it comes back.
	// Zero: Open refuses it.
	AllowSplit bool
	// StartWithoutStore lets Open return at once when the server does not answer, for
	// revocation.Config.StartWithoutStore. Then the store examines the server at the first
	// contact. If Open would have refused the server, the store logs an error once a minute, and
	// no list can be joined. Zero: Open waits for the server.
	StartWithoutStore bool
	// Logger gets the messages for operators: what Open waits for, and why the store refuses a
	// server after Open returned. Zero: slog.Default().
	Logger *slog.Logger
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.Default()
	}
	return c.Logger
}

// A Store is a [revlog.Store] in Redis. It is safe for concurrent use, and may serve several lists
// of the process.
type Store struct {
	client  redis.UniversalClient
	scripts scripts
	keys    []string // keys of every script: head, log, globals
	prefix  string   // of all other keys
	where   string

	clock   *serverClock
	perItem *atomic.Int64 // entries in an item of the log, on average, when it was read last

	log  *slog.Logger
	rate *lograte.Limiter
	// admitted is set once the server has passed examine.
	admitted *atomic.Bool
	examine  func(context.Context) error
}

// Format implements [fmt.Formatter]: every verb prints the name of the type. The client holds a
// password.
func (s Store) Format(f fmt.State, _ rune) { io.WriteString(f, "redisstore.Store") }

var _ revlog.Store = (*Store)(nil)

// ErrUnsafe: with the settings of the server it would forget revocations, or with the options of
// the client it would not see them. The message names the setting.
var ErrUnsafe = errors.New("redisstore: refused")

const retryEvery = 200 * time.Millisecond

// Open connects to Redis and examines the server. It refuses an unsafe server with [ErrUnsafe].
// While the server does not answer, Open tries again, and logs what it waits for. ctx bounds this
// wait, and nothing after it. With [Config.StartWithoutStore] Open does not wait. If o sets no
// timeouts and retries, the store uses half a second and one retry.
//
// The Redis client has one logger for the whole process. Importing this package makes that logger
// write to slog.Default() instead of standard error, each kind of message once a minute. A program
// that calls redis.SetLogger itself keeps its own logger.
//
// Close the lists that use the store before the store.
func Open(ctx context.Context, o *redis.UniversalOptions, c Config) (*Store, error) {
	if err := checkOptions(o, c); err != nil {
		return nil, err
	}
	s := newStore(o, c)
	began := time.Now()
	var cause error
	for {
		err := s.admit(ctx)
		switch {
		case err == nil:
			if cause != nil {
				s.log.Info("redisstore: the server answers", "store", s.where, "waited", time.Since(began).Round(time.Millisecond))
			}
			return s, nil
		case errors.Is(err, ErrUnsafe), permanent(err):
			s.Close()
			return nil, err
		case ctx.Err() == nil || cause == nil:
			cause = err // not an error that the end of ctx caused: it explains nothing
		}
		if s.rate.Allow("waiting") {
			s.log.Warn("redisstore: waiting for the server", "store", s.where, "waited", time.Since(began).Round(time.Millisecond), "error", cause)
		}
		if c.StartWithoutStore {
			return s, nil
		}
		select {
		case <-ctx.Done():
			s.Close()
			if inner := errors.Unwrap(cause); inner != nil {
				cause = inner // the message would name this package twice
			}
			return nil, fmt.Errorf("redisstore: open: %s did not answer for %v: %w (%w)", s.where, time.Since(began).Round(100*time.Millisecond), cause, ctx.Err())
		case <-time.After(retryEvery):
		}
	}
}

const examineFor = 2 * time.Second // how long an examination may take if Open does not wait

// admit examines the server unless it has passed before.
func (s *Store) admit(ctx context.Context) error {
	if s.admitted.Load() {
		return nil
	}
	if err := s.examine(ctx); err != nil {
		return err
	}
	s.admitted.Store(true)
	return nil
}

// admitLate is admit at the first contact after Open. It does not use the deadline of ctx, which is
// for one round trip and not for an examination.
func (s *Store) admitLate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineFor)
	defer cancel()
	err := s.admit(ctx)
	if (errors.Is(err, ErrUnsafe) || permanent(err)) && s.rate.Allow("refused") {
		s.log.Error("redisstore: refused the server, so no list can be joined", "store", s.where, "error", err)
	}
	return err
}

func newStore(o *redis.UniversalOptions, c Config) *Store {
	base := "{" + c.prefix() + "}:"
	s := &Store{
		client:  redis.NewUniversalClient(ourOptions(o)),
		scripts: newScripts(),
		keys:    []string{base + "head", base + "log", base + "globals"},
		prefix:  base,
		where:   where(o),
		clock:   new(serverClock),
		perItem: new(atomic.Int64),
		log:     c.logger(),
		rate:    new(lograte.Limiter), admitted: new(atomic.Bool),
	}
	s.examine = func(ctx context.Context) error {
		// It uses a client of its own: one that has failed to connect for a while tries only once
		// a second, and would find the server late.
		first := newStore(o, c)
		defer first.Close()
		if c.StartWithoutStore {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, examineFor)
			defer cancel()
		}
		findings, err := first.inspect(ctx, o, c)
		if err != nil {
			return err
		}
		return refused(findings)
	}
	return s
}

// where names the servers of o, without secrets.
func where(o *redis.UniversalOptions) string {
	at := "Redis at " + strings.Join(o.Addrs, ", ")
	if len(o.Addrs) == 0 {
		at += "127.0.0.1:6379"
	}
	if o.MasterName != "" {
		at = strings.Replace(at, "Redis at", "Redis "+strconv.Quote(o.MasterName)+" of the Sentinels at", 1)
	}
	return at
}

// Where names the server in logs and errors, such as "Redis at 10.0.0.1:6379".
func (s *Store) Where() string { return s.where }

func (c Config) prefix() string {
	if c.Prefix == "" {
		return "wafer"
	}
	return c.Prefix
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }
