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

// guard returns who calls, or the answer to someone who may not. It runs before the path and the body are looked at.
func (a *api) guard(r *http.Request) (actor string, refused *problem) {
	if !a.hostAllowed(r.Host) {
		return "", &problem{Status: http.StatusMisdirectedRequest, Code: "host", Detail: "This API does not go by the name in the Host header."}
	}
	if a.csrf.Check(r) != nil {
		return "", &problem{Status: http.StatusForbidden, Code: "cross_origin", Detail: "A browser sent this request for another origin."}
	}
	actor, err := a.authorize(r)
	if err == nil {
		return actor, nil
	}
	// The limit is only asked once the token is known to be wrong, so no flood of bad tokens keeps a right one out. Against guessing stands
	// the token's length; what the limit protects is the audit log.
	logged, more := a.refusals.take(time.Now())
	if !logged {
		return "", &problem{
			Status: http.StatusTooManyRequests, Code: "limited", Detail: "Too many refused requests.",
			header: http.Header{"Retry-After": {"1"}},
		}
	}
	a.log.LogAttrs(r.Context(), slog.LevelWarn, "admin: authentication refused",
		slog.String("method", r.Method), slog.String("remote", r.RemoteAddr), slog.Int("unlogged", more))
	return "", &problem{
		Status: http.StatusUnauthorized, Code: "unauthorized", Detail: "The request does not carry what this API asks of its callers.",
		header: http.Header{"Www-Authenticate": {`Bearer realm="wafer"`}},
	}
}

// byToken compares digests, so that neither a common prefix nor the length shows in the time (RFC 6750 §2.1: one header, scheme of any case).
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

// hostAllowed guards against DNS rebinding: a page cannot choose the Host header, which is the name it was loaded from.
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

// limiter lets burst refusals be logged at once and one a second after.
type limiter struct {
	mu      sync.Mutex // owns what follows
	spent   float64    // of burst
	at      time.Time
	skipped int
}

const burst = 10

// take reports whether a refusal at now is to be logged, and how many were not since the last that was.
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
