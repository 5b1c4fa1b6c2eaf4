// Package redislog sends what the Redis client logs to slog.
//
// The client has one logger for the whole process, which prints to standard
// error, several lines a second while a server does not answer. A program that
// imports this package has those lines in [slog.Default] instead, at WARN, each
// kind of line at most once a minute. A program that calls redis.SetLogger has
// its own logger: that call comes later than this import, and wins.
package redislog

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/lograte"
)

// When the package is imported, and not when a store is opened, so that the logger
// that a program sets itself is never replaced by this one.
func init() { redis.SetLogger(new(logger)) }

type logger struct{ rate lograte.Limiter }

// Printf implements the client's interface. The format tells kinds of lines apart:
// there are as many as the client's source has.
func (l *logger) Printf(ctx context.Context, format string, args ...any) {
	if l.rate.Allow(format) {
		slog.WarnContext(ctx, "redis: "+fmt.Sprintf(format, args...))
	}
}
