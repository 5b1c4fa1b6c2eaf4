package gorilla

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/wafer-sessions/wafer/internal/lograte"
)

// A fault is why an old cookie does not open.
type fault uint8

const (
	malformed fault = iota // no cookie of securecookie
	limits                 // older than MaxAge or longer than MaxLength of the codec
	keys                   // made with other keys, or under another name
	encoding               // the keys fit, but it cannot be decoded: another block key or serializer, or a type that gob does not know
	faults
)

func (f fault) String() string { return [...]string{"malformed", "limits", "keys", "encoding"}[f] }

type counters struct {
	anonymous, declined, ended atomic.Uint64

	invalid [faults]atomic.Uint64
	warned  lograte.Limiter // by fault
}

// note counts an old cookie that does not open, and warns once a minute: with the wrong keys in
// Codecs every user is logged out, one by one.
func (n *counters) note(ctx context.Context, log *slog.Logger, cookie string, f fault) {
	so := n.invalid[f].Add(1)
	if n.warned.Allow(f.String()) {
		log.LogAttrs(ctx, slog.LevelWarn, "gorilla: old cookies do not open, so their users are not moved",
			slog.String("cookie", cookie), slog.String("reason", f.String()), slog.Uint64("so_far", so))
	}
}
