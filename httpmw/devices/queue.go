package devices

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are counters since the Registry was made.
type Stats struct {
	Written   uint64 // rows written
	Failed    uint64 // calls of the store that failed
	Dropped   uint64 // writes that were given up because too many were waiting
	Evicted   uint64 // sessions that logins ended because they were too many
	SignedOut uint64 // sessions that SignOut ended
	Refused   uint64 // logins that failed because the limit could not be kept
}

type counters struct{ written, failed, dropped, evicted, signedOut, refused atomic.Uint64 }

// Stats returns the present counters.
func (r *Registry) Stats() Stats {
	n := &r.count
	return Stats{
		Written: n.written.Load(), Failed: n.failed.Load(), Dropped: n.dropped.Load(),
		Evicted: n.evicted.Load(), SignedOut: n.signedOut.Load(), Refused: n.refused.Load(),
	}
}

const maxWaiting = 4096 // calls of the store

// A queue holds calls of the store that nobody waits for. One goroutine makes them one after the
// other, and ends when there are none.
type queue struct {
	mu      sync.Mutex // owns both below
	waiting []func(context.Context) error
	running bool
}

// later makes a call of the store when those before it are done.
func (r *Registry) later(call func(context.Context) error) {
	q := &r.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaiting {
		r.count.dropped.Add(1)
		if times, ok := r.rate.Count("full"); ok {
			r.c.Logger.Warn("devices: the store is too slow, so the list of devices is behind", "times", times)
		}
		return
	}
	q.waiting = append(q.waiting, call)
	if !q.running {
		q.running = true
		go r.work()
	}
}

func (r *Registry) work() {
	for {
		call, ok := r.queue.next()
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), r.c.Timeout)
		if err := call(ctx); err != nil {
			r.failed("write behind a request", err)
		}
		cancel()
	}
}

func (q *queue) next() (call func(context.Context) error, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting, q.running = nil, false
		return nil, false
	}
	call, q.waiting[0] = q.waiting[0], nil
	q.waiting = q.waiting[1:]
	return call, true
}

const maxKnown = 1 << 15 // sessions

// known holds what was done a moment ago and need not be done again.
type known struct {
	mu    sync.Mutex           // owns until
	until map[string]time.Time // by session id
}

// add reports whether id is to be done now, and remembers that it was for a while.
func (k *known) add(id string, pause time.Duration) bool {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Before(k.until[id]) {
		return false
	}
	if k.until == nil || len(k.until) >= maxKnown {
		k.until = map[string]time.Time{} // what is forgotten is done once too often
	}
	k.until[id] = now.Add(pause)
	return true
}

func (k *known) remove(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.until, id)
}
