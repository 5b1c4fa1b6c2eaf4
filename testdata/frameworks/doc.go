// Package frameworks shows Wafer in applications that are written with chi, gorilla/mux, gin and echo: a login, pages that need one,
// data in the session, a stream of events, a logout. Each file is one application, to be read and copied alone; docs/frameworks.md has the notes.
//
// All four follow one rule: Manager.Handler is the outermost handler, around the router, so that it sees the headers leave whatever
// the framework does to the ResponseWriter. What the framework wraps is then Wafer's writer, and not the other way round.
package frameworks

import (
	"fmt"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
)

// A Visit is what these applications keep in a session.
type Visit struct {
	Count int `json:"count"`
}

// Sessions is the manager that an application makes once, with httpmw.New.
type Sessions = httpmw.Manager[Visit]

// stream sends events to w, the writer that the framework gave its handler, until the session or the client is gone.
func stream(w http.ResponseWriter, r *http.Request, sessions *Sessions) {
	ctx, cancel := sessions.From(r.Context()).Watch(r.Context())
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: hello\n\n")
	control := http.NewResponseController(w)
	if control.Flush() != nil {
		return
	}
	_ = control.SetWriteDeadline(time.Time{}) // waiting may last; the server's WriteTimeout is for pages
	<-ctx.Done()                              // and whatever the application has to tell
	if r.Context().Err() == nil {
		fmt.Fprint(w, "event: end\ndata:\n\n") // the reason is context.Cause(ctx): not for the client
	}
}

// ended answers a logout. An error means that the store has not acknowledged it: the cookie is gone, and copies of it may live on for a while.
func ended(err error) (status int, text string) {
	if err != nil {
		return http.StatusServiceUnavailable, "signed out here, and everywhere soon"
	}
	return http.StatusOK, "signed out"
}
