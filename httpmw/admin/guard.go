package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

var errToken = errors.New("admin: no token, or a wrong one")

// guard returns who calls, or the refusal. It runs before anything looks at the path and the body.
func (a *api) guard(r *http.Request) (actor string, refused *problem) {
	if !a.hostAllowed(r.Host) {
		return "", refuse(http.StatusMisdirectedRequest, "host", "This API does not serve the name in the Host header. The application lists the names that it serves.")
	}
	if a.csrf.Check(r) != nil {
		return "", refuse(http.StatusForbidden, "cross_origin", "A browser sent this request for a page of another origin.")
	}
	actor, err := a.authorize(r)
	if err == nil {
		return actor, nil
	}
	// Only refused requests count, so a flood of wrong tokens does not keep the right one out. The
	// limit protects the audit log; the length of the token protects against guessing.
	logged, more := a.refusals.take(time.Now())
	if !logged {
		return "", refuse(http.StatusTooManyRequests, "limited", "Too many requests were refused.").with("Retry-After", "1")
	}
	a.log.LogAttrs(r.Context(), slog.LevelWarn, "admin: authentication refused",
		slog.String("method", r.Method), slog.String("remote", r.RemoteAddr), slog.Int("unlogged", more))
	return "", refuse(http.StatusUnauthorized, "unauthorized", "The request is not authenticated.").
		with("Www-Authenticate", `Bearer realm="wafer"`)
}

// byToken authenticates by bearer token (RFC 6750 §2.1: one header, scheme in any case). It compares
// digests, so that the time shows neither a common prefix nor the length.
func (a *api) byToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", errToken
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], a.token[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", errToken
	}
	return a.actor, nil
}

// hostAllowed guards against DNS rebinding: a page cannot choose the Host header, which is the name
// that the page was loaded from.
func (a *api) hostAllowed(hostport string) bool {
	host := strings.ToLower(strings.TrimSuffix(hostname(hostport), "."))
	if a.hosts != nil {
		return a.hosts[host]
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}

func hostSet(hosts []string) map[string]bool {
	if len(hosts) == 0 {
		return nil
	}
	set := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		set[strings.ToLower(h)] = true
	}
	return set
}

// limiter allows a burst of log lines, and then one a second.
type limiter struct {
	mu      sync.Mutex // guards the fields below
	spent   float64    // of burst
	at      time.Time
	skipped int
}

const burst = 10

// take reports whether to log a refusal at now, and how many were skipped since the last one logged.
func (l *limiter) take(now time.Time) (logged bool, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.IsZero() {
		l.spent = max(0, l.spent-now.Sub(l.at).Seconds())
	}
	l.at = now
	if l.spent > burst-1 {
		l.skipped++
		return false, 0
	}
	l.spent++
	skipped, l.skipped = l.skipped, 0
	return true, skipped
}
