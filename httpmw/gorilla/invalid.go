package gorilla

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
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
	warned  [faults]atomic.Int64 // Unix second of the last warning
}

// note counts an old cookie that does not open, and warns once a minute: with the wrong keys in Codecs every user is
// logged out, one by one.
func (n *counters) note(ctx context.Context, log *slog.Logger, cookie string, f fault) {
	so := n.invalid[f].Add(1)
	now, last := time.Now().Unix(), n.warned[f].Load()
	if now-last >= 60 && n.warned[f].CompareAndSwap(last, now) {
		log.LogAttrs(ctx, slog.LevelWarn, "gorilla: old cookies do not open, so their users are not moved",
			slog.String("cookie", cookie), slog.String("reason", f.String()), slog.Uint64("so_far", so))
	}
}
