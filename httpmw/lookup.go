package httpmw

import (
	"context"
	"sync/atomic"
	"time"
)

// lookup bounds the looks for an unknown key to one at a time. The source bounds how often they do anything.
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
			c.cfg.Logger.Debug("looking for an unknown key failed", "app", c.cfg.App, "error", err.Error())
		}
	}()
}
