package httpmw

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// writer commits the session just before the headers leave. Every way in which they can leave is a
// method of its own. Unwrap lets deadlines and full duplex through to the server, but a Flush or a
// Hijack that went that way would send the headers without the cookies.
type writer struct {
	inner     http.ResponseWriter
	st        *state
	committed atomic.Bool // spares the lock; state.committed decides
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (w *writer) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.writer") }

func (w *writer) commit() {
	if !w.committed.Load() {
		w.st.commit(w.inner.Header())
		w.committed.Store(true)
	}
}

func (w *writer) Header() http.Header { return w.inner.Header() }

func (w *writer) Write(b []byte) (int, error) {
	w.commit()
	return w.inner.Write(b)
}

func (w *writer) WriteString(s string) (int, error) {
	w.commit()
	return io.WriteString(w.inner, s)
}

// WriteHeader commits unless the status is informational: after 103 the response is still to come.
// 101 is final.
func (w *writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.commit()
	}
	w.inner.WriteHeader(status)
}

// ReadFrom keeps the server's own ReadFrom, which sends a file without copying it through the
// process.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.commit()
	if inner, ok := w.inner.(io.ReaderFrom); ok {
		return inner.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{w.inner}, r)
}

// Flush is FlushError for callers that do not look at errors.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError returns an error that is http.ErrNotSupported if the server's writer cannot flush.
func (w *writer) FlushError() error {
	if !reaches[http.Flusher](w.inner) && !reaches[interface{ FlushError() error }](w.inner) {
		return fmt.Errorf("httpmw: flush: %w", http.ErrNotSupported)
	}
	w.commit()
	return http.NewResponseController(w.inner).Flush()
}

// Hijack returns an error that is http.ErrNotSupported if the server's writer cannot be hijacked,
// as over HTTP/2.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !reaches[http.Hijacker](w.inner) {
		return nil, nil, fmt.Errorf("httpmw: hijack: %w", http.ErrNotSupported)
	}
	w.commit()
	return http.NewResponseController(w.inner).Hijack()
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }

// reaches reports whether a writer, or one that it wraps, is an I. A ResponseController will then
// find it.
func reaches[I any](w http.ResponseWriter) bool {
	for {
		if _, ok := w.(I); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}
