package httpmw

import (
	"context"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
)

// commit puts the session's cookies into the header, once. It runs just before the header leaves.
func (s *state) commit(h http.Header) {
	if e, ok := s.write(h); ok && s.core.cfg.Devices != nil {
		s.core.cfg.Devices.OnEvent(s.context(), e)
	}
}

// write is commit, and returns an event if the session of a subject was written or renewed.
func (s *state) write(h http.Header) (seen Event, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.committed {
		return seen, false
	}
	s.committed = true
	lines := s.leaving()
	if len(lines) > 0 && s.core.cfg.Devices != nil && s.loggedIn() {
		seen, ok = s.event(EventSeen, ""), true
	}
	if s.atCommit != nil {
		has := s.status == alive && (s.change == unchanged || len(lines) > 0)
		if line := s.atCommit(s.out != 0, has); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > 0 {
		s.core.setCookies(h, lines)
		noStore(h)
		s.warnPlain()
	}
	if len(lines) > 0 || s.touched.Load() {
		varyCookie(h)
	}
	if s.loggedOut && !s.loggedIn() {
		s.core.clearSiteData(h)
	}
	return seen, ok
}

// leaving returns the lines to be set: those of the session if it changed, or that of a renewal if
// one is due, never both. It decides once more, without asking the store: a session that was
// revoked while the request ran gets no cookie (R23).
func (s *state) leaving() []string {
	n := &s.core.count
	if s.change != changed && s.out != 0 {
		return s.signedOut()
	}
	if s.status != alive {
		return nil
	}
	now := time.Now()
	if s.change != changed && !s.reloaded && (s.unattended || !s.renewalDue(now)) {
		return nil
	}
	v := s.core.replica.Decide(&s.query)
	if s.reloaded && v.Outcome != replica.Refuse {
		s.sealReloaded(v, now)
	}
	switch {
	case v.Outcome == replica.Refuse:
		n.withheld.Add(1)
		s.core.note(s.context(), refusedBy(v.Reason), now)
		if s.out != 0 {
			return s.signedOut()
		}
		return nil
	case s.change == changed:
		n.written.Add(1)
		if s.out != 0 {
			n.expired.Add(1)
		}
		n.send(sessionToken, s.lines, now)
		return append(s.lines, s.besides(s.lines)...)
	case v.Extend && !s.reloaded:
		if line := s.renew(v, now); line != "" {
			n.renewed.Add(1)
			lines := []string{line}
			n.send(renewalToken, lines, now)
			if listed(&s.tok) {
				lines = append(lines, s.expireAnonymous(len(line))...)
			}
			return lines
		}
	}
	return nil
}

func (s *state) context() context.Context {
	if s.request == nil {
		return context.Background()
	}
	return s.request.Context()
}
