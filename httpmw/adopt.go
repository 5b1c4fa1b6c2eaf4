package httpmw

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

// An Adoption says which sessions of another system are continued here, and when: for moving an application's
// users over without logging them out.
type Adoption struct {
	// System names the other system, 1 to 256 bytes without NUL. Every adopted session is in the group of that name, so all
	// of them can be recognised, and revoked, together.
	System string

	// From is when adopting begins, and has to be given. The revocation list has to have begun before it, with the MaxIdle
	// it has now, or it could not vouch for the time since: sessions from before would be refused, with ErrListLost or
	// ErrExpiredIdle.
	From time.Time

	// Until is when adopting ends, and has to be given. Not later than the list's MaxIdle after From: the list
	// has to remember, as long as old sessions come, which of them were revoked.
	Until time.Time
}

// EventAdopt is the Event of a session that continues one of another system. The same one may be adopted, and
// told of, several times.
const EventAdopt EventKind = "adopt"

// An Adopter continues sessions of another system. It may be used by any number of goroutines.
type Adopter[T any] struct {
	core *core
	Adoption
}

// Adopter returns what adopts sessions as a says, or why it could not.
func (m *Manager[T]) Adopter(a Adoption) (*Adopter[T], error) {
	switch {
	case a.System == "" || len(a.System) > maxID || hasNUL(a.System):
		return nil, configError("Adoption.System", "a name has 1 to %d bytes without NUL", maxID)
	case a.From.IsZero():
		return nil, configError("Adoption.From", "there is none")
	case a.Until.IsZero():
		return nil, configError("Adoption.Until", "there is none: a migration has to end")
	case !a.Until.After(a.From):
		return nil, configError("Adoption.Until", "it is not after From")
	}
	if long, remembered := a.Until.Sub(a.From), m.core.list.MaxIdle(); m.core.list.Enabled() && long > remembered {
		return nil, configError("Adoption.Until", "it is %v after From, but the list remembers revocations for %v, so a logout could be undone "+
			"with an old session: raise the MaxIdle of revocation.Config", long, remembered)
	}
	return &Adopter[T]{m.core, a}, nil
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (a Adopter[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Adopter") }

// A Past is one session of the other system, which must have found it good.
type Past struct {
	// Credential is what proves the session: whatever its client sent, verified, in one spelling only. Whoever
	// could spell one credential in two ways could come back after a logout.
	Credential []byte `json:"-"`

	// Saved is when the other system made the credential: the same at every presentation. It becomes the login
	// time, so a revocation of the subject after it holds, and the absolute limit counts from it. Of revocations from
	// before From, when nothing could be adopted, those hold that the list still remembers.
	Saved time.Time
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (p Past) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Past") }

// Adopt makes s the continuation of p: a session of id with data. Its id is derived from the credential, so adopting twice
// gives one session, which is adopted no more once it was revoked. The store of the list is asked; if it is silent
// the session is undecided, ErrUndecided. A session that is logged in already stays as it is, an anonymous one is
// replaced, with its data.
//
// Other errors are those of Login and Set, ErrRevoked, ErrExpired, ErrInvalid for a Past that cannot be one, and
// ErrNoLogin before From and from Until on.
func (a *Adopter[T]) Adopt(ctx context.Context, s *Session[T], p Past, id Identity, data T) error {
	now := time.Now()
	if now.Before(a.From) || !now.Before(a.Until) {
		return fmt.Errorf("%w: outside of the time of adoption", ErrNoLogin)
	}
	raw, err := a.core.encode(data)
	if err != nil {
		a.core.note(ctx, ReasonData, now)
		return err
	}
	event, err := s.st.adopt(ctx, a.Adoption, p, id, raw, now)
	if event.Reason != "" {
		a.core.note(ctx, event.Reason, now)
	}
	if event.Kind != "" {
		event.Err = err
		a.core.tell(ctx, event)
	}
	return err
}

// adoptable is how far ahead the clock of the other system may be.
const adoptable = time.Minute

func (s *state) adopt(ctx context.Context, a Adoption, p Past, id Identity, raw []byte, now time.Time) (Event, error) {
	s.read()
	defer s.mu.Unlock()
	if err := s.changeable(); err != nil {
		return Event{}, err
	}
	if s.status == alive && len(s.tok.Subject) > 0 {
		return Event{}, nil
	}
	if len(p.Credential) == 0 || p.Saved.Unix() <= 0 || p.Saved.After(now.Add(adoptable)) {
		return Event{Kind: EventRefused, Reason: ReasonMalformed, Request: s.request}, ErrMalformed
	}
	o, err := s.core.past(a, p, id, now)
	if err != nil {
		return Event{Reason: ReasonData}, err
	}
	s.mayEnd(&o, now)
	if now.Unix() >= o.tok.End {
		o.status, o.reason = none, ReasonExpiredAbsolute
	} else {
		s.core.decide(ctx, &o)
	}
	previous := s.sid()
	if o.status == alive {
		o.tok.Data = raw
		o.chk, o.line = o.query.Checked, o.query.Line
		o.tok.Checked, o.tok.Line = o.chk, o.line
		if err := s.replace(&o, now); err != nil {
			return Event{Reason: ReasonData}, err
		}
		return s.event(EventAdopt, previous), nil
	}
	event := Event{Kind: EventRefused, Session: o.tok.ID.String(), Subject: id.Subject, Reason: o.reason, Request: s.request}
	switch {
	case o.status == undecided: // it may be a living session, so nothing is written over it
		s.opened = o
		s.query.Groups = s.groups[:s.tok.Groups]
		s.version++
		return event, ErrUndecided
	case s.status == none:
		s.opened = opened{reason: o.reason}
	}
	return event, o.reason.err()
}

// past describes the session that continues p, as it has to be put to the list.
func (c *core) past(a Adoption, p Past, id Identity, now time.Time) (opened, error) {
	limits := Limits{c.cfg.Idle, c.cfg.Absolute}
	if id.Remember {
		if limits = c.cfg.Remember; limits == (Limits{}) {
			return opened{}, fmt.Errorf("%w: Remember is asked for, but Config.Remember is not set", ErrIdentity)
		}
	}
	id.Groups = append(id.Groups[:len(id.Groups):len(id.Groups)], a.System)
	o, err := c.identify(id, limits, p.Saved)
	if err != nil {
		return opened{}, err
	}
	o.status = none
	o.tok.ID = c.pastID(a.System, p.Credential)
	o.tok.IssuedAt = now.Unix()
	o.tok.Expires = min(now.Unix()+seconds(limits.Idle), o.tok.End)
	// Nobody could revoke what nobody had adopted, so nothing matched before From. Of no line is what no list has
	// said anything of yet: such a session is asked about, never decided by the window.
	o.begin(revocation.Start{Epoch: o.tok.AuthTime * 1000, Checked: max(o.tok.AuthTime*1000, a.From.UnixMilli())})
	return o, nil
}

// pastID derives the session id: only who holds the list key could, so a credential cannot be recognised by it.
func (c *core) pastID(system string, credential []byte) (id token.ID) {
	secret := c.keys.Ring().ListSecret("wafer httpmw: adopted session ids")
	h := hmac.New(sha256.New, secret[:])
	for _, part := range []string{c.cfg.App, system} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(credential)
	copy(id[:], h.Sum(nil))
	return id
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// Retire expires the cookie of another system, of which Name, Path and Domain count, when the response ends the
// session; and, unless keep, when the client has or gets the session's own cookie. Call it when that cookie came.
func (s *Session[T]) Retire(c http.Cookie, keep bool) {
	old := http.Cookie{
		Name: c.Name, Path: c.Path, Domain: c.Domain, Secure: c.Secure, HttpOnly: true, SameSite: c.SameSite, Partitioned: c.Partitioned,
		MaxAge: -1, Expires: time.Unix(1, 0),
	}
	s.st.read()
	defer s.st.mu.Unlock()
	s.st.retired, s.st.keep = old.String(), keep
	s.st.came = true // for Logout, also of who has no more than that cookie
}

// retire returns the line that expires the cookie of another system, if it is time: lines are those of the session
// that leave. A session that was to be written and was not gets another chance with the old cookie.
func (s *state) retire(lines []string) []string {
	switch {
	case s.retired == "":
	case s.change == ended, !s.keep && s.status == alive && (s.change == unchanged || len(lines) > 0):
		return append(lines, s.retired)
	}
	return lines
}
