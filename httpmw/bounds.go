package httpmw

import (
	"time"

	"github.com/wafer-sessions/wafer/token"
)

// bounded reports whether a replica of ours could have sealed t. A key that leaked can seal any times, and each write would
// carry them over to the next key. So nothing lives longer than the ring and the list allow, whoever sealed it.
func (c *core) bounded(t *token.Session, now time.Time) bool {
	latest := now.Add(token.ClockSlack)
	return t.IssuedAt <= latest.Unix() && t.AuthTime <= latest.Unix() &&
		t.Expires <= latest.Add(c.list.LongestIdle()).Unix() &&
		t.End <= latest.Add(c.keys.Ring().MaxSession()).Unix()
}

// boundedSeen is bounded for a renewal.
func (c *core) boundedSeen(t *token.Seen, now time.Time) bool {
	latest := now.Add(token.ClockSlack)
	return t.IssuedAt <= latest.Unix() && t.Expires <= latest.Add(c.list.LongestIdle()).Unix()
}
