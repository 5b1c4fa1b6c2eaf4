package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
)

const (
	mostStreams   = 64 // of one replica
	streamsOfOne  = 8  // of one operator
	streamStalled = 10 * time.Second

	// A stream of a caller without a session ends after this time. The browser connects again, and the
	// caller is looked at again.
	streamUnwatched = 5 * time.Minute

	// Streams that end together, as in a restart, come back over this time, in ms.
	retry, retrySpread = 1000, 4000
)

// streams counts the open streams.
type streams struct {
	mu sync.Mutex // owns the fields below
	n  int
	of map[string]int // by the name of the caller
}

func newStreams() *streams { return &streams{of: map[string]int{}} }

func (s *streams) enter(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n >= mostStreams || s.of[name] >= streamsOfOne {
		return false
	}
	s.n++
	s.of[name]++
	return true
}

func (s *streams) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n--
	if s.of[name]--; s.of[name] == 0 {
		delete(s.of, name)
	}
}

// A stream sends events to a browser that may not read.
type stream struct {
	ctx     context.Context // ends with the session, with the reason as its cause
	caller  admin.Caller
	until   time.Time // when the session ends at the latest; zero: there is none
	w       io.Writer
	control *http.ResponseController
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
	if !c.streams.enter(caller.Name) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return nil, nil, false
	}
	s := &stream{caller: caller, w: w, control: http.NewResponseController(w)}
	done := c.watch(s, r)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	return s, func() {
		done()
		c.streams.leave(caller.Name)
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
func (s *stream) begin() bool {
	return s.write(fmt.Sprintf("retry: %d\n\n", retry+rand.IntN(retrySpread)))
}

// send sends an event. JSON has no line breaks.
func (s *stream) send(name string, data any) bool {
	text, err := json.Marshal(data)
	if err != nil { // no value sent here can fail to encode
		panic(err)
	}
	return s.write("event: " + name + "\ndata: " + string(text) + "\n\n")
}

// write reports whether text was sent. The server's WriteTimeout does not count, because it is for
// whole responses.
func (s *stream) write(text string) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(streamStalled)) // an error: the server's writer has no deadlines
	if _, err := io.WriteString(s.w, text); err != nil {
		return false
	}
	err := s.control.Flush()
	_ = s.control.SetWriteDeadline(time.Time{})
	return err == nil
}

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
