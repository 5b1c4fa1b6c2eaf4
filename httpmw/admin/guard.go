package admin

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/audit"
)

var errToken = errors.New("admin: no token, or a wrong one")

// guard returns who calls, or the refusal. It runs before anything looks at the path and the body.
func (a *api) guard(r *http.Request) (Caller, *problem) {
	if !a.hostAllowed(r.Host) {
		refused := refuse(http.StatusMisdirectedRequest, "host", "This API does not serve the name in the Host header. The application lists the names that it serves.")
		a.record(r, &a.strangers, audit.By{}, refused)
		return Caller{}, refused
	}
	if a.csrf.Check(r) != nil {
		refused := refuse(http.StatusForbidden, "cross_origin", "A browser sent this request for a page of another origin.")
		a.record(r, &a.strangers, audit.By{}, refused)
		return Caller{}, refused
	}
	caller, err := a.authorize(r)
	if err == nil {
		return caller, nil
	}
	refused := refuse(http.StatusUnauthorized, "unauthorized", "The request is not authenticated.").
		with("Www-Authenticate", `Bearer realm="wafer"`)
	// Only refused requests count, so a flood of wrong tokens does not keep the right one out. The
	// limit protects the audit log; the length of the tokens protects against guessing.
	if !a.record(r, &a.strangers, audit.By{}, refused) {
		refused = refuse(http.StatusTooManyRequests, "limited", "Too many requests were refused.").with("Retry-After", "1")
	}
	return Caller{}, refused
}

// permit returns a refusal unless the caller has the role that rt needs.
func (a *api) permit(r *http.Request, caller Caller, rt route) *problem {
	if caller.may(rt.role) {
		return nil
	}
	refused := refuse(http.StatusForbidden, "role", "The caller does not have the role "+string(rt.role)+", which this path needs.")
	a.record(r, &a.denials, audit.By{Actor: caller.Name}, refused)
	return refused
}

// record writes the record of a refused request, and reports whether the limit allowed it.
func (a *api) record(r *http.Request, l *limiter, by audit.By, refused *problem) bool {
	logged, more := l.take(time.Now())
	if !logged {
		return false
	}
	call := audit.Call{Code: refused.Code, Method: methodName(r.Method), Unlogged: more}
	for _, rt := range routes { // any other path could be a secret in the wrong place
		if _, ok := rt.match(r.URL.Path); ok {
			call.Path = rt.path
		}
	}
	by.Via, by.Address = audit.ViaAdmin, r.RemoteAddr
	audit.Record{Action: audit.Refused, Call: call}.Write(audit.With(r.Context(), by), a.audit)
	return true
}

// methodName returns a method that HTTP knows, and "other" for what else a stranger sends.
func methodName(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// byToken authenticates by bearer token (RFC 6750 §2.1: one header, scheme in any case).
func (a *api) byToken(r *http.Request) (Caller, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return Caller{}, errToken
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	caller, ok := holder(a.tokens, token)
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return Caller{}, errToken
	}
	return caller, nil
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

// limiter allows a burst of records, and then one a second.
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
