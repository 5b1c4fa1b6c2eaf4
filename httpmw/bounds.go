package httpmw

import (
	"time"

	"github.com/wafer-sessions/wafer/token"
)

// bounded reports whether a replica of ours could have sealed t. A key that leaked can seal any times, and each write would
// carry them over to the next key. So nothing lives longer than the ring and the list allow, whoever sealed it.
func (c *core) bounded(t *token.Session, now time.Time) bool {
	latest := now.Unix() + seconds(token.ClockSlack)
	return t.IssuedAt <= latest && t.AuthTime <= latest && c.boundedIdle(t.Expires-latest) &&
		t.End-latest <= seconds(c.keys.Ring().MaxSession())
}

// boundedRenewal is bounded for a renewal.
func (c *core) boundedRenewal(t *token.Renewal, now time.Time) bool {
	latest := now.Unix() + seconds(token.ClockSlack)
	return t.IssuedAt <= latest && c.boundedIdle(t.Expires-latest)
}

// boundedIdle reports whether a session may be idle for so many seconds: here, or at a replica with a longer limit, about
// which the list is asked only then.
func (c *core) boundedIdle(s int64) bool {
	return s <= seconds(c.replica.MaxIdle()) || s <= seconds(c.replica.LongestIdle())
}
