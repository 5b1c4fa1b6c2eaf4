// Package gorilla moves the users of an application from the cookies of gorilla/securecookie, and
// so of the CookieStore of gorilla/sessions, to Wafer without logging them out.
//
// Describe the old cookie in a [Config], make a [Mover] with [New], and put [Mover.Handler] where
// [httpmw.Manager.Handler] stood. A request that comes with an old cookie and no session begins
// one. Take it all out again after [Config.Until].
//
// # What moving keeps
//
// The session id is derived from the old cookie, and the login time is the cookie's own timestamp.
// So the same cookie, presented twice, gives one session; and the list is asked whether that was
// revoked, which a replay after a logout finds. While the list cannot answer nobody is moved, and
// the session is undecided.
//
// The absolute limit counts from that timestamp, which is when the old application wrote the cookie
// last: a cookie older than Config.Absolute of the Manager is not moved. Old cookies are as safe as
// they were: a holder of the old keys can make them until Config.Until.
//
// # While old replicas still run
//
// Until [Config.OldUntil] the old cookie stays for replicas that do not use Wafer, and decides
// about the sessions that came from it. Logging out of the new application expires it, and so does
// a revocation once the browser comes to a new replica. When it is gone, or is another user's, the
// old application has ended that session, and so does Mover. It must therefore be sent wherever the
// new one is: same Domain, a Path of "/", and a SameSite no stricter.
//
// A logout ends the moved session and what would become of the old cookie that came with it, so a
// copy of either is refused by every new replica.
//
// Timestamps of old cookies are whole seconds. A user who logs out and in again within one second
// on an old replica may have to log in once more.
//
// Old replicas ask no list, so until the last of them is gone a copy of an old cookie works there.
// If an old replica writes the copy anew, new replicas take the result for another login. A login
// with Session.Login on a new replica is not one on an old replica, and depends on no old cookie,
// so the login handler should go on writing the old cookie.
package gorilla

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
)

// Config describes the old cookies, and for how long they are moved.
type Config[T any] struct {
	// Cookie is the name of the old cookie. It is required. With gorilla/sessions it is the name of
	// the session.
	Cookie string

	// Codecs open the old cookie; the first that can does. They are required, with the keys,
	// serializer, MaxAge and MaxLength that the old application sets. With gorilla/sessions they
	// are the Codecs of the CookieStore. They must be of type *securecookie.SecureCookie.
	Codecs []securecookie.Codec

	// Read makes a session of the values of an old cookie. It is required. It returns false if
	// nobody should be moved, as for a session that was logged out. Without a Subject only the data
	// is moved, into an anonymous session. At most 7 groups. Values decoded from JSON have keys of
	// type string. It is called by many goroutines at once.
	Read func(values map[any]any) (id httpmw.Identity, data T, ok bool)

	// From is when moving begins, see adopt.Config. Zero: when the list began.
	From time.Time

	// Until is when moving ends. It is required, and at most the list's MaxIdle after From.
	Until time.Time

	// OldUntil is until when replicas of the old application may run, in a rolling deploy and after
	// a way back. Until then the old cookie stays for them. It is the same on all replicas, whose
	// clocks may differ by a minute, and may be moved later as long as it has not come. Afterwards
	// the old cookie is expired once the browser has the new one. Not later than Until. Zero: at
	// once.
	OldUntil time.Time

	// Path and Domain as the old application set them on the cookie, without which it would not go.
	// Zero: "/", and no Domain.
	Path, Domain string

	// Logger is told why old cookies do not open, each reason at most once a minute. It receives
	// nothing of what they hold. Zero: slog.Default().
	Logger *slog.Logger
}

// Format implements [fmt.Formatter]: every verb prints the name of the type. The Codecs hold keys.
func (c Config[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "gorilla.Config") }

// Group returns the group of all sessions that were moved from the old cookie of that name.
// Revoking it ends them, and prevents cookies from before from being moved.
func Group(cookie string) string { return adopt.Group(system(cookie)) }

func system(cookie string) string { return "gorilla:" + cookie }

// A Mover begins sessions from old cookies. It may be used by any number of goroutines.
type Mover[T any] struct {
	manager *httpmw.Manager[T]
	adopter *adopt.Adopter[T]
	config  Config[T]
	expired http.Cookie // the old one
	count   counters
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (m *Mover[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "gorilla.Mover") }

// New returns a Mover of old cookies to sessions of m. It refuses an incomplete Config. With gob it
// registers []any, the type of flash messages, as gorilla/sessions does.
func New[T any](m *httpmw.Manager[T], c Config[T]) (*Mover[T], error) {
	if c.Path == "" {
		c.Path = "/"
	}
	expired := http.Cookie{Name: c.Cookie, Path: c.Path, Domain: c.Domain, Secure: strings.HasPrefix(c.Cookie, "__"),
		HttpOnly: true, MaxAge: -1, Expires: time.Unix(1, 0)}
	switch err := expired.Valid(); {
	case m == nil:
		return nil, errors.New("gorilla: New: nil Manager")
	case err != nil:
		return nil, fmt.Errorf("gorilla: Config.Cookie, Path or Domain: %w", err)
	case len(c.Codecs) == 0:
		return nil, errors.New("gorilla: Config.Codecs is empty: set the codecs of the old application")
	case len(c.Codecs) > maxCodecs:
		return nil, fmt.Errorf("gorilla: Config.Codecs: at most %d are allowed", maxCodecs)
	case c.Read == nil:
		return nil, errors.New("gorilla: Config.Read is not set: set the function that makes a session of old values")
	case c.OldUntil.After(c.Until):
		return nil, errors.New("gorilla: Config.OldUntil is after Until: old cookies are no longer moved by then")
	}
	for _, codec := range c.Codecs {
		if _, ok := codec.(*securecookie.SecureCookie); !ok {
			return nil, fmt.Errorf("gorilla: Config.Codecs: a %T is not a *securecookie.SecureCookie, so the timestamp of its cookies cannot be read", codec)
		}
	}
	a, err := adopt.New(m, adopt.Config{System: system(c.Cookie), From: c.From, Until: c.Until})
	if err != nil {
		return nil, fmt.Errorf("gorilla: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	gob.Register([]any{}) // of flash messages; again does no harm
	return &Mover[T]{manager: m, adopter: a, config: c, expired: expired}, nil
}

// Handler is the Manager's Handler, but moves the old cookies before next sees the session.
func (m *Mover[T]) Handler(next http.Handler) http.Handler {
	return m.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if now := time.Now(); !now.Before(m.config.From) && now.Before(m.config.Until) {
			m.look(w, r, now)
		}
		next.ServeHTTP(w, r)
	}))
}

// overlap is how long after OldUntil old cookies stay but are no longer followed: the clocks of
// replicas differ.
const overlap = time.Minute

// look compares the session with the old cookie, and moves that one if it should.
func (m *Mover[T]) look(w http.ResponseWriter, r *http.Request, now time.Time) {
	values := find(r, m.config.Cookie)
	follow := now.Before(m.config.OldUntil)
	if len(values) == 0 && (!follow || len(r.Header["Cookie"]) == 0) {
		return
	}
	ctx := r.Context()
	s := m.manager.From(ctx)
	pasts := m.open(ctx, values)
	switch {
	case errors.Is(s.Err(), httpmw.ErrRevoked):
		// The revocation was about this browser, so the old cookie goes with it, also for old
		// replicas. It goes before next runs, and so before a login that next may write into the
		// same answer.
		m.beside(s, pasts)
		_ = s.Logout(ctx)
		if len(values) > 0 {
			http.SetCookie(w, &m.expired)
		}
		return
	case follow && s.InGroup(Group(m.config.Cookie)) && (len(pasts) == 0 || pasts[0].id.Subject != s.Subject()):
		// The old application has ended it. If that does not reach the store the session is refused
		// here all the same, and its cookies go. The old one stays as the old application left it.
		m.count.ended.Add(1)
		_ = s.Logout(ctx) // told to OnEvent
		if len(pasts) == 0 {
			return
		}
	}
	if len(values) > 0 {
		adopt.Retire(s, m.expired, now.Before(m.config.OldUntil.Add(overlap)))
	}
	err := s.Err()
	if s.LoggedIn() || s.Locked() != "" || errors.Is(err, httpmw.ErrExpired) && !follow || errors.Is(err, httpmw.ErrUnavailable) {
		m.beside(s, pasts) // the session says more than the old cookie
		return
	}
	if len(pasts) > 0 {
		m.move(ctx, s, pasts[0])
		m.beside(s, pasts[1:])
	}
}

// beside has a logout end what came with the session, too: old replicas write the old cookie anew,
// which makes it another credential.
func (m *Mover[T]) beside(s *httpmw.Session[T], pasts []past[T]) {
	for _, p := range pasts {
		if p.id.Subject != "" {
			m.adopter.EndWith(s, p.Predecessor)
		}
	}
}

func (m *Mover[T]) move(ctx context.Context, s *httpmw.Session[T], p past[T]) {
	if p.id.Subject == "" {
		if s.ID() == "" && s.Set(p.data) == nil {
			m.count.anonymous.Add(1)
		}
		return
	}
	_ = m.adopter.Adopt(ctx, s, p.Predecessor, p.id, p.data) // which counts, and Err says
}

// Stats returns the present counters. When Moved no longer grows, nobody needs the Mover any more.
// Invalid should not grow either: it counts requests with old cookies that do not open, which is
// all of them if Codecs are not those of the old application.
func (m *Mover[T]) Stats() adopt.Stats {
	s, n := m.adopter.Stats(), &m.count
	s.Moved += n.anonymous.Load()
	s.Declined, s.Ended = n.declined.Load(), n.ended.Load()
	for i := range n.invalid {
		s.Invalid += n.invalid[i].Load()
	}
	return s
}
