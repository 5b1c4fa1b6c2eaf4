package httpmw

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Watch returns a context that ends when the session does, for responses that go on for long:
// server-sent events, WebSockets, downloads. It ends at most one and a quarter times the list's
// Within after a revocation, a RequireLogin or a Reload was acknowledged, at the session's deadlines,
// and when the list could not be read for longer than its Grace. context.Cause is then the error that
// Session.Err would return. When Shutdown begins, or the list is closed, it ends with ErrShutdown. It
// also ends with ctx, and when the returned function is called. The caller must call it when the response has
// ended: Shutdown waits for that.
//
// Watching does not count as use: the idle deadline is the one from when the headers left. A client
// that connects again brings the cookies that its other requests renewed meanwhile.
//
// Without a session the context has already ended, with the error of Err, or ErrNoLogin, as its
// cause.
func (s *Session[T]) Watch(ctx context.Context) (context.Context, context.CancelFunc) {
	watched, cancel := context.WithCancelCause(ctx)
	w, err := s.st.watch()
	if err != nil {
		cancel(err)
		return watched, func() {}
	}
	over, done := w.st.core.replica.BeginStream()
	go w.run(watched, cancel, over)
	return watched, func() {
		cancel(context.Canceled)
		done()
	}
}

// watch is one session that is checked again and again.
type watch struct {
	st    *state
	end   int64 // Unix seconds
	query replica.Query
}

func (s *state) watch() (*watch, error) {
	s.read()
	defer s.mu.Unlock()
	if s.status != alive {
		if err := s.err(); err != nil {
			return nil, err
		}
		return nil, ErrNoLogin
	}
	return &watch{st: s, end: s.tok.End, query: s.query}, nil
}

// run checks often enough to notice a revocation a quarter of the list's Within after the list has
// it.
func (w *watch) run(ctx context.Context, cancel context.CancelCauseFunc, over <-chan struct{}) {
	ticker := time.NewTicker(max(w.st.core.replica.Within()/4, time.Millisecond))
	defer ticker.Stop()
	for {
		if err := w.look(ctx, time.Now()); err != nil {
			cancel(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-over:
			cancel(ErrShutdown)
			return
		case <-ticker.C:
		}
	}
}

// look checks once more.
func (w *watch) look(ctx context.Context, now time.Time) error {
	switch {
	case now.Unix() >= w.end:
		return ErrExpiredAbsolute
	case now.Unix() >= w.st.idleLimit(w.query.Session):
		return ErrExpiredIdle
	}
	v := w.st.core.replica.Decide(&w.query)
	if v.Outcome == replica.Ask {
		v = w.st.core.replica.Confirm(ctx, &w.query)
	}
	switch v.Outcome {
	case replica.Accept:
		// What was checked up to here need not be checked again. Otherwise a stream that outlives
		// the window would ask the store at each check.
		if v.Renew {
			w.query.Checked, w.query.Term = v.Checked, v.Term
		}
		switch asks := v.Asks &^ revlog.Ending; {
		case asks == revlog.AsksReload && w.st.core.load != nil:
			return ErrReload
		case asks != 0:
			return ErrReauthenticate
		}
		return nil
	case replica.Refuse:
		return refusedBy(v.Reason)
	}
	if ctx.Err() != nil {
		return nil // nobody is watching any more
	}
	return ErrUndecided
}

// idleLimit returns the idle deadline of a session, in Unix seconds, which may be that of a renewal
// in this very response. If the request has replaced the session since, the list tells.
func (s *state) idleLimit(id [16]byte) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == alive && s.tok.ID == id {
		return s.tok.Expires
	}
	return 1<<63 - 1
}
