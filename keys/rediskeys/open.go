package rediskeys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/internal/rediscluster"
	"github.com/wafer-sessions/wafer/keys"
)

const (
	retryEvery = 200 * time.Millisecond
	sayEvery   = time.Minute      // between log lines that Open is still waiting
	kekAgain   = 15 * time.Second // before a KEK that did not open a document is asked for again
)

// ErrUnsafe means that the server could lose the ring. The message names the setting.
var ErrUnsafe = errors.New("rediskeys: refused")

// Open opens the ring in Redis under a key encryption key and follows its changes until
// [Ring.Close]. If the server could lose the ring, the error is [ErrUnsafe]. While Redis does not
// answer, Open retries and logs so, at once and then every minute. ctx bounds opening only.
func Open(ctx context.Context, o *redis.UniversalOptions, k keys.KEK, c Config) (*Ring, error) {
	r, err := connect(o, k, c)
	if err != nil {
		return nil, err
	}
	once := k.Once()
	if err = r.first(ctx, once); err == nil && c.Create {
		err = r.beSure(ctx, once)
	}
	if err == nil {
		err = r.firstCount(ctx)
	}
	if err != nil {
		r.client.Close()
		return nil, err
	}
	ctx, r.stop = context.WithCancel(context.Background())
	go r.follow(ctx)
	go r.count(ctx)
	go r.rotate(ctx)
	return r, nil
}

// connect checks a Config, fills in what it leaves open, and makes a client. It sends nothing.
func connect(o *redis.UniversalOptions, k keys.KEK, c Config) (*Ring, error) {
	if o == nil {
		return nil, errors.New("rediskeys: nil redis.UniversalOptions")
	}
	if c.Poll < 0 || c.MaxSession < 0 {
		return nil, errors.New("rediskeys: Config.Poll or Config.MaxSession is negative")
	}
	if c.MaxSession > keys.LongestSession {
		return nil, errors.New("rediskeys: Config.MaxSession is more than 3650 days")
	}
	if c.Prefix == "" {
		c.Prefix = "wafer"
	}
	if strings.ContainsAny(c.Prefix, "{}") {
		return nil, errors.New("rediskeys: Config.Prefix contains a brace")
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.counting.every == 0 {
		c.counting.every = countEvery
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Audit = audit.Handler(c.Audit, c.Logger)
	if rotator := (keys.Rotator{Every: c.RotateEvery, Poll: c.Poll}); c.RotateEvery != 0 {
		if err := rotator.Check(); err != nil {
			return nil, err
		}
	}
	counts := meter.NewFleet(c.counting.limits)
	return &Ring{
		client: redis.NewUniversalClient(ourOptions(o)), addr: address(o), kek: k, conf: c,
		key: "{" + c.Prefix + "}:ring", replaced: "{" + c.Prefix + "}:replaced",
		poke: make(chan struct{}, 1), done: make(chan struct{}), counted: make(chan struct{}), rotated: make(chan struct{}),
		meter: keys.MeterOf(counts), counts: counts, seals: "{" + c.Prefix + "}:seals", uses: "{" + c.Prefix + "}:uses",
	}, nil
}

// address returns the server's address for people to read. It contains no password.
func address(o *redis.UniversalOptions) string {
	addr := strings.Join(o.Addrs, ", ")
	if addr == "" {
		addr = "127.0.0.1:6379" // the default of go-redis
	}
	if o.MasterName != "" {
		addr = o.MasterName + " of the sentinels at " + addr
	}
	return addr
}

// first reads the ring, or creates it.
func (r *Ring) first(ctx context.Context, k keys.KEK) error {
	return r.retry(ctx, func() error { return r.tryOpen(ctx, k) })
}

// retry tries again and again while Redis does not answer.
func (r *Ring) retry(ctx context.Context, try func() error) error {
	var said time.Time
	var last error // the last error that did not come from ctx
	for {
		err := try()
		lost := r.conf.Create && errors.Is(err, ErrMissing) // since it was created
		if err == nil || permanent(err) && !lost {
			return err
		}
		if ctx.Err() == nil {
			last = err
			if time.Since(said) >= sayEvery {
				said = time.Now()
				r.conf.Logger.Warn("rediskeys: waiting for Redis", "address", r.addr, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			if last == nil {
				return fmt.Errorf("rediskeys: Redis at %s does not answer: %w", r.addr, ctx.Err())
			}
			return fmt.Errorf("%w; no longer trying: %w", last, ctx.Err())
		case <-time.After(retryEvery):
		}
	}
}

func (r *Ring) tryOpen(ctx context.Context, k keys.KEK) error {
	if err := r.safe(ctx); err != nil {
		return err
	}
	err := r.load(ctx, k)
	switch {
	case errors.Is(err, ErrMissing) && r.conf.Create:
		if err = r.create(ctx, k); err == nil {
			err = r.load(ctx, k) // the process that was first created it
		}
	// the one read before was replaced, and nothing has used it
	case errors.Is(err, keys.ErrForeign):
		r.ring.Store(nil)
		err = r.load(ctx, k)
	}
	return err
}

// beSure reads a ring that was just created again, until it has stood long enough for every process
// that has an older ring to write that back.
func (r *Ring) beSure(ctx context.Context, k keys.KEK) error {
	wait := min(r.conf.Poll, 4*sureAfter) + min(r.conf.Poll, sureAfter)
	for sure := ""; ; {
		ring := r.ring.Load()
		age := time.Since(ring.IssuedAt()).Abs() // by two clocks
		if ring.ID() == sure || age > wait+time.Second {
			return nil
		}
		sure = ring.ID()
		r.conf.Logger.Info("rediskeys: the ring is new; waiting in case another process has a ring that Redis lost", "for", wait, "key", r.key)
		select {
		case <-ctx.Done():
			return fmt.Errorf("rediskeys: the ring in Redis at %s is new, and an older one may still replace it: %w", r.addr, ctx.Err())
		case <-time.After(wait):
		}
		if err := r.first(ctx, k); err != nil {
			return err
		}
	}
}

// permanent reports whether retrying is useless.
func permanent(err error) bool {
	for _, known := range []error{ErrUnsafe, ErrMissing, keys.ErrKEK, keys.ErrDocument, fs.ErrExist} {
		if errors.Is(err, known) {
			return true
		}
	}
	var refused redis.Error
	if !errors.As(err, &refused) {
		return false
	}
	for _, passing := range []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "NOREPLICAS", "MISCONF", "BUSY"} {
		if strings.HasPrefix(refused.Error(), passing) {
			return false
		}
	}
	return true
}

// create creates the ring, unless another process does.
func (r *Ring) create(ctx context.Context, k keys.KEK) error {
	made := keys.Generate(r.conf.MaxSession)
	if !r.tested {
		if _, err := r.kek.Seal(ctx, made); err != nil { // a KEK that opens nothing makes no ring
			return err
		}
		r.tested = true
	}
	done, err := r.put(ctx, k, nil, made, nil)
	if err == nil && done {
		r.conf.Logger.Warn("rediskeys: created a ring, because Redis had none; sessions of an earlier ring no longer open",
			"ring", made.ID(), "key", r.key, "address", r.addr)
		keys.Audit(ctx, r.conf.Audit, nil, made)
	}
	return err
}

// safe refuses a server that could lose the ring.
func (r *Ring) safe(ctx context.Context) error {
	if r.conf.AllowVolatile {
		return nil
	}
	node, err := r.primary(ctx)
	if err != nil {
		return r.failed(err)
	}
	text := ""
	for _, section := range []string{"persistence", "replication", "memory"} {
		part, err := node.Info(ctx, section).Result()
		if redis.HasErrorPrefix(err, "NOPERM") {
			return fmt.Errorf("%w: the user at %s may not call INFO; allow it: ACL SETUSER … +info", ErrUnsafe, r.addr)
		} else if err != nil {
			return r.failed(err)
		}
		text += part
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	_, waits := info["min_slaves_good_slaves"] // present if min-replicas-to-write is set
	switch copies := waits && info["connected_slaves"] != "0"; {
	case strings.HasPrefix(info["maxmemory_policy"], "allkeys"):
		return fmt.Errorf("%w: %s may evict the ring, since its maxmemory-policy is %s; set noeviction, or set AllowVolatile to accept that",
			ErrUnsafe, r.addr, info["maxmemory_policy"])
	case info["aof_enabled"] != "1" && !copies:
		return fmt.Errorf("%w: %s loses the ring when it restarts; set appendonly yes, or add a replica and set min-replicas-to-write 1, or set AllowVolatile to accept that",
			ErrUnsafe, r.addr)
	}
	return nil
}

func (r *Ring) primary(ctx context.Context) (*redis.Client, error) {
	switch c := r.client.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, r.key)
	}
	return nil, fmt.Errorf("a client of type %T", r.client)
}

// failed adds the server's address to err.
func (r *Ring) failed(err error) error {
	rediscluster.Look(r.client, err)
	return fmt.Errorf("rediskeys: Redis at %s: %w", r.addr, err)
}

// A document is the bytes that Redis held last, and the result of opening them.
type document struct {
	bytes []byte // nil: Redis held none
	ring  *keys.Ring
	err   error     // why there is no ring
	tried time.Time // when it was tried
	ours  bool      // whether its keys are in our ring
}

// opened opens a document, unless it is the one that was opened last: the KEK is asked for only if
// the bytes changed. The KEK may be a service with a price and a quota, and anyone can make a
// replica read every second by sending unknown kids. A KEK that did not open a document is asked
// for again 15 s later, because it may have been corrected. The caller holds mu.
func (r *Ring) opened(ctx context.Context, k keys.KEK, b []byte) (*keys.Ring, error) {
	if d := &r.doc; d.bytes != nil && bytes.Equal(b, d.bytes) {
		if d.err == nil || !errors.Is(d.err, keys.ErrKEK) || time.Since(d.tried) < kekAgain {
			return d.ring, d.err
		}
	}
	ring, err := k.Open(ctx, b)
	if err != nil {
		err = fmt.Errorf("%w (%s at %s)", err, r.key, r.addr)
	}
	if err != nil && ctx.Err() != nil {
		return nil, err // which says nothing about the document
	}
	r.doc = document{bytes: b, ring: ring, err: err, tried: time.Now()}
	return ring, err
}
