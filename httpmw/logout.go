package httpmw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

// Logout ends the session and expires its cookies. It also ends every other session whose cookie
// came and opened, even one that has been idle too long by this cookie, that this replica refuses
// or cannot decide, and each of several with the same name: a copy of the cookie may still be good
// elsewhere. Nothing is left to end only an hour after the absolute limit, by any clock. In the
// place of the session cookie Logout leaves a marker until the browser closes, so that a late
// response cannot bring back an anonymous session, which the list cannot end.
//
// No error means that the store has the logout. If the store does not acknowledge it, the cookies
// are expired and this replica refuses the session at once and keeps trying; the error is
// revocation.ErrUnavailable, also from another Logout until the store has taken it. While the store
// is silent, at most 64 sessions of a subject wait for it in this way; the next Logout ends all
// sessions of its subject. revocation.ErrOutboxFull, which wraps ErrUnavailable, means that the
// logout could not be kept for the store: call Logout again. ErrAmbiguous means that more than four
// session cookies came, as a neighbouring host can plant them under a Domain: the sessions of the
// first four were ended. Without a session, Logout only expires the cookies that came. ErrCommitted
// means that the headers have left: the session is revoked, but its cookies stay.
func (s *Session[T]) Logout(ctx context.Context) error {
	return s.st.exclusively(ctx, func() ([]Event, error) { return s.st.logout(ctx, token.ID{}, nil, nil) })
}

// LogoutEverywhere ends all sessions of the subject, including this one. A login right afterwards
// is not affected. Errors are those of Logout, and revocation.ErrDisabled if there is no list.
//
// Only a session that is logged in can end others of its subject. Any other call of
// LogoutEverywhere does what Logout does and returns why nobody is logged in: ErrNoLogin,
// ErrUndecided, or the error that Err returns.
func (s *Session[T]) LogoutEverywhere(ctx context.Context) error {
	return s.st.exclusively(ctx, func() ([]Event, error) { return s.st.logoutEverywhere(ctx) })
}

// LogoutOthers ends all other sessions of the subject, also on other devices, and continues this
// one under a new session id. It also ends every other session whose cookie came with the request.
// It needs the store and fails with ErrUndecided if that does not answer, as SetGroups does; the
// other sessions may or may not have ended then. The error is revocation.ErrDisabled if there is no
// list.
func (s *Session[T]) LogoutOthers(ctx context.Context) error {
	return s.st.exclusively(ctx, func() ([]Event, error) { return s.st.logoutOthers(ctx) })
}

func (s *state) logoutEverywhere(ctx context.Context) ([]Event, error) {
	if err := s.noLogin(); err != nil {
		return s.logout(ctx, token.ID{}, nil, err)
	}
	e := s.event(EventLogoutEverywhere, "")
	if e.Err = s.revoke(ctx, revocation.Subject(e.Subject), "", e.Kind); e.Err == nil {
		s.endedOne(s.tok.ID)
		s.core.ended.add(s.tok.ID, endedByLogout, s.age())
	}
	s.core.count.logout(e.Kind, e.Err)
	return s.logout(ctx, s.tok.ID, []Event{e}, e.Err)
}

func (s *state) logoutOthers(ctx context.Context) ([]Event, error) {
	if err := s.continuable(); err != nil {
		return nil, err
	}
	if !s.core.replica.Enabled() {
		return nil, fmt.Errorf("httpmw: %s: %w", EventLogoutOthers, revocation.ErrDisabled)
	}
	events, err := s.endAllBut(ctx, s.tok.ID, endedByLogout)
	if err != nil {
		return events, listError(err)
	}
	next := s.opened
	last, err := s.succeed(ctx, &next, replica.Others, EventLogoutOthers)
	s.core.count.logout(EventLogoutOthers, err)
	return append(events, last...), err
}

// logout ends all sessions whose cookies came, except spare, and has the response expire the
// cookies. events and err are the result of ending spare.
func (s *state) logout(ctx context.Context, spare token.ID, events []Event, err error) ([]Event, error) {
	if s.status == alive && !listed(&s.tok) {
		events = append(events, s.event(EventLogout, "")) // of an anonymous session, which the list cannot name
	}
	each, failed := s.logOutAllBut(ctx, spare)
	events = append(events, each...)
	switch {
	case failed != nil && err != nil:
		err = fmt.Errorf("%w: %w", err, failed)
	case failed != nil:
		err = failed
	case err != nil:
	case s.more:
		err = ErrAmbiguous // the session of a cookie that was not looked at may live on
	case s.committed && s.request != nil && s.came:
		err = ErrCommitted
	}
	if s.status != none || s.came {
		s.signOut()
	}
	s.loggedOut = true
	s.opened, s.change, s.lines, s.undecoded = opened{}, unchanged, nil, false
	s.version++
	return events, err
}

// An ending is a session that Logout has to end.
type ending struct {
	id      token.ID
	subject []byte
	epoch   int64 // when it began, ms of log time; 0: not known
}

// listed reports whether the list can name a session. An anonymous one cannot be revoked by itself.
func listed(t *token.Session) bool { return len(t.Subject) > 0 || t.Groups > 0 }

// mayEnd notes a session that Logout has to end. It does not matter whether it was accepted: its
// limits and refusals may be those of one copy of its cookies, or of one replica, while another
// copy is alive. This replica's clock alone does not prove that the absolute limit has come either:
// another clock may be behind.
func (s *state) mayEnd(o *opened, now time.Time) {
	if o.tok.ID != (token.ID{}) && listed(&o.tok) && now.Unix() < o.tok.End+seconds(token.ClockSlack) {
		s.addEnding(ending{o.tok.ID, o.tok.Subject, o.tok.Epoch})
	}
}

// alsoEnds has Logout end a session that came in none of our cookies. mu is held.
func (s *state) alsoEnds(id token.ID) { s.addEnding(ending{id: id}) }

func (s *state) addEnding(e ending) {
	for i := range s.ends {
		if have := &s.ends[i]; have.id == e.id {
			if have.subject == nil {
				have.subject, have.epoch = e.subject, e.epoch
			}
			return
		}
	}
	if s.ends == nil {
		s.ends = s.endsRoom[:0]
	}
	s.ends = append(s.ends, e)
}

// endedOne forgets a session that the store has ended.
func (s *state) endedOne(id token.ID) {
	s.ends = slices.DeleteFunc(s.ends, func(e ending) bool { return e.id == id })
}

// logOutAllBut is endAllBut for a logout, and counts it.
func (s *state) logOutAllBut(ctx context.Context, spare token.ID) ([]Event, error) {
	events, err := s.endAllBut(ctx, spare, endedByLogout)
	for _, e := range events {
		s.core.count.logout(e.Kind, e.Err)
	}
	return events, err
}

// endAllBut revokes all sessions that Logout has to end, except one. It tries each, forgets those
// that the store has acknowledged, and returns the first error. why is one of endings.
func (s *state) endAllBut(ctx context.Context, spare token.ID, why string) (events []Event, err error) {
	waiting := s.ends[:0]
	for _, e := range s.ends {
		if e.id == spare {
			waiting = append(waiting, e)
			continue
		}
		failed := s.revoke(ctx, revocation.Session(e.id.String()), string(e.subject), EventLogout)
		events = append(events, Event{
			Kind: EventLogout, Session: e.id.String(), Subject: string(e.subject), Err: failed, Request: s.request,
		})
		if failed != nil {
			waiting = append(waiting, e)
			if err == nil {
				err = failed
			}
			continue
		}
		if e.epoch != 0 {
			s.core.ended.add(e.id, why, since(e.epoch))
		}
	}
	s.ends = waiting
	return events, err
}

// revoke writes to the list. of is the subject of the session. Without a list a logout only expires
// the cookies, as revocation.Disabled says.
func (s *state) revoke(ctx context.Context, t revocation.Target, of string, why EventKind) error {
	whose := of
	if whose == "" {
		whose = string(s.tok.Subject)
	}
	_, err := s.core.list.Revoke(s.by(ctx, s.tagOf(whose), why), t, revocation.Options{Subject: of})
	if err == nil || why == EventLogout && errors.Is(err, revocation.ErrDisabled) {
		return nil
	}
	if errors.Is(err, revocation.ErrUnavailable) || errors.Is(err, revocation.ErrClosed) {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, why, err)
	}
	return fmt.Errorf("httpmw: %s: %w", why, err)
}
