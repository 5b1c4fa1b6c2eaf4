package httpmw

import (
	"context"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// Devices keeps a list of where subjects are logged in. *devices.Registry of package devices is one.
// Its methods must not use the session, which is locked.
type Devices interface {
	// Begin is told of a session before anybody gets its cookie, and may refuse it by an error. If
	// Previous is set, the session is one that the same subject had under that id, which has ended:
	// then the error is ignored.
	Begin(ctx context.Context, e Event) error

	// OnEvent is told what Config.OnEvent is told. It is also told EventSeen when a response writes
	// or renews the cookie of a subject, which an idle limit of 10 minutes or more makes happen every
	// 1 to 5 minutes at most, unless data is Set or the client keeps no cookies. It must not wait:
	// the response waits for it. If a session that Begin accepted did not begin after all, OnEvent is
	// told EventLogout.
	OnEvent(ctx context.Context, e Event)
}

const maxDevice = 100 // bytes of the name of a device

// validDevice reports whether a name can be shown in a line of text.
func validDevice(name string) bool {
	if len(name) > maxDevice || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return false
		}
	}
	return true
}

// describe fills in what the token of a session says.
func (e *Event) describe(t *token.Session) {
	if len(t.Subject) > 0 {
		e.LoginTime, e.Began, e.Expires = time.Unix(t.AuthTime, 0), time.UnixMilli(t.Epoch), time.Unix(t.Expires, 0)
	}
}

// enlistable makes sure that a new session can be sealed: enlisting it may end others.
func (s *state) enlistable(next *opened, now time.Time) error {
	if s.core.cfg.Devices == nil {
		return nil
	}
	return s.core.tryToSeal(&next.tok, now)
}

// enlist tells Config.Devices of a session that is about to begin. It comes after the list has said
// where it begins: what ends the session from now on stands behind its checked position.
func (s *state) enlist(ctx context.Context, next *opened, start replica.Start, kind EventKind, name string) error {
	d := s.core.cfg.Devices
	if d == nil || len(next.tok.Subject) == 0 {
		return nil
	}
	e := s.newcomer(next, kind)
	e.Device, e.Began = name, time.UnixMilli(start.Epoch)
	if s.hasSubject() && string(s.tok.Subject) == e.Subject {
		e.Previous = s.sid()
	}
	err := d.Begin(s.by(ctx, next.tok.SubjectTag, kind), e)
	if e.Previous != "" {
		return nil // the session goes on; it is listed when it is seen
	}
	if s.hasSubject() {
		d.OnEvent(ctx, s.event(EventLogout, "")) // the other subject's session has ended
		if err != nil {
			s.refused(ErrRevokedSession)
		}
	}
	return err
}

// strike tells Config.Devices that a session did not begin after all, and returns why.
func (s *state) strike(ctx context.Context, next *opened, why error) error {
	if d := s.core.cfg.Devices; d != nil && len(next.tok.Subject) > 0 {
		d.OnEvent(ctx, s.newcomer(next, EventLogout))
	}
	return why
}

func (s *state) newcomer(next *opened, kind EventKind) Event {
	e := Event{Kind: kind, Session: next.tok.ID.String(), Subject: string(next.tok.Subject), Request: s.request}
	e.describe(&next.tok)
	return e
}
