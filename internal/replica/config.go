package replica

import (
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Config is revocation.Config, which documents its fields.
type Config struct {
	MaxIdle           time.Duration
	Within            time.Duration
	Grace             time.Duration
	Ack               revlog.Ack
	StartWithoutStore bool
	NoCanary          bool
	Observer          bool
	Report            func() map[string]string
	Logger            *slog.Logger
	Audit             slog.Handler
}

func (c Config) maxIdle() time.Duration { return orDefault(c.MaxIdle, 2*time.Hour) }
func (c Config) within() time.Duration  { return orDefault(c.Within, 2*time.Second) }
func (c Config) grace() time.Duration   { return orDefault(c.Grace, 30*time.Minute) }

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.Default()
	}
	return c.Logger
}

// retain is how long an entry must be kept: no replica accepts a session that was last
// checked before the entry for longer than this after it (R4, R24).
func (c Config) retain() time.Duration { return c.maxIdle() + c.grace() + c.within() }

// renewal is the longest time between two renewals of an active session, for every process:
// none has an idle limit longer than the retention.
func renewal(retain time.Duration) time.Duration {
	return min(max(retain/10, time.Minute), 5*time.Minute, retain/2)
}

func orDefault(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return d
}
