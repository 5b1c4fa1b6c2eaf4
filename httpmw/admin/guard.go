package admin

import (
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation"
)

var errToken = errors.New("admin: no token, or a wrong one")

// Admit makes the checks of every request to the API, and returns who calls: the name in the Host
// header, the origin, and whether the caller has the role. With role "" anybody may call, and the
// Caller is the zero one. What is refused is counted and recorded as if it were a call of the API. An
// application uses Admit for paths of its own beside those of the API.
func (a *API) Admit(r *http.Request, role Role) (Caller, *Refusal) {
	if role == "" {
		return Caller{}, a.foreign(r)
	}
	caller, refused := a.guard(r)
	if refused == nil {
		refused = a.permit(r, caller, role)
	}
	return caller, refused
}

// foreign refuses a request with another name in the Host header, or from a page of another origin.
func (a *API) foreign(r *http.Request) *Refusal {
	if !a.hostAllowed(r.Host) {
		refused := refuse(http.StatusMisdirectedRequest, "host", "This API does not serve the name in the Host header. The application lists the names that it serves.")
		a.record(r, &a.strangers, audit.By{}, refused)
		return refused
	}
	if a.csrf.Check(r) != nil {
		refused := refuse(http.StatusForbidden, "cross_origin", "A browser sent this request for a page of another origin.")
		a.record(r, &a.strangers, audit.By{}, refused)
		return refused
	}
	return nil
}

// guard returns who calls, or the refusal. It runs before anything looks at the path and the body.
func (a *API) guard(r *http.Request) (Caller, *Refusal) {
	if refused := a.foreign(r); refused != nil {
		return Caller{}, refused
	}
	caller, err := a.authorize(r)
	if err == nil {
		return caller, nil
	}
	if errors.Is(err, revocation.ErrUnavailable) {
		return Caller{}, unavailable("unavailable", "It is not known now who calls, because the store of the list does not answer. A call with a token does not depend on it.")
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

// permit returns a refusal unless the caller has the role.
func (a *API) permit(r *http.Request, caller Caller, role Role) *Refusal {
	if caller.may(role) {
		return nil
	}
	refused := refuse(http.StatusForbidden, "role", "The caller does not have the role "+string(role)+", which this path needs.")
	a.record(r, &a.denials, audit.By{Actor: caller.Name}, refused)
	return refused
}

// record writes the record of a refused request, and reports whether the limit allowed it.
func (a *API) record(r *http.Request, l *limiter, by audit.By, refused *Refusal) bool {
	logged, more := l.take(time.Now())
	if !logged {
		return false
	}
	call := audit.Call{Code: refused.Code, Method: methodName(r.Method), Path: pathName(r.URL.Path), Unlogged: more}
	by.Via, by.Address = audit.ViaAdmin, r.RemoteAddr
	audit.Record{Action: audit.Refused, Call: call}.Write(audit.With(r.Context(), by), a.audit)
	return true
}

// consolePaths are the paths that package console adds and refuses calls of.
var consolePaths = []string{"/sign-in", "/sign-out", "/events", "/fleet"}

// pathName returns a path that the API or the console has, and "" for any other: it could be a secret
// in the wrong place.
func pathName(path string) string {
	for _, rt := range routes {
		if _, ok := rt.match(path); ok {
			return rt.path
		}
	}
	if slices.Contains(consolePaths, path) {
		return path
	}
	return ""
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
func (a *API) byToken(r *http.Request) (Caller, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 && a.recall != nil {
		t, err := a.recall(r)
		if err != nil {
			return Caller{}, err
		}
		return a.recalled(t)
	}
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

// recalled returns who holds a token that was presented before, with the roles of now.
func (a *API) recalled(t Token) (Caller, error) {
	for _, now := range a.tokens {
		if now.Name == t.Name && subtle.ConstantTimeCompare(now.SHA256[:], t.SHA256[:]) == 1 {
			return Caller{now.Name, now.Roles}, nil
		}
	}
	return Caller{}, errToken
}

// hostAllowed guards against DNS rebinding: a page cannot choose the Host header, which is the name
// that the page was loaded from.
func (a *API) hostAllowed(hostport string) bool {
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
