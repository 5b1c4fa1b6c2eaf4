// Package redislog sends the log of the Redis client to slog.
//
// The client has one logger for the whole process. It prints to standard error, several lines a
// second while a server does not answer. A program that imports this package gets those lines in
// [slog.Default] instead, at WARN, each kind of line at most once a minute. A program that calls
// redis.SetLogger keeps its own logger, since that call comes after this import.
package redislog

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/lograte"
)

// The logger is set when the package is imported, and not when a store is opened, so that it never
// replaces a logger that the program sets itself.
func init() { redis.SetLogger(new(logger)) }

type logger struct{ rate lograte.Limiter }

// Printf implements the client's interface. Lines with the same format are one kind: there are as
// many kinds as formats in the client's source.
func (l *logger) Printf(ctx context.Context, format string, args ...any) {
	if l.rate.Allow(format) {
		slog.WarnContext(ctx, "redis: "+fmt.Sprintf(format, args...))
	}
}
