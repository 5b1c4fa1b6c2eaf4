package httpmw

import (
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// keyUses describes the keys of the ring that are not expired, for the list to tell with its place
// among the readers of the store. The seals are those of this Manager.
func (c *core) keyUses(now time.Time) (out []revlog.KeyUse) {
	ring, meter := c.keys.Ring(), c.sealer.Meter()
	for _, k := range ring.Keys() {
		state := ring.State(k, now)
		if state == keys.Expired {
			continue
		}
		u := meter.Use(k.ID())
		out = append(out, revlog.KeyUse{
			ID: k.ID(), Revoked: state == keys.Revoked,
			Seals: c.sealer.Seals(k.ID()), Sealed: u.Sealed, Opened: u.Opened,
		})
	}
	return out
}
