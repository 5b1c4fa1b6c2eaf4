package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// turns lets decisions wait for the reader. A turn is one read cycle.
type turns struct {
	wanted chan struct{} // tells the reader that somebody waits; nil: there is no reader
	// failing: the last turn did not bring the view up to date, or took longer than its
	// callers waited.
	failing atomic.Bool

	mu   sync.Mutex // owns done
	done chan struct{}
}

// end marks the end of a turn.
func (t *turns) end(failing bool) {
	t.failing.Store(failing)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done != nil {
		close(t.done)
		t.done = nil
	}
}

// next returns a channel that is closed at the end of the next turn, and makes that turn
// come soon.
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
	default: // the reader has been told already
	}
}

// await waits until ok returns true, for at most so many turns and at most readEvery. It
// reports whether ok did.
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

// overslept reports whether the view is old although the last read went well: this process
// was not running. A caller that finds this waits for one read before it asks the store.
// That read decides most of what waits.
func (l *Replica) overslept(now time.Time) bool {
	return !l.turns.failing.Load() && !l.fresh(now)
}
