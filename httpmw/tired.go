package httpmw

import (
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// tiredFor is how long a ring that rotates by itself has to do so before the log asks an operator. It
// looks about once a minute.
const tiredFor = 5 * time.Minute

// tired remembers which key is tired: it has sealed half as often as it may.
type tired struct {
	mu    sync.Mutex // owns all below; taken only while a key is tired
	kid   string
	since time.Time
	said  bool
}

// lastsWithoutEnd reports whether no newer key is due to take over from key.
func (c *core) lastsWithoutEnd(key keys.Key) bool {
	own, ok := c.keys.Ring().Key(key.ID())
	return ok && own.Expires().IsZero()
}

// warnTired says in one line that the key that seals is tired and that no other is due to take over.
func (c *core) warnTired(key keys.Key, now time.Time) {
	if !c.sealer.Meter().Tired(key.ID()) {
		return
	}
	t := &c.tired
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.kid != key.ID():
		t.kid, t.since, t.said = key.ID(), now, false
	case !t.said && now.Sub(t.since) >= tiredFor && c.lastsWithoutEnd(key):
		t.said = true
		c.cfg.Logger.Warn("the sealing key has sealed half as often as it may: rotate the ring (wafer keys rotate)",
			"app", c.cfg.App, "kid", key.ID(), "left", c.sealer.Meter().Left(key.ID()))
	}
}
