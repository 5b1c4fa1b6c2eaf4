package eventstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/wafer-sessions/wafer/internal/eventstream"
)

func TestWriter(t *testing.T) {
	w := httptest.NewRecorder()
	s := eventstream.New(w)
	if !s.Send(eventstream.Retry()+eventstream.Event("now", map[string]string{"say": "one\ntwo"})) || !w.Flushed {
		t.Error("nothing was sent")
	}
	if got, want := w.Body.String(), "^retry: [1-4][0-9]{3}\nevent: now\ndata: {\"say\":\"one\\\\ntwo\"}\n\n$"; !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%q", got)
	}
	if w.Header().Get("Content-Type") != "text/event-stream" || w.Header().Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers: %v", w.Header())
	}
}

// A gone is a client that has left.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestAClientThatLeft(t *testing.T) {
	if eventstream.New(gone{httptest.NewRecorder()}).Send("\n") {
		t.Error("sent")
	}
}
