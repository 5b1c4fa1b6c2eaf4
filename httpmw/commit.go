package httpmw

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// sealSession returns the Set-Cookie lines of a session, a *SizeError if a single one would be longer than room, or
// ErrSealingKeyRevoked.
func (c *core) sealSession(t *token.Session, room int, now time.Time) ([]string, error) {
	if err := c.sealable(now); err != nil {
		return nil, err
	}
	var lifetime int64
	if _, remember := c.limits(t); remember {
		lifetime = t.End - now.Unix()
	}
	value, err := c.sealer.SealSession(nil, t, now)
	if errors.Is(err, token.ErrTooLarge) {
		return c.sealLarge(t, lifetime, room, now)
	}
	if err != nil {
		return nil, unsealed(err)
	}
	line := c.cookie.line(c.cookie.nameOf(t), string(value), lifetime)
	if len(line) > room {
		return c.sealLarge(t, lifetime, room, now)
	}
	return []string{line}, nil
}

// sealLarge seals what is too large for one cookie, if it may.
func (c *core) sealLarge(t *token.Session, lifetime int64, room int, now time.Time) ([]string, error) {
	if c.cfg.MaxCookies == 1 {
		return nil, c.tooLarge(t, lifetime, room, now)
	}
	return c.sealPieces(t, lifetime, now)
}

// tooLarge measures a session that does not fit, by sealing it without its data.
func (c *core) tooLarge(t *token.Session, lifetime int64, room int, now time.Time) error {
	bare := *t
	bare.Data = nil
	value, err := c.sealer.SealSession(nil, &bare, now)
	if err != nil {
		return unsealed(err)
	}
	return newSizeError(len(c.cookie.line(c.cookie.nameOf(t), string(value), lifetime)), len(t.Data), room)
}

// commit puts the session's cookies into the header, once. It runs just before the header leaves.
func (s *state) commit(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.committed {
		return
	}
	s.committed = true
	lines := s.retire(s.leaving())
	if len(lines) > 0 {
		s.core.setCookies(h, lines)
		noStore(h)
		s.warnPlain()
	}
	if len(lines) > 0 || s.touched.Load() {
		varyCookie(h)
	}
}

// leaving returns the lines to be set: those of the session if it changed, else that of a renewal if one is due,
// never both. It decides once more, without asking the store: a session revoked while the request ran gets no
// cookie (R23).
func (s *state) leaving() []string {
	n := &s.core.count
	if s.change != changed && s.out != 0 {
		return s.signedOut()
	}
	if s.status != alive {
		return nil
	}
	now := time.Now()
	if s.change != changed && !s.renewalDue(now) {
		return nil
	}
	v := s.core.replica.Decide(&s.query)
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
		return append(s.lines, s.besides(s.lines)...)
	case v.Extend:
		if line := s.renew(v, now); line != "" {
			n.renewed.Add(1)
			lines := []string{line}
			if listed(&s.tok) {
				lines = append(lines, s.expireAnonymous(len(line))...)
			}
			return lines
		}
	}
	return nil
}

// staleTails returns lines that expire the tails of a cookie that came, from an index on.
func (s *state) staleTails(name string, came *trace, from int) (lines []string) {
	for i := from; i < maxCookies; i++ {
		if came.tails[i-1] {
			lines = append(lines, s.core.cookie.expired(pieceName(name, i)))
		}
	}
	return lines
}

func (s *state) context() context.Context {
	if s.request == nil {
		return context.Background()
	}
	return s.request.Context()
}

// setCookies adds our lines and removes what stood there of the same names.
func (c *core) setCookies(h http.Header, lines []string) {
	have := h["Set-Cookie"]
	kept := make([]string, 0, len(have)+len(lines))
	for _, line := range have {
		if !c.cookie.ours(line) {
			kept = append(kept, line)
		}
	}
	h["Set-Cookie"] = append(kept, lines...)
}

// noStore keeps shared caches from storing an answer that sets a session, whatever the handler said, and leaves
// alone what forbids even more.
func noStore(h http.Header) {
	kept := []string{"no-store"}
	for _, field := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(field, ",") {
			directive = strings.TrimSpace(directive)
			name, _, _ := strings.Cut(directive, "=")
			switch strings.ToLower(name) {
			case "", "no-store", "public", "max-age", "s-maxage", "immutable", "stale-while-revalidate", "stale-if-error":
			default:
				kept = append(kept, directive)
			}
		}
	}
	h["Cache-Control"] = []string{strings.Join(kept, ", ")}
	// What caches of a delivery network obey before Cache-Control (RFC 9213 and its forerunner).
	for name := range h {
		if strings.HasSuffix(name, "Cdn-Cache-Control") || name == "Surrogate-Control" {
			h[name] = []string{"no-store"}
		}
	}
}

// varyCookie tells caches that the answer depends on the cookie, also when none came: else the page of somebody
// signed out is served to everybody.
func varyCookie(h http.Header) {
	for _, field := range h["Vary"] {
		for name := range strings.SplitSeq(field, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], "Cookie")
}

// warnPlain says once that browsers will drop the cookie. Behind a proxy that speaks https to the browser there
// is a sign of that: a forwarding header, an https origin, or fetch metadata, which browsers send to no plain
// http host but loopback.
func (s *state) warnPlain() {
	r := s.request
	if !s.core.cookie.secure || r == nil || r.TLS != nil || s.core.count.plain.Load() {
		return
	}
	for _, name := range [...]string{"X-Forwarded-Proto", "X-Forwarded-Ssl", "Forwarded", "Sec-Fetch-Site"} {
		if r.Header.Get(name) != "" {
			return
		}
	}
	if strings.HasPrefix(r.Header.Get("Origin"), "https://") || isLoopback(r.Host) || s.core.count.plain.Swap(true) {
		return
	}
	s.core.cfg.Logger.Warn("a Secure cookie was set over plain http, so browsers drop it: "+
		"serve https, or set httpmw.Config.InsecureHTTP if it must be", "app", s.core.cfg.App)
}

func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
