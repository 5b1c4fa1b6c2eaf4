package httpmw

import (
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// takeMarkers removes the markers from the session cookies that came, and notes the latest.
func (s *state) takeMarkers(v *values) {
	n := 0
	for _, value := range v.all() {
		ms, ok := parseMarker(value)
		switch {
		case !ok:
			v.of[n] = value
			n++
		case ms <= s.core.replica.LogTime()+markerAhead.Milliseconds():
			s.after = max(s.after, ms)
		}
	}
	v.n = n
}

// record notes what a session means for others: Logout has to end it, and an anonymous session
// counts only if it began later.
func (s *state) record(o *opened, now time.Time) {
	s.mayEnd(o, now)
	s.latest = max(s.latest, o.tok.Epoch)
	if listed(&o.tok) {
		s.after = max(s.after, o.tok.Epoch)
	}
}

// overtaken reports whether an anonymous session began no later than a login or a logout of the
// same browser. Its cookie then counts as if it had not come.
func (s *state) overtaken(o *opened) bool { return o.tok.ID != (token.ID{}) && o.tok.Epoch <= s.after }

// beginAnonymous begins an anonymous session. It begins when the request came, not now, so that a
// login or a logout meanwhile overtakes it.
func (s *state) beginAnonymous(now time.Time) opened {
	c := s.core
	o := opened{status: alive}
	o.tok = token.Session{
		Audience: []byte(c.cfg.App), ID: newID(),
		Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + seconds(c.cfg.Idle)}, End: now.Unix() + seconds(c.cfg.Absolute),
	}
	start := c.replica.Anonymous()
	own := start.Epoch
	start.Epoch = max(own-now.Sub(s.entered).Milliseconds(), s.after+1)
	o.begin(start)
	if o.verdict = c.replica.Decide(&o.query); o.verdict.Outcome == replica.Refuse {
		// Everyone was revoked meanwhile, and this session begins after that.
		start.Epoch = max(own, s.after+1)
		o.begin(start)
		o.verdict = c.replica.Decide(&o.query)
	}
	return o
}

// signOut has the response leave a marker in place of the session cookie, later than anything that
// the browser may have.
func (s *state) signOut() {
	s.out = max(s.core.replica.LogTime()+markerSlack.Milliseconds(), s.after, s.latest)
	s.after = s.out
}

// room returns how long the lines of a session may be. The response may have to set a marker beside
// an anonymous session.
func (s *state) room(t *token.Session) int {
	if !listed(t) && (s.out != 0 || s.bulk > 0) {
		return maxLines - len(s.core.cookie.line(s.core.cookie.session, marker(1e15-1), 0))
	}
	return maxLines
}

// signedOut returns the lines of a logout.
func (s *state) signedOut() []string {
	s.core.count.expired.Add(1)
	k := &s.core.cookie
	lines := []string{k.line(k.session, marker(s.out), 0), k.expired(k.renewal)}
	lines = append(lines, s.chunks.expired(k, k.session, 1)...)
	return append(lines, s.expireAnonymous(0)...)
}

// besides returns the lines that go out beside those of a session that changed.
func (s *state) besides(lines []string) []string {
	k, size := &s.core.cookie, 0
	for _, line := range lines {
		size += len(line)
	}
	if listed(&s.tok) {
		return append(s.chunks.expired(k, k.session, len(lines)), s.expireAnonymous(size)...)
	}
	more := s.chunks.expired(k, k.anonymous, len(lines))
	// The cookie of an earlier login stays, so that a logout can still end it, unless both together
	// would be longer than one session may be.
	out, most := s.out, maxLines
	if s.core.spreads() {
		most = maxCookieHeader
	}
	if out == 0 && s.bulk > 0 && s.bulk+size > most {
		out = max(s.after, 1)
	}
	if out != 0 {
		more = append(more, k.line(k.session, marker(out), 0))
		more = append(more, s.chunks.expired(k, k.session, 1)...)
	}
	return more
}

// expireAnonymous returns lines that expire an anonymous cookie that came, beside others of that
// size. If they do not fit they can wait: the cookie does not count.
func (s *state) expireAnonymous(size int) (lines []string) {
	k := &s.core.cookie
	if s.anonymous {
		lines = append(lines, k.expired(k.anonymous))
	}
	lines = append(lines, s.chunks.expired(k, k.anonymous, 1)...)
	for _, line := range lines {
		size += len(line)
	}
	if size > maxLines && !s.core.spreads() {
		return nil
	}
	return lines
}
