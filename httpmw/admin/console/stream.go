package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/eventstream"
)

const (
	mostStreams = 64 // of one replica

	// A stream of a caller without a session ends after this time. The browser connects again, and the
	// caller is looked at again.
	streamUnwatched = 5 * time.Minute
)

// A stream sends events to a browser that may not read.
type stream struct {
	ctx    context.Context // ends with the session, with the reason as its cause
	caller admin.Caller
	until  time.Time // when the session ends at the latest; zero: there is none
	out    eventstream.Writer
}

// open begins a stream for a caller who may read, or answers with why not. The returned function must
// be called when it is over.
func (c *console) open(w http.ResponseWriter, r *http.Request) (*stream, func(), bool) {
	foreign := *r
	foreign.Method = http.MethodPost // a page of another origin cannot read a stream, but it could hold many
	if _, refused := c.api.Admit(&foreign, ""); refused != nil {
		refused.ServeHTTP(w, r)
		return nil, nil, false
	}
	caller, refused := c.api.Admit(r, admin.RoleRead)
	if refused != nil {
		refused.ServeHTTP(w, r)
		return nil, nil, false
	}
	if !c.streams.Enter(caller.Name, mostStreams) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return nil, nil, false
	}
	s := &stream{caller: caller, out: eventstream.New(w)}
	done := c.watch(s, r)
	return s, func() {
		done()
		c.streams.Leave(caller.Name)
	}, true
}

// watch ends the stream with the session, or at shutdown.
func (c *console) watch(s *stream, r *http.Request) context.CancelFunc {
	if c.sessions != nil && !presents(r) {
		session := c.sessions.From(r.Context())
		session.DoNotRenew()
		_, s.until = session.Deadlines()
		var cancel context.CancelFunc
		s.ctx, cancel = session.Watch(r.Context())
		return cancel
	}
	over, done := c.list.Replica().BeginStream()
	ctx, cancel := context.WithTimeoutCause(r.Context(), streamUnwatched, httpmw.ErrShutdown)
	s.ctx = ctx
	go func() {
		select {
		case <-over:
			cancel()
		case <-ctx.Done():
		}
	}()
	return func() {
		cancel()
		done()
	}
}

// begin sends when to connect again.
func (s *stream) begin() bool { return s.out.Send(eventstream.Retry() + "\n") }

func (s *stream) send(name string, data any) bool { return s.out.Send(eventstream.Event(name, data)) }

// end says why the session ended. It says nothing if the browser left or the process is shutting down:
// then the browser connects again.
func (s *stream) end() {
	reason := ""
	switch cause := context.Cause(s.ctx); {
	case errors.Is(cause, httpmw.ErrRevoked):
		reason = "revoked"
	case errors.Is(cause, httpmw.ErrExpired):
		reason = "expired"
	case errors.Is(cause, httpmw.ErrReauthenticate):
		reason = "login_required"
	default:
		return
	}
	s.send("ended", map[string]string{"reason": reason})
}
