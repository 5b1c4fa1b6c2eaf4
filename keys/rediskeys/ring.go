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

	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/internal/nextcheck"
	"github.com/wafer-sessions/wafer/keys"
)

// Config configures a [Ring]. The zero value is good for production.
type Config struct {
	// Prefix names the application. The ring is kept under {<prefix>}:ring, beside the revocation
	// list of the same prefix. Zero: "wafer".
	Prefix string
	// Create creates the ring if there is none. If several processes do so at once, one creates the
	// ring and all use it. Open waits before it returns a ring that was just created: twice Poll,
	// but no more than 2 s beyond Poll, and 10 s in all. If Redis had lost an older ring, processes
	// that have it write it back meanwhile, and Open returns that one. Zero: a missing ring is
	// [ErrMissing].
	Create bool
	// MaxSession is the longest session that a created ring allows; see keys.Generate. A ring that
	// exists keeps its own until keys.Ring.Extend. Zero: 24 h.
	MaxSession time.Duration
	// AllowVolatile accepts a server that could lose the ring: one that may evict any key, or has
	// neither an append-only file nor a replica that it waits for. If the ring is lost while no
	// replica of the application runs, every session ends. Zero: such a server is refused.
	AllowVolatile bool
	// Poll is how often Redis is asked whether the ring changed. It should be the same in all
	// processes. Zero: 5 s.
	Poll time.Duration
	// RotateEvery is how old the newest key is when the ring is rotated by itself, and expired keys
	// are pruned: keys.Daily, or at least an hour and eight times Poll. Of all processes with
	// RotateEvery, one makes the new key. The clock of the Redis server counts. Zero: the ring is
	// not rotated by itself.
	RotateEvery time.Duration
	// Logger receives a line when a ring is created, when it changes, and once when it can no
	// longer be read. Zero: slog.Default.
	Logger *slog.Logger
	// Audit receives a record of each change that this process makes (package audit). Zero: the
	// handler of Logger.
	Audit slog.Handler

	counting counting // of seals
}

const (
	defaultPoll = 5 * time.Second
	refreshGap  = time.Second // between reads that Refresh asks for
	// at most, beyond Poll, before a ring that was just created is used
	sureAfter   = 2 * time.Second
	lookFor     = 5 * time.Second
	conflicts   = 20 // how often an edit is retried
	maxDocument = 1 << 20
)

// ErrMissing means that there is no ring in Redis, and Config.Create is not set.
var ErrMissing = fmt.Errorf("rediskeys: there is no ring in Redis: %w", fs.ErrNotExist)

var errConflict = errors.New("rediskeys: other processes kept changing the ring; try again")

// A Ring is a key ring in Redis. It is safe for concurrent use.
type Ring struct {
	client   redis.UniversalClient
	addr     string
	key      string
	replaced string // the key with the list keys of rings that were replaced
	kek      keys.KEK
	conf     Config

	meter     *keys.Meter
	counts    *meter.Meter // what meter is made of
	seals     string       // the key with the number of seals
	uses      string       // the key with the times of use
	toldCount string       // the kind of failure to count last logged; "": none; owned by count
	counted   chan struct{}
	rotated   chan struct{}

	ring   atomic.Pointer[keys.Ring]
	looked atomic.Int64 // unix ns, when the last read began
	poke   chan struct{}
	next   nextcheck.Next // the next read of the background

	mu     sync.Mutex // held while reading or editing; owns the fields below
	doc    document   // what Redis held last
	last   []byte     // the document that our ring was last read from or written to; nil: none
	unsent unsent
	tested bool   // whether the KEK opens what it seals
	told   string // the kind of failure last logged; "": none

	stop context.CancelFunc
	done chan struct{}
	once sync.Once
}

var _ keys.Editor = (*Ring)(nil)

// Ring implements keys.Source.
func (r *Ring) Ring() *keys.Ring { return r.ring.Load() }

// Close stops following Redis, tells it a last time how keys were used, in a second at most, and
// closes the connections. The ring stays readable.
func (r *Ring) Close() error {
	r.once.Do(r.stop)
	<-r.done
	<-r.counted
	<-r.rotated
	return r.client.Close()
}

// Edit implements keys.Editor. A write counts as durable when the primary has it.
func (r *Ring) Edit(ctx context.Context, edit func(*keys.Ring) (*keys.Ring, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	kek := r.kek.Once()
	for range conflicts {
		if err := r.load(ctx, kek); err != nil && !errors.Is(err, ErrMissing) {
			return err // only a missing ring may be written over
		}
		base, doc := r.ring.Load(), r.doc.bytes
		next, err := edit(base)
		switch {
		case err != nil:
			return err
		case next == nil:
			return errors.New("rediskeys: Edit: edit returned a nil ring")
		case next == base:
			return nil
		}
		if next, err = next.Merge(base.Prune(time.Now())); err != nil {
			return err
		}
		done, err := r.put(ctx, kek, doc, next, nil)
		if done && err == nil {
			keys.Audit(ctx, r.conf.Audit, base, next)
		}
		if done || err != nil {
			return err
		}
	}
	return errConflict
}

// load reads the ring and merges it into ours. The caller holds mu, or has sole use of the Ring.
func (r *Ring) load(ctx context.Context, k keys.KEK) error {
	b, err := r.get(ctx)
	if errors.Is(err, ErrMissing) {
		r.doc = document{}
	}
	if err != nil {
		return err
	}
	theirs, err := r.opened(ctx, k, b)
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
	r.keep(b)
	if next != r.ring.Load() {
		r.ring.Store(next)
	}
	return nil
}

// get returns the document in Redis. It reads no more than a ring may have, whatever is there.
func (r *Ring) get(ctx context.Context) ([]byte, error) {
	b, err := r.client.GetRange(ctx, r.key, 0, maxDocument).Bytes()
	switch {
	case err == nil && len(b) == 0:
		return nil, ErrMissing
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return nil, fmt.Errorf("%w (%s)", r.failed(err), r.key)
	case err != nil:
		return nil, r.failed(err)
	case len(b) > maxDocument:
		return nil, fmt.Errorf("%w: more than %d bytes (%s at %s)", keys.ErrDocument, maxDocument, r.key, r.addr)
	}
	return b, nil
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
