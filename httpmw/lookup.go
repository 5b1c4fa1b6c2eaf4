package httpmw

import (
	"context"
	"sync/atomic"
	"time"
)

// lookup runs at most one search for an unknown key at a time. The source limits how often a search
// does anything.
type lookup struct{ running atomic.Bool }

const lookupTimeout = 10 * time.Second

func (c *core) lookForKey() {
	if !c.look.running.CompareAndSwap(false, true) {
		return
	}
	c.count.lookups.Add(1)
	go func() {
		defer c.look.running.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		if err := c.keys.Refresh(ctx); err != nil {
			c.cfg.Logger.Debug("cannot look for an unknown key", "app", c.cfg.App, "error", err.Error())
		}
	}()
}
