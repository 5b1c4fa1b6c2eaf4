package httpmw

import (
	"time"

	"github.com/wafer-sessions/wafer/token"
)

// bounded reports whether one of our replicas could have sealed t. A leaked key can seal any times,
// and each write would carry them over to the next key. So nothing lives longer than the ring and
// the list allow, even if it was sealed with a good key.
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

// boundedIdle reports whether a session may be idle for s seconds, here or at a replica with a
// longer limit. The list is asked about such replicas only if the limit here does not allow it.
func (c *core) boundedIdle(s int64) bool {
	return s <= seconds(c.replica.MaxIdle()) || s <= seconds(c.replica.LongestIdle())
}
