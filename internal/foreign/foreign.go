// Package foreign is how httpmw/adopt puts sessions of other systems into httpmw. It is internal
// because code that sets the id and the login time of a session must keep the rules that package
// adopt keeps.
package foreign

import (
	"context"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

const (
	// GroupPrefix begins the names of groups that hold only sessions of other systems. No other
	// session can be put into one.
	GroupPrefix = "adopted:"

	// Event is the kind of the event of such a session.
	Event = "adopt"
)

// A Session is one of another system as it is to continue.
type Session struct {
	ID    token.ID  // derived from the credential; zero: there was none
	Group string    // begins with GroupPrefix
	Login time.Time // when it was saved there; it counts as the login
	// Began is the moment before which no session of that system can have been revoked. Zero: not
	// known.
	Began time.Time

	Subject  string
	Groups   []string
	Methods  []string
	Until    time.Time
	Remember bool
	Data     any
}

// A Manager is what adopt needs to know of an httpmw.Manager.
type Manager struct {
	App     string
	Keys    keys.Source
	Replica *replica.Replica
	Logger  *slog.Logger
	// KeepGroup has SetGroups keep the group of that name in sessions that are in it.
	KeepGroup func(name string)
}

// A Client is one request with the session it has.
type Client interface {
	// Continue makes s the session, unless somebody is logged in: then a logout ends s as well. It
	// asks the store of the list. It reports whether s is the session now; errors are those of
	// httpmw.
	Continue(ctx context.Context, s Session) (bool, error)

	// AlsoEnds has a logout end the session of that id as well.
	AlsoEnds(id token.ID)

	// AtCommit sets the function that is asked for one more Set-Cookie line just before the headers
	// leave, "" for none. It is told whether the response ends the session, and whether the client
	// has or gets the session's own cookie. It must not use the session. A logout is then taken to
	// have a cookie to expire.
	AtCommit(line func(ends, has bool) string)
}
