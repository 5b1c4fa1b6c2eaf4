// Package nextcheck lets callers wait for a check that a goroutine makes from time to time.
package nextcheck

import (
	"context"
	"sync"
)

// A Next is the next check of a series. The zero value is ready. It is safe for concurrent use.
type Next struct {
	mu     sync.Mutex // owns the fields below
	wanted *check     // nil: nobody waits for it
	closed error      // why there is no next check; nil: there is one
}

type check struct {
	done chan struct{}
	err  error // once done is closed
}

// Wait calls ask, and returns the error of a check that begins after Wait was called, or why there is
// none, or the error of ctx.
func (n *Next) Wait(ctx context.Context, ask func()) error {
	n.mu.Lock()
	if n.closed != nil {
		defer n.mu.Unlock()
		return n.closed
	}
	if n.wanted == nil {
		n.wanted = &check{done: make(chan struct{})}
	}
	c := n.wanted
	n.mu.Unlock()
	ask()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Begin says that a check begins. The function that it returns says how the check ended.
func (n *Next) Begin() (end func(error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.wanted
	n.wanted = nil
	return func(err error) {
		if c != nil {
			c.err = err
			close(c.done)
		}
	}
}

// Close says that no check follows, and why. Call it once, and Begin no more.
func (n *Next) Close(why error) {
	n.mu.Lock()
	n.closed = why
	n.mu.Unlock()
	n.Begin()(why)
}
