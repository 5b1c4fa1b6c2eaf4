package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// heartbeatDue is the age of the last heartbeat at which read.lua makes the next one.
const heartbeatDue = 500 * time.Millisecond

// pollFields are the fields of the head that told in common.lua returns, and the time of the last
// heartbeat, and the roll.
var pollFields = []string{"v", "g", "k", "b", "n", "ms", "c", "f", "l", "r", "kn", "t", "rc"}

// A serverClock estimates the clock of the server, so a poll need not ask for it.
type serverClock struct {
	last atomic.Pointer[serverTime] // from the last answer
	best atomic.Pointer[serverTime] // from the one that tells the time most exactly
}

type serverTime struct {
	ms   int64
	seen time.Time     // when the question was sent
	took time.Duration // until the answer came
}

// set notes that the clock of the server showed ms at sent or later, and before now.
func (c *serverClock) set(ms int64, sent, now time.Time) {
	t := &serverTime{ms, sent, now.Sub(sent)}
	c.last.Store(t)
	if b := c.best.Load(); b == nil || b.worse(t, now) {
		c.best.Store(t)
	}
}

// worse reports whether t, which came at now, tells the time more exactly than b. Clocks drift by up
// to one in 5,000, and b is of no use if one of the two was set since.
func (b *serverTime) worse(t *serverTime, now time.Time) bool {
	drift := b.passed(now) / 5000
	off := b.at(now) - t.ms
	return t.took <= b.took+drift || off < -1-drift.Milliseconds() || off > (t.took+b.took+drift).Milliseconds()+2
}

// now is set for an answer that has just come. It returns what the clock of the server shows.
func (c *serverClock) now(ms int64, sent time.Time) int64 {
	now := time.Now()
	c.set(ms, sent, now)
	return c.best.Load().at(now)
}

// since returns how long ago the clock of the server showed ms, or a little more. It returns false
// if it does not know, or if that clock was set back in between.
func (c *serverClock) since(ms int64, now time.Time) (time.Duration, bool) {
	last := c.last.Load()
	if last == nil {
		return 0, false
	}
	age := time.Duration(last.ms-ms)*time.Millisecond + last.passed(now)
	return age, age >= 0
}

// passed returns the time since t. The wall clock or the monotonic clock of this machine may have
// stood still, so the later of the two counts.
func (t *serverTime) passed(now time.Time) time.Duration {
	return max(now.Sub(t.seen), now.Round(0).Sub(t.seen.Round(0)))
}

// at returns what the clock of the server shows at now, or a little more.
func (t *serverTime) at(now time.Time) int64 { return t.ms + t.passed(now).Milliseconds() }

// poll is a Read without a script, because plain commands cost the server half as much. It is
// enough as long as nothing has to be written: the last entry of the caller is there, or there is
// none and the log has none for it; everything after it fits into the page; and no heartbeat is due.
// Otherwise ok is false, and a script has to read.
func (s *Store) poll(ctx context.Context, c revlog.Cursor, limit int) (p revlog.Page, ok bool, _ error) {
	if c.Globals || c.From.N == 0 || c.List == (revlog.ListID{}) || s.clock.last.Load() == nil {
		return p, false, nil
	}
	pipe := s.client.Pipeline()
	fields := pipe.HMGet(ctx, s.keys[0], pollFields...)
	primary := pipe.Persist(ctx, s.keys[0]) // a demoted server refuses this
	count := s.itemsFor(limit)
	log := pipe.Do(ctx, "xrange", s.keys[1], c.From.String(), "+", "count", count) // XRangeN would make a map of each item
	oldest := pipe.Do(ctx, "xrange", s.keys[1], "-", "+", "count", 1)
	exists := redis.NewIntResult(0, nil)
	if c.From.N == 1 { // a log without any entry looks like one that is gone
		exists = pipe.Exists(ctx, s.keys[1])
	}
	pipe.Exec(ctx) // each command has its own error
	if err := errors.Join(fields.Err(), primary.Err(), log.Err(), oldest.Err(), exists.Err()); err != nil {
		var ofServer redis.Error
		if errors.As(err, &ofServer) {
			return p, false, nil
		}
		return p, false, s.mapped(fields.Err())
	}
	d := decoder{}
	head := d.list(fields.Val(), len(pollFields))
	p.Head = d.head(head)
	heartbeat := d.int(head[11])
	s.take(&d, &p, log.Val(), c.From, limit, count)
	if items := d.list(oldest.Val(), 0); len(items) > 0 {
		p.Oldest = d.oldest(items[0])
	}
	if n := len(p.Entries); d.err != nil || p.More ||
		n > 0 && (p.Entries[0].Position != c.From || p.Entries[n-1].Position.N != p.Head.N) ||
		n == 0 && (p.Head.N != c.From.N-1 || p.Oldest.N == 0 && exists.Val() == 0) {
		return p, false, nil
	}
	if head[12] != nil {
		p.Roll = d.int(head[12])
	}
	var known bool
	now := time.Now()
	p.Heartbeat, known = s.clock.since(heartbeat, now)
	p.Clock = s.clock.best.Load().at(now)
	ok = d.err == nil && known && p.Heartbeat < heartbeatDue && p.Head.Layout == revlog.Layout && p.Head.ID == c.List && p.Head.MS >= c.Floor
	fillUntil(p.Entries, p.Head)
	return p, ok, nil
}
