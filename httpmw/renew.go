package httpmw

import (
	"errors"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

const (
	minThreshold = time.Minute
	maxThreshold = 5 * time.Minute
)

// threshold returns how much of the idle limit must have passed before it is renewed: a tenth, at
// least a minute, at most five, and never more than half of it.
func threshold(idle time.Duration) time.Duration {
	return min(max(idle/10, minThreshold), maxThreshold, idle/2)
}

// renewalDue reports whether the session is due for a renewal. The deadline decides, not only the
// age of the token: a token that an out-of-touch replica sealed is new, but its checked position is
// not. A session that the list had to be asked about is renewed at once. Otherwise each replica
// would ask about it again at each request, and after a loss, replicas that cannot confirm it would
// end it (R19).
func (s *state) renewalDue(now time.Time) bool {
	if s.asked && s.verdict.Renew {
		return true
	}
	limits, _ := s.core.limits(&s.tok)
	t, idle := seconds(threshold(limits.Idle)), seconds(limits.Idle)
	return s.outdated(s.tok.Checked, s.verdict) || now.Unix()-s.tok.IssuedAt >= t ||
		s.tok.Expires < s.tok.End && s.tok.Expires-now.Unix() <= idle-t
}

// renew returns the line of a renewal cookie, "" if none can be sealed. A replica that is out of
// touch extends only the idle limit (R24). now is from before v was decided: a process that was
// paused in between, or is paused now, seals no limit that v does not allow.
func (s *state) renew(v replica.Verdict, now time.Time) string {
	limits, remember := s.core.limits(&s.tok)
	next := token.Renewal{ID: s.tok.ID, Loaded: s.tok.Loaded, Validity: s.tok.Validity}
	next.IssuedAt = max(now.Unix(), next.IssuedAt)
	next.Expires = min(now.Unix()+seconds(limits.Idle), s.tok.End)
	if v.Renew {
		next.Checked, next.Term = v.Checked, v.Term
	}
	var lifetime int64
	if remember {
		lifetime = s.tok.End - now.Unix()
	}
	r, ok := s.core.renewals.get(s.core, next, lifetime, now, func(have *token.Renewal) bool { return s.suits(have, v) })
	if ok {
		s.tok.Expires = r.Expires // Watch looks at it
	}
	return r.line
}

// outdated reports whether a checked position is much older than v allows. During an outage the
// idle limit moves and the checked position does not, so it is renewed at once afterwards.
func (s *state) outdated(chk int64, v replica.Verdict) bool {
	limits, _ := s.core.limits(&s.tok)
	return v.Renew && v.Checked-chk > 2*threshold(limits.Idle).Milliseconds()
}

// suits reports whether a renewal that another request has sealed serves this one. For a session
// that the store had to be asked about, it must be one that need not be asked about: it may have
// been sealed just before asking became necessary.
func (s *state) suits(have *token.Renewal, v replica.Verdict) bool {
	if !s.asked {
		return !s.outdated(have.Checked, v)
	}
	q := s.query
	q.Checked, q.Term = have.Checked, have.Term
	return s.core.replica.Decide(&q).Outcome == replica.Accept
}

// renewals remembers the renewals of the last seconds, so that the parallel requests of a page
// share one.
type renewals struct {
	mu     sync.Mutex // owns all below; held through sealing, so that a renewal is sealed once
	sealed recent[token.ID, renewal]
	warned minutely
}

type renewal struct {
	token.Renewal
	line string // of its cookie
}

func (r *renewals) get(c *core, next token.Renewal, lifetime int64, now time.Time, suits func(*token.Renewal) bool) (renewal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.sealed.find(next.ID); ok && have.Loaded == next.Loaded && now.Unix()-have.IssuedAt < shareFor && have.IssuedAt <= now.Unix() && suits(&have.Renewal) {
		c.count.shared.Add(1)
		return have, true
	}
	err := c.sealable(now)
	var value []byte
	if err == nil {
		value, err = c.sealer.SealRenewal(nil, &next, now)
	}
	if err != nil {
		c.count.unsealed.Add(1)
		if errors.Is(err, keys.ErrSpent) {
			c.count.spared.Add(1)
		}
		if r.warned.due(now) {
			c.cfg.Logger.Warn("sessions cannot be renewed, so they end early", "app", c.cfg.App, "error", err.Error())
		}
		return renewal{}, false
	}
	line := c.cookie.line(c.cookie.renewal, string(value), lifetime)
	sealed := renewal{next, line}
	r.sealed.keep(next.ID, sealed, now.Unix())
	return sealed, true
}
