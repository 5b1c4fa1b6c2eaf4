package httpmw

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/internal/eventstream"
)

//go:embed tab.js
var tabScript []byte

const tabHeartbeat = 20 * time.Second // proxies close what is silent for a minute

// Tab serves what an open page needs to follow its session. Mount it under any path that ends in a
// slash, and have pages load its script:
//
//	mux.Handle("/tab/", sessions.Tab())
//	<script src="/tab/tab.js" data-login="/login" defer></script>
//
// The script warns [Config.Warn] before the session ends, with a button to stay logged in, and hides
// the page within two seconds after the session has been revoked. It needs nothing inline, so it
// works under "script-src 'self'; connect-src 'self'". docs/tabs.md describes its attributes and
// events, and what the other two paths answer:
//
//   - events streams server-sent events: session at first and ended at the end, also if the user has
//     to log in again (ErrReauthenticate). Without a session the status is 204, which keeps an
//     EventSource from trying again.
//   - state answers GET with the same JSON. POST also renews the session.
//
// Only POST renews a session, so an open page does not keep one alive. Requests from other origins
// get 403. At most [Config.MaxStreams] streams are open, at most 8 of them of one session; a further
// one gets 503, and its page asks from time to time. Streams end when [Shutdown] begins, and
// browsers then connect again within 1 to 5 seconds, at random.
//
// Tab works inside of Handler or without it.
func (m *Manager[T]) Tab() http.Handler {
	sum := sha256.Sum256(tabScript)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	events, state := m.tabPart(m.tabEvents, http.MethodGet), m.tabPart(m.tabState, http.MethodGet, http.MethodPost)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path.Base(r.URL.Path) {
		case "tab.js":
			h := w.Header()
			h.Set("Content-Type", "text/javascript; charset=utf-8")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-cache")
			h.Set("ETag", etag)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(tabScript))
		case "events":
			events.ServeHTTP(w, r)
		case "state":
			state.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// tabPart wraps what needs the session. It refuses requests that pages of other origins cause, also
// GET: they could not read the answer, but they could hold streams open.
func (m *Manager[T]) tabPart(serve func(http.ResponseWriter, *http.Request, *Session[T]), methods ...string) http.Handler {
	var csrf http.CrossOriginProtection
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header()["Allow"] = methods
			refusePlain(w, r, http.StatusMethodNotAllowed, nil)
			return
		}
		unsafe := *r
		unsafe.Method = http.MethodPost // the protection lets every GET pass
		if csrf.Check(&unsafe) != nil {
			refusePlain(w, r, http.StatusForbidden, nil)
			return
		}
		s := m.From(r.Context())
		if r.Method == http.MethodGet {
			s.DoNotRenew()
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if errors.Is(s.Err(), ErrUnavailable) { // undecided, or its data cannot be loaded again
			unavailable(w, r)
			return
		}
		serve(w, r, s)
	}))
}

func unavailable(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", retryAfter)
	refusePlain(w, r, http.StatusServiceUnavailable, nil)
}

// tabAnswer is what a page learns of its session.
type tabAnswer struct {
	// Who is a pseudonym of the subject, "" if nobody is logged in. A page belongs to one subject, and
	// hides when another one is logged in.
	Who    string `json:"who,omitempty"`
	Left   int64  `json:"left"`   // seconds until the session ends, if it is not renewed
	Warn   int64  `json:"warn"`   // how many seconds before that the page warns
	Extend bool   `json:"extend"` // a renewal moves the end
	Reason string `json:"reason,omitempty"`
}

// tabAnswer returns what is known now. Once the headers have left, that includes their renewal.
func (s *state) tabAnswer(now time.Time) tabAnswer {
	s.read()
	defer s.mu.Unlock()
	if !s.loggedIn() {
		return tabAnswer{Reason: tabReason(s.why)}
	}
	limits, _ := s.core.limits(&s.tok)
	return tabAnswer{
		Who:    hex.EncodeToString(s.tok.SubjectTag[:8]),
		Left:   max(0, s.tok.Expires-now.Unix()),
		Warn:   seconds(min(s.core.cfg.Warn, limits.Idle/2)),
		Extend: s.tok.Expires < s.tok.End,
	}
}

// tabReason names why a session ended, or cannot be used. All bad tokens look the same to the client,
// and no token looks like them.
func tabReason(err error) string {
	switch {
	case errors.Is(err, ErrRevoked):
		return "revoked"
	case errors.Is(err, ErrExpired):
		return "expired"
	case errors.Is(err, ErrReauthenticate):
		return "login_required"
	}
	return "signed_out"
}

// tabState answers with what is known. It commits the response first, so that the answer to POST has
// the new deadline.
func (m *Manager[T]) tabState(w http.ResponseWriter, _ *http.Request, s *Session[T]) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	json.NewEncoder(w).Encode(s.st.tabAnswer(time.Now())) // an error: the client left
}

// tabEvents streams until the session ends, the client leaves or Shutdown begins.
func (m *Manager[T]) tabEvents(w http.ResponseWriter, r *http.Request, s *Session[T]) {
	if !s.LoggedIn() {
		w.WriteHeader(http.StatusNoContent) // an EventSource does not come back
		return
	}
	id := s.ID()
	if !m.core.streams.Enter(id, m.core.cfg.MaxStreams) {
		unavailable(w, r)
		return
	}
	defer m.core.streams.Leave(id)
	ctx, cancel := s.Watch(r.Context())
	defer cancel()
	out := eventstream.New(w)
	if !out.Send(eventstream.Retry() + eventstream.Event("session", s.st.tabAnswer(time.Now()))) {
		return
	}
	heartbeat := time.NewTicker(tabHeartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-heartbeat.C:
			if !out.Send(":\n\n") {
				return
			}
		case <-ctx.Done():
			if cause := context.Cause(ctx); tabReason(cause) != "signed_out" { // otherwise it may go on
				out.Send(eventstream.Event("ended", tabAnswer{Reason: tabReason(cause)}))
			}
			return
		}
	}
}
