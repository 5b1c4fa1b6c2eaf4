// Package adopt moves the sessions of another session system to Wafer without logging anybody out.
//
// Make an [Adopter] with [New] for a limited time. Where the other system finds a good session in a
// request, call [Adopter.Adopt]. For the cookies of gorilla/securecookie, package gorilla does all
// of this.
//
// # What is kept
//
// The id of the new session is derived from the credential of the old one. So a credential that is
// presented twice gives one session, and the revocation list is asked whether that one was revoked:
// a logout cannot be undone with an old credential. While the list cannot answer, the session is
// undecided (httpmw.ErrUndecided).
//
// All sessions of a system are in one [Group], so they can be recognized, and revoked, together.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/foreign"
)

// Event is the kind of the event of a session that continues one of another system. The same
// session may be adopted, and an event told, several times.
const Event httpmw.EventKind = foreign.Event

// Group returns the group of all sessions adopted from a system. Revoking it ends them, and
// prevents sessions saved before from being adopted. No other session can be in it: httpmw refuses
// groups that begin with "adopted:" in Login, SetGroups and Issue.
func Group(system string) string { return foreign.GroupPrefix + system }

// A Predecessor is one session of the other system, which must have found it good.
type Predecessor struct {
	// Credential is what proves the session: what its client sent, after it was verified, and in
	// one spelling only. A client that could spell its credential in two ways could come back after
	// a logout.
	Credential []byte `json:"-"`

	// Saved is when the other system made the credential; it must be the same each time the
	// credential is presented. It becomes the login time, so a revocation of the subject after it
	// holds, and the absolute limit counts from it. Revocations from before Config.From hold as far
	// as the list still remembers them.
	Saved time.Time
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (p Predecessor) Format(f fmt.State, _ rune) { io.WriteString(f, "adopt.Predecessor") }

// An Adopter continues sessions of another system. It may be used by any number of goroutines.
type Adopter[T any] struct {
	Config
	manager foreign.Manager
	count   *counters
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (a Adopter[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "adopt.Adopter") }

// Adopt makes s the continuation of p: a session of id with data. It asks the store of the list. If
// the store does not answer, the session is undecided and the error is httpmw.ErrUndecided. A
// session that is logged in already stays as it is, see [Adopter.EndWith]; an anonymous one is
// replaced, together with its data. If data is to be loaded again (httpmw.Manager.OnReload), that
// is done with data as what the session held.
//
// If a login is required first, of p or of the session that is there, the error is
// httpmw.ErrReauthenticate. Other errors are those of Login and Set; httpmw.ErrRevoked and ErrExpired;
// ErrMalformed for a Predecessor without a credential or with an impossible time; and ErrNoLogin before
// Config.From and from Config.Until on.
func (a *Adopter[T]) Adopt(ctx context.Context, s *httpmw.Session[T], p Predecessor, id httpmw.Identity, data T) error {
	if !a.active(time.Now()) {
		return fmt.Errorf("%w: sessions are adopted only between From and Until of adopt.Config", httpmw.ErrNoLogin)
	}
	began, err := s.Foreign().Continue(ctx, foreign.Session{
		ID: a.sessionID(p.Credential), Group: Group(a.System), Login: p.Saved, Began: a.began(),
		Subject: id.Subject, Groups: id.Groups, Methods: id.Methods, Until: id.Until, Remember: id.Remember, Data: data,
	})
	switch {
	case began:
		a.count.moved.Add(1)
	case errors.Is(err, httpmw.ErrUndecided):
		a.count.undecided.Add(1)
	case err != nil:
		a.count.refused.Add(1)
	}
	return err
}

// EndWith notes that p came with the request of s. If Logout, LogoutEverywhere, Login or
// LogoutOthers ends s, the session that p would become ends too, so that a copy of p does not
// outlive the logout. Adopt does this itself.
func (a *Adopter[T]) EndWith(s *httpmw.Session[T], p Predecessor) {
	if len(p.Credential) > 0 && a.active(time.Now()) {
		s.Foreign().AlsoEnds(a.sessionID(p.Credential))
	}
}

// Retire expires the cookie of another system, of which Name, Path and Domain count, when the
// response ends the session s; and, unless keep is set, when the client has or gets the cookie of
// s. Call it when that cookie came.
func Retire[T any](s *httpmw.Session[T], c http.Cookie, keep bool) {
	expired := http.Cookie{
		Name: c.Name, Path: c.Path, Domain: c.Domain, Secure: c.Secure, HttpOnly: true, SameSite: c.SameSite,
		Partitioned: c.Partitioned, MaxAge: -1, Expires: time.Unix(1, 0),
	}
	line := expired.String()
	s.Foreign().AtCommit(func(ends, has bool) string {
		if ends || has && !keep {
			return line
		}
		return ""
	})
}

// Stats count what became of sessions of another system since the program started.
type Stats struct {
	Moved     uint64 // sessions that continue here
	Refused   uint64 // revoked, too old, or unfit to make a session of; the Manager counts the reasons
	Undecided uint64 // not continued for now, because the list could not answer
	Invalid   uint64 // gorilla: old cookies that do not open
	Declined  uint64 // gorilla: old cookies of which Config.Read made no session
	Ended     uint64 // gorilla: sessions ended because the other system had ended theirs
}

type counters struct{ moved, refused, undecided atomic.Uint64 }

// Stats returns the present counters. When Moved no longer grows, nobody needs the Adopter any
// more.
func (a *Adopter[T]) Stats() Stats {
	return Stats{Moved: a.count.moved.Load(), Refused: a.count.refused.Load(), Undecided: a.count.undecided.Load()}
}
