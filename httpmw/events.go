package httpmw

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// An EventKind says what happened to a session.
type EventKind string

const (
	EventLogin            EventKind = "login"             // a login began a session
	EventSetGroups        EventKind = "set_groups"        // a session continues under a new id with other groups
	EventLogout           EventKind = "logout"            // a session ended
	EventLogoutOthers     EventKind = "logout_others"     // all other sessions of the subject ended; this one continues under a new id
	EventLogoutEverywhere EventKind = "logout_everywhere" // all sessions of the subject ended
	EventRefused          EventKind = "refused"           // a session came and was refused, or could not be decided
	EventSeen             EventKind = "seen"              // a session is in use; only Config.Devices is told
)

// An Event describes one change, for an audit log or for the application's own table of a user's
// devices. Renewals are not told. An event does not mean that the browser got the cookie.
//
// fmt, log/slog and encoding/json print neither Subject nor Device nor Request, which holds cookies,
// as a part of an Event. To log the subject, name it.
type Event struct {
	Kind     EventKind
	Session  string // its id; of a refused session only if its cookie opened
	Previous string // the id it had before; "" if it is new
	Subject  string `json:"-"` // "" if nobody was logged in
	Device   string `json:"-"` // Identity.Device of a login
	Err      error  // why it was refused (see Reason), or why a logout was not acknowledged

	// What else is known of a session that somebody is logged in to. Zero: not known.
	LoginTime time.Time // see Session.LoginTime
	Began     time.Time // in log time: a revocation with a later Options.Before ends it
	Expires   time.Time // when it ends if it is not used again

	// Request is the one being answered, nil for Check and Issue. It must not be changed.
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

// tell hands events to the application. No lock of the session may be held: the application may use
// it.
func (c *core) tell(ctx context.Context, events ...Event) {
	for _, e := range events {
		if c.cfg.Devices != nil {
			c.cfg.Devices.OnEvent(ctx, e)
		}
		if c.cfg.OnEvent != nil {
			c.cfg.OnEvent(ctx, e)
		}
	}
}
