package httpmw

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// An Adoption says which sessions of another system are continued here, and when: for moving an application's
// users over without logging them out.
type Adoption struct {
	// System names the other system, 1 to 248 bytes without NUL. Every adopted session is in the group AdoptedGroup of that
	// name, so all of them can be recognised, and revoked, together.
	System string

	// From is when adopting begins. Zero: when the list began, so right for a list that begins with the migration. A list
	// that was in use for longer than its MaxIdle needs a moment before the first replica that adopts is started.
	//
	// The list has to remember what was revoked since From, so one before revocation.List.Began is refused. While the list is
	// still booting that cannot be known: then sessions saved before it began are refused instead.
	//
	// Do not raise the list's MaxIdle, or move From, while sessions are adopted: logouts from before would not count.
	//
	// If the store loses its data, sessions that are not adopted yet have to log in again, unless they were saved since:
	// ErrUndecided for a minute, then ErrListLost. If no replica is left that had read it, nobody can tell that it was
	// lost: with a From of zero a session that was logged out before can be adopted again then, and with an earlier From
	// Manager.Adopter returns an error.
	From time.Time

	// Until is when adopting ends, and has to be given. Not later than the list's MaxIdle after From: the list
	// has to remember, as long as old sessions come, which of them were revoked.
	Until time.Time
}

// AdoptedGroup returns the group of all sessions adopted from a system. Revoking it ends them, and the adopting of what
// was saved before. No other session can be in it: Login, SetGroups and Issue refuse groups that begin with "adopted:".
func AdoptedGroup(system string) string { return adoptedPrefix + system }

const adoptedPrefix = "adopted:"

// adoptedGroups are the groups of the systems that sessions are adopted from.
type adoptedGroups struct {
	mu   sync.Mutex // owns tags
	tags []revlog.Tag
}

func (g *adoptedGroups) add(tag revlog.Tag) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tags = append(g.tags, tag)
}

// keep puts next into the groups of adopted sessions that its predecessor was in: it still rests on the credential of the
// other system, and ends with the group.
func (g *adoptedGroups) keep(next *opened, had []revlog.Tag) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, tag := range had {
		if slices.Contains(g.tags, tag) {
			if err := next.join(tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// EventAdopt is the Event of a session that continues one of another system. The same one may be adopted, and
// told of, several times.
const EventAdopt EventKind = "adopt"

// An Adopter continues sessions of another system. It may be used by any number of goroutines.
type Adopter[T any] struct {
	core *core
	Adoption
	count *adoptions
}

// Adopter returns an Adopter that does what a says. It refuses an Adoption that would let a logout be undone.
func (m *Manager[T]) Adopter(a Adoption) (*Adopter[T], error) {
	switch {
	case a.System == "" || len(a.System) > maxID-len(adoptedPrefix) || hasNUL(a.System):
		return nil, configError("Adoption.System", "a name has 1 to %d bytes without NUL", maxID-len(adoptedPrefix))
	case a.Until.IsZero():
		return nil, configError("Adoption.Until", "there is none: a migration has to end")
	case !a.Until.After(a.From):
		return nil, configError("Adoption.Until", "it is not after From")
	}
	began, lost := m.core.replica.Began()
	from := a.From
	switch {
	case from.IsZero():
		from = began
	case from.Before(began) && !lost:
		return nil, configError("Adoption.From", "it is %s, but of what was revoked before %s, when the list began or its MaxIdle was raised, the "+
			"list may know nothing. If nothing was adopted before that, leave From zero, which means then. If it was, the list has lost logouts: adopt no more", from.UTC().Format(time.RFC3339Nano), began.UTC().Format(time.RFC3339Nano))
	}
	if lost {
		m.core.cfg.Logger.Warn("the revocation list lost data: sessions of the other system that were saved before have to log in again",
			"app", m.core.cfg.App, "system", a.System, "lost", began)
	}
	if long, remembered := a.Until.Sub(from), m.core.replica.MaxIdle(); !from.IsZero() && m.core.replica.Enabled() && long > remembered {
		how := "raise the MaxIdle of revocation.Config"
		if a.From.IsZero() {
			how += ", or, if the list was there before the migration, give From, a moment before the first replica that adopts is started"
		}
		return nil, configError("Adoption.Until", "it is %v after %s, but the list remembers revocations for %v, so a logout could be undone with an old session: %s",
			long, from.UTC().Format(time.RFC3339Nano), remembered, how)
	}
	m.core.adopted.add(m.core.replica.Tag(revlog.ScopeGroup, AdoptedGroup(a.System)))
	return &Adopter[T]{m.core, a, &adoptions{}}, nil
}

// began is the moment before which nothing was adopted, and so nothing that was adopted can have been revoked. The zero
// time if nobody knows: then a session is decided like one that was last checked when it was saved.
func (a *Adopter[T]) began() time.Time {
	if !a.From.IsZero() {
		return a.From
	}
	if began, lost := a.core.replica.Began(); !lost {
		return began
	}
	return time.Time{}
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (a Adopter[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Adopter") }

// A Past is one session of the other system, which must have found it good.
type Past struct {
	// Credential is what proves the session: whatever its client sent, verified, in one spelling only. Whoever
	// could spell one credential in two ways could come back after a logout.
	Credential []byte `json:"-"`

	// Saved is when the other system made the credential: the same at every presentation. It becomes the login
	// time, so a revocation of the subject after it holds, and the absolute limit counts from it. Revocations
	// from before From hold as far as the list still remembers them.
	Saved time.Time
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (p Past) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Past") }

// Adopt makes s the continuation of p: a session of id with data. Its id is derived from the credential, so adopting twice
// gives one session, which is adopted no more once it was revoked. The store of the list is asked; if it is silent
// the session is undecided, ErrUndecided. A session that is logged in already stays as it is, see Beside; an anonymous
// one is replaced, with its data.
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
		a.count.refused.Add(1)
		a.core.note(ctx, ErrData, now)
		return err
	}
	event, err := s.st.adopt(ctx, a.System, a.began(), p, id, raw, now)
	switch {
	case event.Kind == EventAdopt:
		a.count.moved.Add(1)
	case errors.Is(err, ErrUndecided):
		a.count.undecided.Add(1)
	case err != nil:
		a.count.refused.Add(1)
	}
	if event.Err != nil {
		a.core.note(ctx, event.Err, now)
	}
	if event.Kind != "" {
		a.core.tell(ctx, event)
	}
	return err
}

// Beside notes that p came with the request of s. If s is ended by Logout, LogoutEverywhere, Login or LogoutOthers, what p
// would become ends as well, so that a copy of p does not outlive the logout. Adopt does so itself.
func (a *Adopter[T]) Beside(s *Session[T], p Past) {
	if now := time.Now(); len(p.Credential) == 0 || now.Before(a.From) || !now.Before(a.Until) {
		return
	}
	s.st.read()
	defer s.st.mu.Unlock()
	s.st.alsoEnds(a.core.pastID(a.System, p.Credential))
}

// MoveStats count what became of sessions of another system, since the program started.
type MoveStats struct {
	Moved     uint64 // sessions continued here
	Refused   uint64 // not continued: revoked, too old, or nothing that a session can be made of; the Manager counts the reasons
	Undecided uint64 // not continued for now, because the list could not answer
	Invalid   uint64 // gorilla: old cookies that do not open
	Declined  uint64 // gorilla: old cookies that Config.Read made no session of
	Ended     uint64 // gorilla: sessions ended because the other system had ended theirs
}

type adoptions struct{ moved, refused, undecided atomic.Uint64 }

// Stats returns the counters of now. When Moved stands still, nobody needs the Adopter any more.
func (a *Adopter[T]) Stats() MoveStats {
	return MoveStats{Moved: a.count.moved.Load(), Refused: a.count.refused.Load(), Undecided: a.count.undecided.Load()}
}

// adoptable is how far ahead the clock of the other system may be.
const adoptable = time.Minute

func (s *state) adopt(ctx context.Context, system string, began time.Time, p Past, id Identity, raw []byte, now time.Time) (Event, error) {
	s.read()
	defer s.mu.Unlock()
	if err := s.changeable(); err != nil {
		return Event{}, err
	}
	if s.loggedIn() {
		if len(p.Credential) > 0 {
			s.alsoEnds(s.core.pastID(system, p.Credential))
		}
		return Event{}, nil
	}
	if len(p.Credential) == 0 || p.Saved.Unix() <= 0 || p.Saved.After(now.Add(adoptable)) {
		return Event{Kind: EventRefused, Err: ErrMalformed, Request: s.request}, ErrMalformed
	}
	if p.Saved.After(now) {
		p.Saved = now // by a clock that is ahead of ours; the list would not decide about the future
	}
	o, err := s.core.past(system, began, p, id, now)
	if err != nil {
		return Event{Err: ErrData}, err
	}
	s.mayEnd(&o, now)
	if now.Unix() >= o.tok.End {
		o.status, o.why = none, ErrExpiredAbsolute
	} else {
		s.core.decide(ctx, &o)
	}
	previous := s.sid()
	if o.status == alive {
		o.tok.Data = raw
		o.tok.Checked, o.tok.Term = o.query.Checked, o.query.Term
		if err := s.replace(&o, now); err != nil {
			return Event{Err: ErrData}, err
		}
		return s.event(EventAdopt, previous), nil
	}
	event := Event{Kind: EventRefused, Session: o.tok.ID.String(), Subject: id.Subject, Err: o.why, Request: s.request}
	switch {
	case o.status == undecided: // it may be a living session, so nothing is written over it
		s.opened = o
		s.version++
		return event, ErrUndecided
	case s.status == none:
		s.opened = opened{why: o.why}
	}
	return event, o.why
}

// past describes the session that continues p, as it has to be put to the list.
func (c *core) past(system string, began time.Time, p Past, id Identity, now time.Time) (opened, error) {
	limits, err := c.limitsFor(id)
	if err != nil {
		return opened{}, err
	}
	o, err := c.identify(id, limits, p.Saved)
	if err != nil {
		return opened{}, err
	}
	if err := o.join(c.replica.Tag(revlog.ScopeGroup, AdoptedGroup(system))); err != nil {
		return opened{}, err
	}
	o.status = none
	o.tok.ID = c.pastID(system, p.Credential)
	o.tok.IssuedAt = now.Unix()
	o.tok.Expires = min(now.Unix()+seconds(limits.Idle), o.tok.End)
	// Before adopting began there was no session to revoke, so nothing from then can match. The line is zero, since no list
	// has checked this session yet: the store is asked about it, and the window never decides.
	o.begin(replica.Start{Epoch: o.tok.AuthTime * 1000, Checked: max(o.tok.AuthTime*1000, began.UnixMilli())})
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
	case s.out != 0, !s.keep && s.status == alive && (s.change == unchanged || len(lines) > 0):
		return append(lines, s.retired)
	}
	return lines
}
