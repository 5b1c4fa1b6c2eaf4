package httpmw

import (
	"context"
	"fmt"
	"net/http"
)

// An EventKind says what happened to a session.
type EventKind string

const (
	EventLogin            EventKind = "login"             // a session of a subject began
	EventSetGroups        EventKind = "set_groups"        // it continues under a new id, with other groups
	EventLogout           EventKind = "logout"            // it ended
	EventLogoutOthers     EventKind = "logout_others"     // all others of its subject ended; it continues under a new id
	EventLogoutEverywhere EventKind = "logout_everywhere" // all of its subject ended
	EventRefused          EventKind = "refused"           // a cookie came and was refused, or could not be decided
)

// An Event tells of one change, for an audit log or for the application's own table of a user's devices.
// Renewals are no events. That an event was told does not mean that the browser got the cookie.
//
// Subject is there to be used, and the request holds cookies: neither is printed with an Event by fmt, log/slog or
// encoding/json. Who wants the subject in a log names it.
type Event struct {
	Kind     EventKind
	Session  string // id of the session; of a refused one only if its cookie opened
	Previous string // id it had before; "" if it is new
	Subject  string `json:"-"` // "" if nobody was logged in
	Err      error  // why it was refused, see Reason; or what a logout returned: the store may not have acknowledged it
	// Request is the one being answered, nil for Check and Issue. Not to be changed.
	Request *http.Request `json:"-"`
}

// Format implements [fmt.Formatter]: every verb prints the kind and, of a refusal, the reason.
func (e Event) Format(f fmt.State, _ rune) {
	if e.Kind == EventRefused {
		fmt.Fprintf(f, "httpmw.Event(%s: %s)", e.Kind, Reason(e.Err))
		return
	}
	fmt.Fprintf(f, "httpmw.Event(%s)", e.Kind)
}

// tell hands events to the application. No lock of the session may be held: the application may use it.
func (c *core) tell(ctx context.Context, events ...Event) {
	if c.cfg.OnEvent == nil {
		return
	}
	for _, e := range events {
		c.cfg.OnEvent(ctx, e)
	}
}
