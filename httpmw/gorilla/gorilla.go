// Package gorilla moves the users of an application from the cookies of gorilla/securecookie, and so of the CookieStore of
// gorilla/sessions, to Wafer without logging them out.
//
// Describe the old cookie in a [Config], make a [Mover] with [New], and put [Mover.Handler] where
// [httpmw.Manager.Handler] stood. A request that comes with an old cookie and no session begins one. Take it all
// out again after [Config.Until].
//
// # What moving keeps
//
// The session id is derived from the old cookie, and the login time is the cookie's own timestamp. So the same cookie,
// presented twice, gives one session; and the list is asked whether that was revoked, which a replay after a logout
// finds. While the list cannot answer nobody is moved, and the session is undecided.
//
// The absolute limit counts from that timestamp, which is when the old application wrote the cookie last: one older than
// Config.Absolute of the Manager is not moved. Old cookies are as safe as they were: whoever holds the old keys can
// make them until Config.Until.
//
// # While old replicas still run
//
// With [Config.KeepOld] the old cookie stays, for replicas that know nothing of Wafer, and has the last word on the
// sessions that came from it. Logging out of the new application expires it. When it is gone, or of somebody else, the
// old application has logged that session out, and so does Mover. It must therefore be sent wherever the new one is:
// same Domain, a Path of "/", and a SameSite no stricter.
//
// Timestamps of old cookies are whole seconds: who logs out and in again within one, on an old replica, may be taken for
// logged out still.
//
// Old replicas ask no list. A copy of an old cookie works there, and may be written anew there, until the last of them
// is gone. Who logs in on a new replica is not logged in on an old one. A session that was begun or switched there does
// not depend on any old cookie.
package gorilla

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
)

// Config describes the old cookies, and how long they are moved.
type Config[T any] struct {
	// Cookie is the name of the old cookie, and has to be given. With gorilla/sessions it is the name of the session.
	Cookie string

	// Codecs open the old cookie, the first that can, and have to be given: keys, serializer, MaxAge and MaxLength as
	// the old application sets them. Of gorilla/sessions it is the Codecs of the CookieStore. They have to be of
	// securecookie.
	Codecs []securecookie.Codec

	// Read makes a session of what an old cookie held, and has to be given. It says false if nobody should be moved, as
	// for a session that was logged out. Without a Subject only the data is moved, into an anonymous session. At most
	// 7 groups. Values decoded from JSON have keys of type string. It is called by many goroutines at once.
	Read func(values map[any]any) (id httpmw.Identity, data T, ok bool)

	// From and Until are when moving begins and ends, and have to be given, see httpmw.Adoption: the list has begun
	// before From and remembers for as long as from there to Until.
	From, Until time.Time

	// KeepOld leaves the old cookie to the replicas of the old application while a rolling deploy lasts.
	// Zero: it is expired once the browser has the new one.
	KeepOld bool

	// Path and Domain as the old application set them on the cookie, without which it would not go.
	// Zero: "/", and no Domain.
	Path, Domain string
}

// Format implements [fmt.Formatter]: every verb prints the name of the type. The Codecs hold keys.
func (c Config[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "gorilla.Config") }

// Group returns the group of all sessions that were moved from the old cookie of that name. Revoking it ends them,
// and the moving of cookies from before.
func Group(cookie string) string { return "gorilla:" + cookie }

// A Mover begins sessions from old cookies. It may be used by any number of goroutines.
type Mover[T any] struct {
	manager *httpmw.Manager[T]
	adopter *httpmw.Adopter[T]
	config  Config[T]
	old     http.Cookie // as it is expired
	count   counters
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (m *Mover[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "gorilla.Mover") }

// New returns a Mover of old cookies to sessions of m. It refuses a Config that lacks something.
func New[T any](m *httpmw.Manager[T], c Config[T]) (*Mover[T], error) {
	if c.Path == "" {
		c.Path = "/"
	}
	old := http.Cookie{Name: c.Cookie, Path: c.Path, Domain: c.Domain, Secure: strings.HasPrefix(c.Cookie, "__")}
	switch err := old.Valid(); {
	case m == nil:
		return nil, errors.New("gorilla: there is no Manager")
	case err != nil:
		return nil, fmt.Errorf("gorilla: Config.Cookie, Path or Domain: %w", err)
	case len(c.Codecs) == 0:
		return nil, errors.New("gorilla: Config.Codecs: there are none")
	case len(c.Codecs) > maxCodecs:
		return nil, fmt.Errorf("gorilla: Config.Codecs: more than %d", maxCodecs)
	case c.Read == nil:
		return nil, errors.New("gorilla: Config.Read: there is none")
	}
	for _, codec := range c.Codecs {
		if _, ok := codec.(*securecookie.SecureCookie); !ok {
			return nil, fmt.Errorf("gorilla: Config.Codecs: the timestamp of a %T cannot be known", codec)
		}
	}
	a, err := m.Adopter(httpmw.Adoption{System: Group(c.Cookie), From: c.From, Until: c.Until})
	if err != nil {
		return nil, fmt.Errorf("gorilla: %w", err)
	}
	return &Mover[T]{manager: m, adopter: a, config: c, old: old}, nil
}

// Handler is the Manager's Handler, with the old cookies moved before next sees the session.
func (m *Mover[T]) Handler(next http.Handler) http.Handler {
	return m.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if now := time.Now(); !now.Before(m.config.From) && now.Before(m.config.Until) {
			m.look(r)
		}
		next.ServeHTTP(w, r)
	}))
}

// look compares the session with the old cookie, and moves that if it should.
func (m *Mover[T]) look(r *http.Request) {
	values := find(r, m.config.Cookie)
	if len(values) == 0 && (!m.config.KeepOld || len(r.Header["Cookie"]) == 0) {
		return
	}
	ctx := r.Context()
	s := m.manager.From(ctx)
	if len(values) > 0 {
		s.Retire(m.old, m.config.KeepOld)
	}
	if s.LoggedIn() {
		if m.config.KeepOld && s.InGroup(Group(m.config.Cookie)) {
			m.follow(ctx, s, values)
		}
		return
	}
	// A cookie of ours that was good once says more than the old one. One that does not open says nothing.
	if err := s.Err(); err == nil || errors.Is(err, httpmw.ErrInvalid) {
		if p, ok := m.open(values); ok {
			m.move(ctx, s, p)
		}
	}
}

// follow ends a moved session that the old application has ended. If that did not reach the store the session is
// refused here all the same, and the cookies go.
func (m *Mover[T]) follow(ctx context.Context, s *httpmw.Session[T], values []string) {
	p, ok := m.open(values)
	if ok && p.id.Subject == s.Subject() {
		return
	}
	m.count.ended.Add(1)
	_ = s.Logout(ctx) // told to OnEvent
	if ok {
		m.move(ctx, s, p)
	}
}

func (m *Mover[T]) move(ctx context.Context, s *httpmw.Session[T], p past[T]) {
	if p.id.Subject == "" {
		if s.ID() == "" && s.Set(p.data) == nil {
			m.count.moved.Add(1)
		}
		return
	}
	switch err := m.adopter.Adopt(ctx, s, p.Past, p.id, p.data); {
	case err == nil:
		m.count.moved.Add(1)
	case errors.Is(err, httpmw.ErrUndecided):
		m.count.undecided.Add(1)
	default:
		m.count.refused.Add(1)
	}
}

// Stats are counters of one Mover since it was made. Refusals and undecided sessions are in those of the Manager, by reason.
type Stats struct {
	Moved     uint64 // sessions begun from an old cookie
	Refused   uint64 // old cookies whose session was revoked, is too old, or cannot be a session of ours
	Undecided uint64 // old cookies that came while the list could not answer
	Invalid   uint64 // old cookies that do not open, or are of nobody
	Ended     uint64 // moved sessions that the old application had ended
}

type counters struct{ moved, refused, undecided, invalid, ended atomic.Uint64 }

// Stats returns the counters of now. When Moved stands still, nobody needs the Mover any more.
func (m *Mover[T]) Stats() Stats {
	n := &m.count
	return Stats{n.moved.Load(), n.refused.Load(), n.undecided.Load(), n.invalid.Load(), n.ended.Load()}
}
