package rediskeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/keys"
)

// Config is how a [Ring] behaves. The zero value is good for production.
type Config struct {
	// Prefix names the application: the ring is kept under {<prefix>}:ring, beside
	// the revocation list of the same prefix. Zero: "wafer".
	Prefix string
	// Create makes the ring if there is none. Of several processes that do so at
	// once one makes the ring and all end with it. Open waits before it returns a ring
	// that was just made: Poll and as long again, but no more than 2 s beyond Poll, and
	// 10 s in all. If Redis had lost an older ring, the processes that hold it write it
	// back meanwhile, and Open returns that one. Zero: [ErrMissing].
	Create bool
	// MaxSession is what a created ring is for, see keys.Generate; a ring that
	// exists keeps its own until keys.Ring.Extend. Zero: 24 h.
	MaxSession time.Duration
	// AllowVolatile accepts a server that forgets the ring: one that evicts any key,
	// or has neither an append-only file nor a replica that it waits for. If no
	// replica of the application runs then, every session ends. Zero: refused.
	AllowVolatile bool
	// Poll is how often Redis is asked whether the ring changed. All processes should
	// have the same. Zero: 5 s.
	Poll time.Duration
	// Logger is told when a ring is made, when it changes, and once when it cannot
	// be read any more. Zero: slog.Default.
	Logger *slog.Logger
}

const (
	defaultPoll = 5 * time.Second
	refreshGap  = time.Second     // between looks that Refresh asks for
	sureAfter   = 2 * time.Second // at most, beyond Poll: a ring that was just made is used then
	lookFor     = 5 * time.Second
	conflicts   = 20 // times an edit is tried again
	maxDocument = 1 << 20
)

// ErrMissing: there is no ring in Redis, and Config.Create is not set.
var ErrMissing = fmt.Errorf("rediskeys: there is no ring in Redis: %w", fs.ErrNotExist)

var errConflict = errors.New("rediskeys: others changed the ring again and again")

// A Ring is a key ring in Redis. It is safe for concurrent use.
type Ring struct {
	client   redis.UniversalClient
	addr     string
	key      string
	replaced string // the key with the list keys of rings that lost their place
	kek      keys.KEK
	conf     Config

	ring   atomic.Pointer[keys.Ring]
	looked atomic.Int64 // unix ns, when the last look began
	poke   chan struct{}

	mu   sync.Mutex // one look or edit at a time; owns what follows
	doc  document   // what Redis held last
	told string     // what the log was last told is wrong; "": that all is well

	stop context.CancelFunc
	done chan struct{}
	once sync.Once
}

var _ keys.Editor = (*Ring)(nil)

// Ring implements keys.Source.
func (r *Ring) Ring() *keys.Ring { return r.ring.Load() }

// Close stops following Redis and closes the connections. The ring as it was
// stays readable.
func (r *Ring) Close() error {
	r.once.Do(r.stop)
	<-r.done
	return r.client.Close()
}

// Edit implements keys.Editor. A write counts as durable when the primary has it.
func (r *Ring) Edit(ctx context.Context, edit func(*keys.Ring) (*keys.Ring, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range conflicts {
		if err := r.load(ctx); err != nil && !errors.Is(err, ErrMissing) {
			return err // only a ring that is gone may be written over
		}
		base, doc := r.ring.Load(), r.doc.bytes
		next, err := edit(base)
		switch {
		case err != nil:
			return err
		case next == nil:
			return errors.New("rediskeys: an edit returned no ring")
		case next == base:
			return nil
		}
		if next, err = next.Merge(base.Prune(time.Now())); err != nil {
			return err
		}
		if done, err := r.put(ctx, doc, next, nil); done || err != nil {
			return err
		}
	}
	return errConflict
}

// load reads the ring and merges what it holds into ours. The caller holds mu, or
// has the Ring to itself.
func (r *Ring) load(ctx context.Context) error {
	b, err := r.client.Get(ctx, r.key).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		r.doc = document{}
		return ErrMissing
	case err != nil:
		return r.failed(err)
	case len(b) > maxDocument:
		return fmt.Errorf("%w: %d bytes", keys.ErrDocument, len(b))
	}
	theirs, err := r.opened(ctx, b)
	if err != nil || r.doc.ours {
		return err
	}
	next := theirs
	if ours := r.ring.Load(); ours != nil {
		if next, err = ours.Prune(time.Now()).Merge(theirs); err != nil {
			return err
		}
	}
	r.doc.ours = true
	if next != r.ring.Load() {
		r.ring.Store(next)
	}
	return nil
}

// String returns the name of the key. No other form of printing shows more.
func (r *Ring) String() string {
	if r == nil {
		return "rediskeys.Ring(nil)"
	}
	return "rediskeys.Ring(" + r.key + ")"
}

// Format implements fmt.Formatter: every verb prints what String returns.
func (r *Ring) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }

// LogValue implements slog.LogValuer.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON returns what String returns, as a JSON string.
func (r *Ring) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }
