package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// turns lets those who decide wait for the reader.
type turns struct {
	wanted chan struct{} // tells the reader that somebody waits; nil: there is no reader
	// failing: the last turn did not bring the view up to date, or came too late for
	// those who waited for it.
	failing atomic.Bool

	mu   sync.Mutex // owns done
	done chan struct{}
}

// end ends a turn of the reader.
func (t *turns) end(failing bool) {
	t.failing.Store(failing)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done != nil {
		close(t.done)
		t.done = nil
	}
}

// next returns what is closed at the end of the next turn, and makes that come soon.
func (t *turns) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done == nil {
		t.done = make(chan struct{})
	}
	t.hurry()
	return t.done
}

// hurry makes the next turn come soon.
func (t *turns) hurry() {
	select {
	case t.wanted <- struct{}{}:
	default: // the reader knows
	}
}

// await waits until ok, for so many turns of the reader and no longer than it has
// between two of them. It reports whether ok.
func (l *Replica) await(ctx context.Context, turns int, ok func() bool) bool {
	if l.turns.wanted == nil {
		return false
	}
	patience := time.NewTimer(readEvery)
	defer patience.Stop()
	for range turns {
		done := l.turns.next()
		if ok() {
			return true
		}
		select {
		case <-done:
		case <-ctx.Done():
			return false
		case <-patience.C:
			l.turns.failing.Store(true)
			return false
		}
	}
	return ok()
}

// overslept reports whether the view is old although nothing is wrong with the
// store: this process was not running. A caller that wakes up with it waits for one read,
// which decides them all, before the store is asked about them one by one.
func (l *Replica) overslept(now time.Time) bool {
	return !l.turns.failing.Load() && !l.fresh(now)
}
