package httpmw

import (
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// No list can end an anonymous session, so an answer that comes late would bring it back: after a login of the same
// browser, or after a logout. Therefore an anonymous session has a cookie of its own, which a login does not depend on,
// and it counts only if it began after whatever the session cookie tells of: a login, living or not, or a logout, which
// leaves a marker there:
//
//	out.<log time of the logout in ms>
//
// A marker is not sealed. Whoever forges one has an anonymous session of their own ignored, and nothing else.
const (
	markerPrefix = "out."
	markerDigits = 15

	// markerAhead is how far a marker may be ahead of this replica's log time. One that is further ahead means nothing:
	// an anonymous session begins after its marker, and so would be spared by a revocation of everybody before that.
	markerAhead = time.Minute

	// markerSlack is how far the log time of two replicas may be apart, by rounding and by how fast the list answers.
	markerSlack = 10 * time.Millisecond
)

func marker(ms int64) string { return markerPrefix + strconv.FormatInt(ms, 10) }

// parseMarker reads a marker in the one spelling that marker writes.
func parseMarker(s string) (ms int64, ok bool) {
	digits, ok := strings.CutPrefix(s, markerPrefix)
	if !ok || digits == "" || len(digits) > markerDigits || digits[0] == '0' {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		ms = ms*10 + int64(digits[i]-'0')
	}
	return ms, true
}

// takeMarkers removes the markers from the session cookies that came, and notes the latest.
func (s *state) takeMarkers(p *pieces) {
	n := 0
	for _, value := range p.head[:p.heads] {
		ms, ok := parseMarker(value)
		switch {
		case !ok:
			p.head[n] = value
			n++
		case ms <= s.core.replica.LogTime()+markerAhead.Milliseconds():
			s.after = max(s.after, ms)
		}
	}
	p.heads = n
}

// record notes what a session means for others: Logout has to end it, and an anonymous session has to have begun after it.
func (s *state) record(o *opened, now time.Time) {
	s.mayEnd(o, now)
	s.latest = max(s.latest, o.tok.Epoch)
	if listed(&o.tok) {
		s.after = max(s.after, o.tok.Epoch)
	}
}

// overtaken reports whether an anonymous session began no later than a login or a logout of the same browser. It is then
// as if its cookie had not come.
func (s *state) overtaken(o *opened) bool { return o.tok.ID != (token.ID{}) && o.tok.Epoch <= s.after }

// beginAnonymous begins a session of nobody. It began when the request came, not now: a login or a logout meanwhile
// has overtaken it.
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
		// Everybody was logged out meanwhile, and this one begins after that.
		start.Epoch = max(own, s.after+1)
		o.begin(start)
		o.verdict = c.replica.Decide(&o.query)
	}
	return o
}

// signOut has the answer leave a marker in place of the session cookie, later than all that the browser may have.
func (s *state) signOut() {
	s.out = max(s.core.replica.LogTime()+markerSlack.Milliseconds(), s.after, s.latest)
	s.after = s.out
}

// room returns how long the lines of a session may be: the answer may have to set a marker beside an anonymous one.
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
	lines := []string{k.line(k.session, marker(s.out), 0), k.expired(k.seen)}
	lines = append(lines, s.staleTails(k.session, &s.session, 1)...)
	return append(lines, s.expireAnonymous(0)...)
}

// besides returns the lines that go out beside those of a session that changed.
func (s *state) besides(lines []string) []string {
	k, size := &s.core.cookie, 0
	for _, line := range lines {
		size += len(line)
	}
	if listed(&s.tok) {
		return append(s.staleTails(k.session, &s.session, len(lines)), s.expireAnonymous(size)...)
	}
	more := s.staleTails(k.anonymous, &s.anonymous, len(lines))
	// What is left of a login stays, so that a logout can still end it, unless the two together would be longer than
	// one session may be.
	out, most := s.out, maxLines
	if s.core.cfg.MaxCookies > 1 {
		most = maxCookieHeader
	}
	if out == 0 && s.bulk > 0 && s.bulk+size > most {
		out = max(s.after, 1)
	}
	if out != 0 {
		more = append(more, k.line(k.session, marker(out), 0))
		more = append(more, s.staleTails(k.session, &s.session, 1)...)
	}
	return more
}

// expireAnonymous returns lines that expire an anonymous cookie that came, beside others of that size. Where it does
// not fit it can wait: the cookie does not count.
func (s *state) expireAnonymous(size int) (lines []string) {
	name := s.core.cookie.anonymous
	if s.anonymous.head {
		lines = append(lines, s.core.cookie.expired(name))
	}
	lines = append(lines, s.staleTails(name, &s.anonymous, 1)...)
	for _, line := range lines {
		size += len(line)
	}
	if size > maxLines && s.core.cfg.MaxCookies == 1 {
		return nil
	}
	return lines
}
