// Package capacity estimates what an application with Wafer needs: memory of its replicas, memory and
// processor time of Redis, how often keys seal, and bytes of cookies. docs/operations.md has the
// formulas. The tests compare them with a real Redis, a real list and real cookies.
package capacity

import "time"

// A Load is what an application has to carry.
type Load struct {
	Sessions    int           // alive at the same time
	Idle        time.Duration // the longest idle limit, revocation.Config.MaxIdle
	Revocations float64       // a second, logouts among them
	People      float64       // of these, those of a subject or a group
	Replicas    int           // processes of the application
	Data        int           // bytes of the application's data in a session, as JSON
	Subject     int           // bytes of the id of a user
}

// Of the protocol, with the defaults of revocation.Config.
const (
	grace     = 30 * time.Minute
	within    = 2 * time.Second
	readEvery = 200 * time.Millisecond
	heartbeat = 500 * time.Millisecond
	register  = 5 * time.Second
	longest   = 24 * time.Hour // that the log in Redis reaches back
	late      = time.Hour      // that the exact set keeps an entry for longer
)

// Retention is how long the list remembers a revocation.
func (l Load) Retention() time.Duration { return l.Idle + grace + within }

// An Estimate is what a Load needs.
type Estimate struct {
	Replica Replica `json:"replica"`
	Redis   Redis   `json:"redis"`
	Keys    Keys    `json:"keys"`
	Cookies Cookies `json:"cookies"`
}

// Of returns what l needs.
func Of(l Load) Estimate {
	return Estimate{replicaOf(l), redisOf(l), keysOf(l), cookiesOf(l)}
}

// Keys is how often all replicas together seal.
type Keys struct {
	SealsPerSecond float64 `json:"seals_per_second"`
	// HalfSpent is after how long a key has sealed half as often as it may, in days.
	HalfSpent float64 `json:"half_spent_days"`
}

// keysOf takes every session for one that is used all the time.
func keysOf(l Load) Keys {
	each := min(max(l.Idle/10, time.Minute), 5*time.Minute, l.Idle/2)
	k := Keys{SealsPerSecond: float64(l.Sessions) / each.Seconds()}
	if k.SealsPerSecond > 0 {
		k.HalfSpent = (1 << 31) / k.SealsPerSecond / (24 * time.Hour).Seconds()
	}
	return k
}

// Cookies are the bytes of name and value that a browser sends.
type Cookies struct {
	Session int `json:"session_bytes"`
	Renewal int `json:"renewal_bytes"` // at most
	Line    int `json:"line_bytes"`    // both in the header line Cookie
}

// With the name "__Host-Http-session" and no groups. A part of a token is in base64url: 4 characters
// for 3 bytes.
const (
	emptySession = 457
	renewal      = 316
)

func cookiesOf(l Load) Cookies {
	c := Cookies{Session: emptySession + (4*(l.Data+l.Subject)+2)/3, Renewal: renewal}
	c.Line = len("Cookie: ") + c.Session + len("; ") + c.Renewal
	return c
}
