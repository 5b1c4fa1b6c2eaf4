package replica

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/lograte"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

const (
	readEvery = 200 * time.Millisecond // R9
	pageLimit = 10_000                 // entries of one read
	askers    = 64                     // confirms in flight, and logins beside them (R18)
	cacheSize = 1 << 17                // sessions found not revoked (R18)
)

// A Replica follows one list and decides by it. It is safe for concurrent use.
type Replica struct {
	config Config
	log    *slog.Logger
	store  revlog.Store // nil: Disabled
	tags   *tagger

	// view is replaced by the reader alone. A decision loads it once.
	view atomic.Pointer[view]
	// reading is held by the reader: by run, and by Open before that starts.
	reading sync.Mutex
	turns   turns
	filler  *filler  // owned by reading
	joining *joining // owned by reading
	lacking *repair  // what the store lacks; owned by reading
	doubted doubt    // of a list that is not followed yet; owned by reading
	// left is the last list that was found lost, and leftAt the highest log time heard of
	// in it. Owned by reading.
	left   revlog.ListID
	leftAt int64

	outbox outbox
	// silent: the store did not answer the last question, and the reader has not heard from
	// it since. Until it has, no decision waits for the store.
	silent atomic.Bool
	clock  logClock

	canaries    canaries
	identity    identity // what it calls itself among the readers of the store
	keyUses     keyUses  // what it tells them of its keys
	census      census   // and of who is signed in
	told        told     // of its state, to the log
	deniedWatch deniedWatch
	usage       atomic.Pointer[revlog.Usage] // of the store; nil: not known
	measured    time.Time                    // when the store was last asked about that; owned by reading
	rate        lograte.Limiter
	audit       auditor

	kids     kidTags
	flights  singleflight.Group
	asking   *semaphore.Weighted             // confirms
	logins   *semaphore.Weighted             // apart from those, so that neither keeps the other out
	slowing  *semaphore.Weighted             // one revocation at a time that ends sessions slowly (R37)
	cleared  *lru.Cache[clearKey, clearedTo] // found not revoked, and up to where
	answered answered                        // found revoked
	randomN  func(n int) int                 // 0 to n-1, so that replicas do not all do the same at once
	stop     context.CancelFunc
	stopped  chan struct{}
	closed   atomic.Bool

	departure *departure

	// Every decision writes the counters, on any core. What decisions read is on other
	// cache lines.
	_        [64]byte
	counters counters
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (l *Replica) Format(f fmt.State, _ rune) { io.WriteString(f, "replica.Replica") }

// Open is revocation.Open.
func Open(ctx context.Context, s revlog.Store, k Secrets, c Config) (*Replica, error) {
	l, err := newList(s, k, c)
	if err != nil {
		return nil, err
	}
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	l.turns.wanted = make(chan struct{}, 1)
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.run(running)
	return l, nil
}

func newList(s revlog.Store, k Secrets, c Config) (*Replica, error) {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"MaxIdle", c.MaxIdle}, {"Within", c.Within}, {"Grace", c.Grace}} {
		if d.value < 0 {
			return nil, fmt.Errorf("revocation: Config.%s is negative", d.name)
		}
	}
	tags, err := newTagger(k)
	if err != nil {
		return nil, err
	}
	cleared, err := lru.New[clearKey, clearedTo](cacheSize)
	if err != nil {
		return nil, err
	}
	return &Replica{
		config: c, log: c.logger(), store: s, tags: tags, audit: auditor{handler: audit.Handler(c.Audit, c.Logger)},
		asking: semaphore.NewWeighted(askers), logins: semaphore.NewWeighted(askers), slowing: semaphore.NewWeighted(1), cleared: cleared,
		randomN: mrand.IntN, stopped: make(chan struct{}), departure: newDeparture(), clock: logClock{begun: time.Now()},
	}, nil
}

// Disabled returns a list that revokes nothing and refuses no session. An application that
// uses it states in its code that logging out only clears the cookie. Revoke returns
// [ErrDisabled].
func Disabled(k Secrets) *Replica {
	l, err := newList(nil, k, Config{})
	if err != nil {
		panic(err) // a 16-byte AES key is always good
	}
	return l
}

// run reads until ctx ends. It is the only goroutine of a Replica.
func (l *Replica) run(ctx context.Context) {
	defer close(l.stopped)
	begun := time.Now()
	for {
		idle := time.Now()
		jitter := time.Duration(l.randomN(int(readEvery / 5))) // R9: ± 10 %
		var soon <-chan time.Time
		select {
		case <-ctx.Done():
			return
		case <-time.After(readEvery*9/10 + jitter):
		case <-l.turns.wanted:
			soon = time.After(time.Until(begun.Add(readEvery / 2))) // however many want it
		}
		if soon != nil {
			select {
			case <-ctx.Done():
				return
			case <-soon:
			}
		}
		begun = time.Now()
		l.notePause(since(idle, begun) - readEvery*11/10)
		if l.view.Load() == nil {
			l.startLate(ctx)
		} else {
			l.step(ctx, begun)
		}
	}
}

// Ready is revocation.List.Ready.
func (l *Replica) Ready() bool {
	return !l.closed.Load() && !l.departure.announced.Load() && (l.store == nil || l.view.Load() != nil)
}

// MaxIdle returns the longest idle limit the list remembers for.
func (l *Replica) MaxIdle() time.Duration { return l.config.maxIdle() }

// LongestIdle returns the longest idle limit that a session of the list can have. That is
// MaxIdle, unless another replica has or had a longer one. Then it is the retention that
// the list has because of that.
func (l *Replica) LongestIdle() time.Duration {
	if v := l.view.Load(); v != nil && v.head.Retain() > l.config.retain() {
		return v.head.Retain()
	}
	return l.MaxIdle()
}

// Within returns how soon after its acknowledgement every replica that reaches the store
// refuses what a revocation ends.
func (l *Replica) Within() time.Duration { return l.config.within() }

// Grace returns how long a replica that does not reach the store goes on accepting the
// sessions that it can decide.
func (l *Replica) Grace() time.Duration { return l.config.grace() }

// RemembersAt returns how long the list keeps a revocation made at log time ms, or 0 before
// the list is ready.
func (l *Replica) RemembersAt(ms int64) time.Duration {
	if v := l.view.Load(); v != nil {
		return v.retainAt(ms)
	}
	return 0
}

// Enabled reports whether l has a store, and so was not made by [Disabled].
func (l *Replica) Enabled() bool { return l.store != nil }

// SameSecrets reports whether l was opened with the list key of k.
func (l *Replica) SameSecrets(k Secrets) bool {
	t, err := newTagger(k)
	return err == nil && t.check == l.tags.check
}

// Tag returns what stands for a subject, group or key in tokens and in the list.
func (l *Replica) Tag(s revlog.Scope, id string) revlog.Tag { return l.tags.of(s, id) }

// SessionTag returns what stands for a session in the list.
func (l *Replica) SessionTag(id [16]byte) revlog.Tag { return l.tags.session(id) }
