package httpmw

import (
	"net"
	"net/http"
	"strings"
)

// setCookies adds our lines and removes those of the same names that were there.
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

// noStore keeps shared caches from storing a response that sets a session, whatever the handler
// said, and keeps directives that forbid even more.
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
	// Caches of delivery networks obey these before Cache-Control (RFC 9213 and its forerunner).
	for name := range h {
		if strings.HasSuffix(name, "Cdn-Cache-Control") || name == "Surrogate-Control" {
			h[name] = []string{"no-store"}
		}
	}
}

// clearSiteData has the browser delete what the application chose.
func (c *core) clearSiteData(h http.Header) {
	if len(c.cfg.ClearSiteData) > 0 && !c.cfg.InsecureHTTP {
		h.Set("Clear-Site-Data", `"`+strings.Join(c.cfg.ClearSiteData, `", "`)+`"`)
	}
}

// varyCookie tells caches that the response depends on the cookie, also when none came. Otherwise
// the page for somebody who is signed out would be served to everybody.
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

// warnPlain logs once that browsers will drop the cookie. Behind a proxy that speaks https to the
// browser there is a sign of that: a forwarding header, an https origin, or fetch metadata, which
// browsers send to no plain http host but loopback.
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
