package keys

import (
	"context"
	"log/slog"

	"github.com/wafer-sessions/wafer/audit"
)

// Audit writes the record of a change of a ring from before to after to h (package audit). It writes
// none if no key changed, or if the caller of Edit writes it, see [audit.Recorded]. An [Editor] calls it
// when the change is kept. before is nil for a new ring.
func Audit(ctx context.Context, h slog.Handler, before, after *Ring) {
	if audit.IsRecorded(ctx) {
		return
	}
	c := audit.Change{ID: after.id}
	if before == nil {
		c.What, before = "new", &Ring{maxSession: after.maxSession}
	}
	for _, k := range after.keys {
		old, had := before.Key(k.id)
		if !had {
			c.Added = append(c.Added, k.id)
		}
		if _, was := old.Revoked(); !was {
			if _, is := k.Revoked(); is {
				c.Revoked = append(c.Revoked, k.id)
			}
		}
	}
	for _, k := range before.keys {
		if _, has := after.Key(k.id); !has {
			c.Removed = append(c.Removed, k.id)
		}
	}
	if after.MaxSession() != before.MaxSession() {
		c.MaxSession = int64(after.MaxSession().Seconds())
	}
	if !c.Empty() {
		audit.Record{Action: audit.Keys, Ring: c}.Write(ctx, h)
	}
}
