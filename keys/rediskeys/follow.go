package rediskeys

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

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
		select {
		case r.poke <- struct{}{}:
		default: // asked already
		}
		return nil
	}
	return r.look(ctx)
}

// follow looks from time to time, and when Refresh asked.
func (r *Ring) follow(ctx context.Context) {
	defer close(r.done)
	poll := time.NewTicker(r.conf.Poll)
	defer poll.Stop()
	again := min(r.conf.Poll, refreshGap) // after a look that failed: what Redis lost is to be back soon
	var due <-chan time.Time              // nil: no look is due
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
		if err := r.look(bounded); err != nil { // the log is told
			due = time.After(again)
		}
		cancel()
	}
}

// look reads the ring, and writes it back where Redis has lost it or a part of
// it. The log is told of a change, and of each kind of failure once.
func (r *Ring) look(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.ring.Load()
	err := r.load(ctx)
	if err == nil || errors.Is(err, ErrMissing) || errors.Is(err, keys.ErrForeign) {
		err = r.restore(ctx, err)
	}
	log := r.conf.Logger.With("key", r.key)
	switch {
	case errors.Is(err, context.Canceled):
		return err // nobody's failure
	case err != nil && r.told != err.Error():
		r.told = err.Error()
		text := "rediskeys: the ring cannot be read; the one in memory stays"
		if errors.Is(err, keys.ErrKEK) {
			text += "; if the ring has another KEK now, start this process again with that"
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

// restore writes our ring to where load found none, a younger stranger, or a copy
// that lacks what ours has. Of two rings that are no copies of one the older
// wins: the younger was made by a process that found nothing, as after FLUSHALL.
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
			return found // ours is the younger: this process has to be started again
		}
		loser = theirs
	}
	done, err := r.put(ctx, r.doc.bytes, ours, loser)
	if err == nil && done {
		r.conf.Logger.Warn("rediskeys: Redis had lost the ring, or a part of it, and has it again", "key", r.key)
	}
	return err // not done: somebody else was first
}

const patience = 500 * time.Millisecond

// ourOptions fills in what o leaves open: the defaults of the client would let one
// command of a server that hangs take half a minute.
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
