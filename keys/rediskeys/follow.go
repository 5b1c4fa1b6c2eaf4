package rediskeys

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/wafer-sessions/wafer/internal/lograte"
	"github.com/wafer-sessions/wafer/keys"
)

// Refresh implements keys.Source.
func (r *Ring) Refresh(ctx context.Context) error {
	select {
	case <-r.done:
		return keys.ErrClosed
	default:
	}
	last, now := r.looked.Load(), time.Now().UnixNano()
	if now-last < int64(refreshGap) || !r.looked.CompareAndSwap(last, now) {
		return r.next.Wait(ctx, func() {
			select {
			case r.poke <- struct{}{}:
			default: // already asked
			}
		})
	}
	return r.look(ctx)
}

// follow reads the ring from time to time, and when Refresh asks.
func (r *Ring) follow(ctx context.Context) {
	defer close(r.done)
	defer r.next.Close(keys.ErrClosed)
	poll := time.NewTicker(r.conf.Poll)
	defer poll.Stop()
	// after a failed read: what Redis lost should be back soon
	again := min(r.conf.Poll, refreshGap)
	var due <-chan time.Time // nil: no read is due
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.poke:
			if due == nil {
				due = time.After(refreshGap)
			}
			continue
		case <-due:
		case <-poll.C:
		}
		due = nil
		r.looked.Store(time.Now().UnixNano())
		bounded, cancel := context.WithTimeout(ctx, lookFor)
		end := r.next.Begin()
		err := r.look(bounded) // which logs its error
		if err != nil {
			due = time.After(again)
		}
		cancel()
		end(err)
	}
}

// look reads the ring, and writes it back if Redis lost it or a part of it. It logs each change,
// and each kind of failure once.
func (r *Ring) look(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.ring.Load()
	err := r.load(ctx, r.kek)
	if err == nil || errors.Is(err, ErrMissing) || errors.Is(err, keys.ErrForeign) {
		err = r.restore(ctx, err)
	}
	log := r.conf.Logger.With("key", r.key)
	kind := lograte.Kind(err)
	switch {
	case errors.Is(err, context.Canceled):
		return err // not a failure of Redis
	case err != nil && r.told != kind:
		r.told = kind
		text := "rediskeys: cannot read the ring; keeping the one in memory"
		if errors.Is(err, keys.ErrKEK) {
			text += "; if the ring has a new KEK, restart this process with it"
		}
		log.Warn(text, "address", r.addr, "error", err)
	case err == nil && r.told != "":
		r.told = ""
		log.Info("rediskeys: the ring can be read again")
	}
	if after := r.ring.Load(); after != before {
		log.Info("rediskeys: the ring changed", slog.Int("keys", len(after.Keys())))
	}
	return err
}

// restore writes our ring back if load found no ring, a younger ring that is not a copy of ours, or
// a copy that lacks something. Of two rings that are not copies of one, the older wins: the younger
// was created by a process that found no ring, as after FLUSHALL.
func (r *Ring) restore(ctx context.Context, found error) error {
	ours := r.ring.Load()
	var loser *keys.Ring
	switch theirs := r.doc.ring; {
	case found == nil:
		if whole, err := theirs.Merge(ours.Prune(time.Now())); err != nil || whole == theirs {
			return err
		}
	case errors.Is(found, keys.ErrForeign):
		if !ours.IssuedAt().Before(theirs.IssuedAt()) {
			return found // ours is younger: this process must be restarted
		}
		loser = theirs
	}
	done, err := r.put(ctx, r.kek, r.doc.bytes, ours, loser)
	if err == nil && done {
		r.conf.Logger.Warn("rediskeys: Redis had lost the ring or a part of it; wrote it back", "key", r.key)
	}
	return err // nil and not done: another process was first
}

const patience = 500 * time.Millisecond

// ourOptions fills in what o leaves open. With the client's defaults, one command to a server that
// hangs could take half a minute.
func ourOptions(o *redis.UniversalOptions) *redis.UniversalOptions {
	n := *o
	for _, d := range []*time.Duration{&n.DialTimeout, &n.ReadTimeout, &n.WriteTimeout, &n.PoolTimeout} {
		if *d == 0 {
			*d = patience
		}
	}
	if n.MaxRetries == 0 {
		n.MaxRetries = 1
	}
	if n.DialerRetries == 0 {
		n.DialerRetries = 1
	}
	if n.Protocol == 0 {
		n.Protocol = 2
	}
	if n.MaintNotificationsConfig == nil {
		n.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	n.ReadOnly, n.RouteByLatency, n.RouteRandomly = false, false, false // replicas may be behind
	n.ContextTimeoutEnabled, n.DisableIdentity = true, true
	return &n
}
