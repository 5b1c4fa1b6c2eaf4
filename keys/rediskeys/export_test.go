package rediskeys

import (
	"time"

	"github.com/wafer-sessions/wafer/internal/meter"
)

// Counting lowers the limits of keys, and tells uses that often.
func (c Config) Counting(l meter.Limits, every time.Duration) Config {
	c.counting = counting{l, every}
	return c
}
