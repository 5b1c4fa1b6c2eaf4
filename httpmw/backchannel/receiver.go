package backchannel

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation"
)

const (
	maxBody    = 24 << 10         // bytes of a request's body: a token and ignored parameters
	timeout    = 10 * time.Second // for the provider's keys and the list
	retryAfter = 5                // seconds
)

// A Receiver is the handler that the provider posts logout tokens to. It is safe for concurrent
// use.
type Receiver struct {
	list     *revocation.List
	config   Config
	provider *provider
	used     memory

	ended, repeated, unavailable atomic.Uint64

	mu      sync.Mutex // owns the fields below
	refused map[reason]uint64
	warned  map[string]time.Time
}

// Stats are counters of one Receiver since it was made.
type Stats struct {
	Ended       uint64            // tokens whose logout the list acknowledged
	Repeated    uint64            // tokens that came again and did nothing
	Refused     map[string]uint64 // requests refused, by reason
	Unavailable uint64            // requests answered with 503: no acknowledgement, or no keys
	Fetches     uint64            // attempts to fetch the provider's keys that have ended
	FetchErrors uint64            // of these, failed ones
}

// Stats returns the current counters. The reasons are request, malformed, algorithm, type, issuer,
// audience, expired, time, event, nonce, subject, jti, jti_reused, unknown_key and signature.
func (r *Receiver) Stats() Stats {
	failed := r.provider.failures.Load()
	s := Stats{
		Ended: r.ended.Load(), Repeated: r.repeated.Load(), Unavailable: r.unavailable.Load(),
		Fetches: r.provider.successes.Load() + failed, FetchErrors: failed,
		Refused: map[string]uint64{},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for why, n := range r.refused {
		s.Refused[string(why)] = n
	}
	return s
}

// Counts returns the counters of Stats by result, for packages prom and otel: of requests "ended",
// "repeated", "unavailable" and the reasons of refusals, and of fetches of the provider's keys "ok"
// and "failed". Each result is there from the start.
func (r *Receiver) Counts() (requests, fetches map[string]uint64) {
	s := r.Stats()
	requests = map[string]uint64{"ended": s.Ended, "repeated": s.Repeated, "unavailable": s.Unavailable}
	for _, why := range reasons {
		requests[string(why)] = s.Refused[string(why)]
	}
	return requests, map[string]uint64{"ok": s.Fetches - s.FetchErrors, "failed": s.FetchErrors}
}

// ServeHTTP answers one logout request (sections 2.5 and 2.8).
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "invalid_request", "Send logout tokens by POST.")
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), timeout)
	defer cancel()
	err := r.receive(ctx, w, req)
	var why reason
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.As(err, &why):
		r.refuse(ctx, why)
		answer(w, http.StatusBadRequest, "invalid_request", "The request contains no acceptable logout token.")
	default:
		r.unavailable.Add(1)
		r.config.Logger.LogAttrs(ctx, r.level("unavailable"), "backchannel: logout not acknowledged", slog.String("error", err.Error()))
		after := retryAfter
		if errors.Is(err, errTooSoon) {
			after = int(fetchEvery / time.Second)
		}
		w.Header().Set("Retry-After", strconv.Itoa(after))
		answer(w, http.StatusServiceUnavailable, "temporarily_unavailable", "The logout is not confirmed yet. Send the same token again.")
	}
}

// receive returns nil once the list has acknowledged the logout, a reason if the request is
// invalid, and another error if neither is certain.
func (r *Receiver) receive(ctx context.Context, w http.ResponseWriter, req *http.Request) error {
	if !isForm(req.Header["Content-Type"]) {
		return reasonRequest
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		return reasonRequest
	}
	compact, err := tokenIn(string(body))
	if err != nil {
		return err
	}
	now := time.Now()
	t, err := r.config.parse(compact, now)
	if err != nil {
		return err
	}
	k, err := r.provider.key(ctx, t.alg, t.kid)
	if err != nil {
		return err
	}
	if err := t.verify(k); err != nil {
		return err
	}
	return r.end(ctx, t, req.RemoteAddr, now)
}

// end revokes what a verified token names, unless that was done before.
func (r *Receiver) end(ctx context.Context, t *logoutToken, address string, now time.Time) error {
	jti, logout := t.digests()
	if before, known := r.used.find(jti, now); known {
		if before != logout {
			return reasonReused
		}
		r.repeated.Add(1)
		return nil
	}
	until := t.expires.Add(r.config.Leeway)
	mark := t.mark()
	// An error means that the store does not answer. Continuing makes at least this replica refuse
	// the sessions, and ends in an error too.
	if _, done, err := r.list.Revoked(ctx, mark); err == nil && done {
		r.repeated.Add(1)
		return nil
	}
	ctx = audit.With(ctx, audit.By{Actor: r.config.Issuer, Reason: "back-channel logout", Address: address})
	var o revocation.Options
	var failed error
	for _, target := range t.targets() {
		if _, err := r.list.Revoke(ctx, target, o); err != nil {
			// the others are tried: this replica refuses them from now on, whatever the store says
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return failed
	}
	o.Until = until
	if _, err := r.list.Revoke(ctx, mark, o); err != nil {
		// The logout holds. Only the other replicas do not learn that the token was used.
		r.config.Logger.LogAttrs(ctx, slog.LevelDebug, "backchannel: token not marked as used", slog.String("error", err.Error()))
	}
	if !r.used.add(jti, logout, now, until) { // two deliveries at once
		r.repeated.Add(1)
		return nil
	}
	r.ended.Add(1)
	if r.config.OnLogout != nil {
		r.config.OnLogout(ctx, t.Logout)
	}
	return nil
}

func (r *Receiver) refuse(ctx context.Context, why reason) {
	r.mu.Lock()
	if r.refused == nil {
		r.refused = map[reason]uint64{}
	}
	r.refused[why]++
	r.mu.Unlock()
	r.config.Logger.LogAttrs(ctx, r.level(string(why)), "backchannel: logout token refused",
		slog.String("issuer", r.config.Issuer), slog.String("reason", string(why)))
}

// level makes one line a minute of each kind a warning, since callers decide how many lines there
// are.
func (r *Receiver) level(kind string) slog.Level {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, warned := r.warned[kind]; warned && now.Sub(last) < time.Minute {
		return slog.LevelDebug
	}
	if r.warned == nil {
		r.warned = map[string]time.Time{}
	}
	r.warned[kind] = now
	return slog.LevelWarn
}

// answer writes the JSON body of section 2.8. To the caller, all bad tokens look the same.
func answer(w http.ResponseWriter, status int, code, description string) {
	body, err := json.Marshal(map[string]string{"error": code, "error_description": description})
	if err != nil { // strings never fail to encode
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller is gone; nothing can be done
}
