// Package eventstream writes server-sent events, and bounds how many streams are open.
package eventstream

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	stalled = 10 * time.Second // how long a client may leave an event unread

	// Streams that end together, as in a restart, come back over this time, in ms.
	retry, retrySpread = 1000, 4000
)

// A Writer sends to a client that may not read. It is for one goroutine.
type Writer struct {
	w       io.Writer
	control *http.ResponseController
}

// New begins a stream: it sets the headers of the answer.
func New(w http.ResponseWriter) Writer {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	return Writer{w, http.NewResponseController(w)}
}

// Send reports whether text was sent. The server's WriteTimeout does not count, because it is for
// whole responses.
func (s Writer) Send(text string) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(stalled)) // an error: the server's writer has no deadlines
	if _, err := io.WriteString(s.w, text); err != nil {
		return false
	}
	err := s.control.Flush()
	_ = s.control.SetWriteDeadline(time.Time{})
	return err == nil
}

// Retry returns a line that says when to connect again, at random. An event or an empty line follows it.
func Retry() string { return fmt.Sprintf("retry: %d\n", retry+rand.IntN(retrySpread)) }

// Event returns an event. It panics if data cannot be encoded as JSON, which has no line breaks.
func Event(name string, data any) string {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return "event: " + name + "\ndata: " + string(text) + "\n\n"
}
