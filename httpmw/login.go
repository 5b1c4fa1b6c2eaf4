package httpmw

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// An Identity is who logs in.
type Identity struct {
	// Subject names the user, 1 to 256 bytes of UTF-8. It can be read by who holds the key, and by the
	// application, not by the browser.
	Subject string `json:"-"`

	// Groups are whatever else this session may be revoked by, or let in by, at most 8: "tenant:7", a device, the
	// session at an identity provider. The list of groups is your decision: nothing checks whether the subject belongs
	// there. All kinds of groups share one space, so name them "kind:name" and never take the whole name from a user:
	// a tenant who may be called "oidc:..." would be a session at an identity provider. Names that begin with "adopted:"
	// are refused. Zero: none.
	Groups []string `json:"-"`

	// Remember gives the session the limits of Config.Remember and a cookie that outlives the browser.
	// Zero: not remembered.
	Remember bool

	// Since is the list's Now from before the password was checked. If all sessions of the subject are revoked
	// between the two, as after a change of that password, the login is refused with ErrRevoked. If neither the
	// store answers nor this replica has heard of it, the session begins, and ends when the store answers again.
	// Zero: not checked.
	Since revocation.Instant
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (id Identity) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Identity") }

const maxID = 256 // bytes of a subject or a group

// Login begins a session of id under a new session id. Data is kept from an anonymous session and from one of
// the same subject; anybody else's is dropped. A session that was logged in before ends for good, so Login also
// serves to step up. So does every other session whose cookie came and opened, also one that expired: a copy of it may
// be in use.
//
// If the store does not answer, people can log in all the same, until the list's Grace is over. If 64 logins wait
// for it, the next one waits for one of them, and is refused with ErrUndecided after half a second. The new session begins at the last moment known, and
// sessions that expired or were refused here are ended as soon as the store answers. But to replace a living session
// needs the store, and is refused with ErrUndecided. ErrRevoked: see Identity.Since, or the session to be replaced was
// revoked; then it is no session any more, and another Login would begin afresh. ErrTooLarge: the data that is kept does not
// fit beside the subject and the groups. Nothing was changed then: Set less, and try again.
func (s *Session[T]) Login(ctx context.Context, id Identity) error { return s.st.login(ctx, id) }

// Switch continues the session under a new session id with other groups: another tenant, say. The list of groups is your
// decision: check first that the subject belongs there, for Switch lets it in. Login time and limits stay, and so does the
// group of an adopted session. It needs the store and returns ErrUndecided if that does not answer. Then the session goes
// on here as it was, unless the store did take it, and another try will tell. Where the list lost its data since the login,
// it cannot let a session into a group it was not in, and says so with the same error until the next login.
func (s *Session[T]) Switch(ctx context.Context, groups []string) error {
	return s.st.succeed(ctx, replica.Switch, groups)
}

// LogoutOthers ends all other sessions of the subject, also those on other devices, and continues this one
// under a new session id. It also ends every other session whose cookie came with the request. It needs the store and
// returns ErrUndecided if that does not answer, as Switch does; the others may be ended or not then. It is
// revocation.ErrDisabled if there is no list.
func (s *Session[T]) LogoutOthers(ctx context.Context) error {
	return s.st.succeed(ctx, replica.Others, nil)
}

// groupTags turns names into tags, each once.
func (c *core) groupTags(names []string) (tags [token.MaxGroups]revlog.Tag, n int, err error) {
next:
	for _, name := range names {
		switch {
		case name == "" || len(name) > maxID:
			return tags, 0, fmt.Errorf("%w: a group has 1 to %d bytes", ErrIdentity, maxID)
		case strings.HasPrefix(name, adoptedPrefix):
			return tags, 0, fmt.Errorf("%w: a group beginning with %q is for adopted sessions", ErrIdentity, adoptedPrefix)
		}
		tag := c.replica.Tag(revlog.ScopeGroup, name)
		for _, have := range tags[:n] {
			if have == tag {
				continue next
			}
		}
		if n == len(tags) {
			return tags, 0, fmt.Errorf("%w: more than %d groups", ErrIdentity, len(tags))
		}
		tags[n] = tag
		n++
	}
	return tags, n, nil
}

// limitsFor returns the limits of a session that id begins.
func (c *core) limitsFor(id Identity) (Limits, error) {
	switch {
	case !id.Remember:
		return Limits{c.cfg.Idle, c.cfg.Absolute}, nil
	case c.cfg.Remember == (Limits{}):
		return Limits{}, fmt.Errorf("%w: Remember is asked for, but Config.Remember is not set", ErrIdentity)
	}
	return c.cfg.Remember, nil
}

// identify begins a session of id, without what the list gives to it.
func (c *core) identify(id Identity, l Limits, now time.Time) (opened, error) {
	o := opened{status: alive}
	if id.Subject == "" || len(id.Subject) > maxID || !utf8.ValidString(id.Subject) {
		return o, fmt.Errorf("%w: a subject has 1 to %d bytes of UTF-8", ErrIdentity, maxID)
	}
	o.tok = token.Session{
		Audience: []byte(c.cfg.App), ID: newID(),
		Subject: []byte(id.Subject), SubjectTag: c.replica.Tag(revlog.ScopeSubject, id.Subject),
		AuthTime: now.Unix(), Validity: token.Validity{IssuedAt: now.Unix()}, End: now.Unix() + seconds(l.Absolute), Remembered: id.Remember,
	}
	o.tok.Expires = min(now.Unix()+seconds(l.Idle), o.tok.End)
	return o, o.setGroups(c, id.Groups)
}

func (o *opened) setGroups(c *core, names []string) (err error) {
	o.tok.GroupTags, o.tok.Groups, err = c.groupTags(names)
	return err
}

// groups returns the tags of the groups. They are part of o.
func (o *opened) groups() []revlog.Tag { return o.tok.GroupTags[:o.tok.Groups] }

// join adds a group that no application can name.
func (o *opened) join(tag revlog.Tag) error {
	n := o.tok.Groups
	if n == token.MaxGroups {
		return fmt.Errorf("%w: more than %d groups", ErrIdentity, n-1)
	}
	o.tok.GroupTags[n] = tag
	o.tok.Groups++
	return nil
}

// begin gives a session what the list said of its beginning, and the query it will be decided by.
func (o *opened) begin(s replica.Start) {
	o.tok.Epoch, o.tok.Checked, o.tok.Term = s.Epoch, s.Checked, s.Term
	o.renewed = false
	o.describe([2]string{})
}

func (s *state) login(ctx context.Context, id Identity) error {
	events, err := s.lockedLogin(ctx, id)
	s.core.tell(ctx, events...)
	return err
}

func (s *state) lockedLogin(ctx context.Context, id Identity) ([]Event, error) {
	s.read()
	defer s.mu.Unlock()
	if err := s.changeable(); err != nil {
		return nil, err
	}
	now := time.Now()
	limits, err := s.core.limitsFor(id)
	if err != nil {
		return nil, err
	}
	next, err := s.core.identify(id, limits, now)
	if err != nil {
		return nil, err
	}
	// Nobody inherits another's data.
	if s.status == alive && (len(s.tok.Subject) == 0 || string(s.tok.Subject) == id.Subject) {
		next.tok.Data, next.tok.Version = s.tok.Data, s.tok.Version
	}
	previous := s.sid()
	login := replica.Login{Subject: next.tok.SubjectTag, Groups: next.groups(), Since: id.Since.LogTime()}
	var start replica.Start
	if s.status == alive && len(s.tok.Subject) > 0 {
		start, err = s.follow(ctx, &next, replica.Succession{Kind: replica.Relogin, Login: login}, now)
	} else {
		start, err = s.core.replica.Begin(ctx, login)
		err = listError(err)
	}
	if err != nil {
		return nil, err
	}
	if err := s.succeeded(&next, start, now); err != nil {
		return nil, err
	}
	// What the other cookies opened ends as well. If the store is away that waits: an outage keeps nobody from logging in.
	ended, _ := s.endAllBut(ctx, s.tok.ID)
	return append(ended, s.event(EventLogin, previous)), nil
}

// succeed continues the session under a new id: with other groups, or as the only one of its subject.
func (s *state) succeed(ctx context.Context, kind replica.Kind, groups []string) error {
	events, err := s.lockedSucceed(ctx, kind, groups)
	s.core.tell(ctx, events...)
	return err
}

func (s *state) lockedSucceed(ctx context.Context, kind replica.Kind, groups []string) (events []Event, err error) {
	s.read()
	defer s.mu.Unlock()
	if err := s.changeable(); err != nil {
		return nil, err
	}
	if s.status != alive || len(s.tok.Subject) == 0 {
		if err := s.err(); err != nil {
			return nil, err
		}
		return nil, ErrNoLogin
	}
	if kind == replica.Others && !s.core.replica.Enabled() {
		return nil, fmt.Errorf("httpmw: %s: %w", EventLogoutOthers, revocation.ErrDisabled)
	}
	now := time.Now()
	next := s.opened
	what := EventLogoutOthers
	if kind == replica.Switch {
		what = EventSwitch
		if err := next.setGroups(s.core, groups); err != nil {
			return nil, err
		}
		if err := s.core.adopted.keep(&next, s.groups()); err != nil {
			return nil, err
		}
	} else if events, err = s.endAllBut(ctx, s.tok.ID); err != nil {
		return events, listError(err)
	}
	limits, _ := s.core.limits(&next.tok)
	next.tok.ID = newID()
	next.tok.IssuedAt = now.Unix()
	next.tok.Expires = min(now.Unix()+seconds(limits.Idle), next.tok.End)
	previous := s.sid()
	start, err := s.follow(ctx, &next, replica.Succession{Kind: kind, Login: replica.Login{
		Subject: s.query.Subject, Groups: next.groups(),
	}}, now)
	if err != nil {
		return events, err
	}
	if err := s.succeeded(&next, start, now); err != nil {
		return events, err
	}
	return append(events, s.event(what, previous)), nil
}

// follow ends the session in the list for another that follows it. Afterwards there is no way back, so it
// makes sure first that the other can be sealed.
func (s *state) follow(ctx context.Context, next *opened, how replica.Succession, now time.Time) (replica.Start, error) {
	trial := next.tok
	trial.Epoch, trial.Checked, trial.Term = now.UnixMilli(), now.UnixMilli(), ^uint32(0)
	if _, err := s.core.sealSession(&trial, maxLines, now); err != nil {
		return replica.Start{}, err
	}
	start, err := s.core.replica.Succeed(ctx, &s.query, how)
	switch {
	case err == nil:
		s.endedOne(s.tok.ID)
	case errors.Is(err, revocation.ErrRevoked):
		s.refused(ErrRevokedSession)
	}
	return start, listError(err)
}

// succeeded makes next the session, unless what is known by now refuses it already.
func (s *state) succeeded(next *opened, start replica.Start, now time.Time) error {
	next.begin(start)
	next.verdict = s.core.replica.Decide(&next.query)
	if next.verdict.Outcome == replica.Refuse {
		return s.refused(refusedBy(next.verdict.Reason))
	}
	return s.replace(next, now)
}

// changeable tells why the session cannot be replaced.
func (s *state) changeable() error {
	switch {
	case s.committed:
		return ErrCommitted
	case s.status == undecided:
		return ErrUndecided
	}
	return nil
}

func (s *state) sid() string {
	if s.status == none {
		return ""
	}
	return s.tok.ID.String()
}

func (s *state) event(k EventKind, previous string) Event {
	return Event{Kind: k, Session: s.sid(), Previous: previous, Subject: string(s.tok.Subject), Request: s.request}
}

// newID draws a session id. Its text never begins with "-", which a command line would take for a flag.
func newID() (id token.ID) {
	for {
		rand.Read(id[:]) // never fails: the program ends first
		if id.String()[0] != '-' {
			return id
		}
	}
}
