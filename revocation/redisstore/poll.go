package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// heartbeatDue is how old the last heartbeat is when the next one is due, as read.lua
// has it.
const heartbeatDue = 500 * time.Millisecond

// pollFields are what told in common.lua makes a head of, and when the last heartbeat was.
var pollFields = []string{"v", "g", "k", "b", "n", "ms", "c", "f", "l", "r", "kn", "t"}

// A serverClock estimates the clock of the server, so that a poll need not ask for it.
type serverClock struct {
	last atomic.Pointer[serverTime]
}

type serverTime struct {
	ms   int64
	seen time.Time
}

// set notes what the clock said when something was sent at that time or later.
func (c *serverClock) set(ms int64, sent time.Time) { c.last.Store(&serverTime{ms, sent}) }

// since returns how long ago the server's clock showed ms, or a little more; it is
// false if that is not known, or if the clock was set meanwhile. The clock of this
// machine may have stood still, or its monotonic one, so the later of both counts.
func (c *serverClock) since(ms int64, now time.Time) (time.Duration, bool) {
	last := c.last.Load()
	if last == nil {
		return 0, false
	}
	passed := max(now.Sub(last.seen), now.Round(0).Sub(last.seen.Round(0)))
	age := time.Duration(last.ms-ms)*time.Millisecond + passed
	return age, age >= 0
}

// poll is a Read without a script: plain commands cost the server half as much. It
// is enough as long as nothing has to be written and nothing is out of the ordinary:
// the caller's last entry is there, all after it fits into the page, and the last
// heartbeat is young. Otherwise, ok is false and a script has to look.
func (s *Store) poll(ctx context.Context, c revlog.Cursor, limit int) (p revlog.Page, ok bool, _ error) {
	if c.Globals || c.From.N == 0 || c.List == (revlog.ListID{}) || s.clock.last.Load() == nil {
		return p, false, nil
	}
	pipe := s.client.Pipeline()
	fields := pipe.HMGet(ctx, s.keys[0], pollFields...)
	primary := pipe.Persist(ctx, s.keys[0])                                          // refused by a server that was demoted
	log := pipe.Do(ctx, "xrange", s.keys[1], c.From.String(), "+", "count", limit+1) // XRangeN makes a map of each entry
	oldest := pipe.XRangeN(ctx, s.keys[1], "-", "+", 1)
	pipe.Exec(ctx) // each command has its own error
	if err := errors.Join(fields.Err(), primary.Err(), log.Err(), oldest.Err()); err != nil {
		var ofServer redis.Error
		if errors.As(err, &ofServer) {
			return p, false, nil
		}
		return p, false, s.mapped(fields.Err())
	}
	d := decoder{}
	head := d.list(fields.Val(), len(pollFields))
	p.Head = d.head(head)
	beat := d.int(head[11])
	for _, item := range d.list(log.Val(), 0) {
		if e := d.entry(item); e.Position.N <= p.Head.N {
			p.Entries = append(p.Entries, e)
		}
	}
	n := len(p.Entries)
	if d.err != nil || n == 0 || n > limit || p.Entries[0].Position != c.From || p.Entries[n-1].Position.N != p.Head.N {
		return p, false, nil
	}
	p.Oldest = d.position(oldest.Val()[0].ID)
	var known bool
	p.Heartbeat, known = s.clock.since(beat, time.Now())
	ok = d.err == nil && known && p.Heartbeat < heartbeatDue && p.Head.Layout == revlog.Layout && p.Head.ID == c.List && p.Head.MS >= c.Floor
	fillUntil(p.Entries, p.Head)
	return p, ok, nil
}
