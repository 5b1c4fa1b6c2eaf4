package httpmw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

// Logout ends the session and expires its cookies. It ends every session whose cookie came and opened, also one that
// is idle for too long by this cookie, that this replica refuses or cannot decide, and each of several of one name:
// a copy of the cookie may still be good elsewhere. Only an hour after its absolute limit, on whatever clock, is there
// nothing left to end. In the place of the session cookie it leaves a marker until the browser closes, so that no late
// answer brings back an anonymous session, which the list cannot end.
//
// No error means that the store has it. If the store does not acknowledge it, the cookies are expired all the same,
// this replica refuses the session at once and keeps trying, and the error is revocation.ErrUnavailable, also of
// another Logout until the store has taken it. While the store is silent, 64 sessions of one subject wait for it so;
// the next Logout ends all sessions of its subject. revocation.ErrOutboxFull, which wraps ErrUnavailable, means that
// nothing could be kept for the store: call Logout again. ErrAmbiguous means that more than four session cookies came, as
// a neighbouring host can plant them under a Domain: it ended the sessions of the first four. Without a session Logout does
// nothing but expire what cookies came. It is ErrCommitted if the headers have left: then the session is revoked, but its
// cookies stay.
func (s *Session[T]) Logout(ctx context.Context) error { return s.st.logout(ctx, false) }

// LogoutEverywhere ends all sessions of the subject, this one included. A login right afterwards lives.
// Errors are those of Logout, and revocation.ErrDisabled if there is no list to do it with.
//
// Only a session that is logged in can end others of its subject. Without one LogoutEverywhere does what Logout does
// and returns why there is none: ErrNoLogin, ErrUndecided, or what Err says.
func (s *Session[T]) LogoutEverywhere(ctx context.Context) error { return s.st.logout(ctx, true) }

func (s *state) logout(ctx context.Context, everywhere bool) error {
	events, err := s.lockedLogout(ctx, everywhere)
	s.core.tell(ctx, events...)
	return err
}

func (s *state) lockedLogout(ctx context.Context, everywhere bool) (events []Event, err error) {
	s.read()
	defer s.mu.Unlock()
	var spare token.ID
	switch live := s.status == alive && len(s.tok.Subject) > 0; {
	case everywhere && live:
		e := s.event(EventLogoutEverywhere, "")
		if e.Err = s.revoke(ctx, revocation.Subject(e.Subject), "", e.Kind); e.Err == nil {
			s.endedOne(s.tok.ID)
		}
		events, err, spare = append(events, e), e.Err, s.tok.ID
	case everywhere:
		if err = s.err(); err == nil {
			err = ErrNoLogin
		}
	}
	if s.status == alive && !listed(&s.tok) {
		events = append(events, s.event(EventLogout, "")) // of an anonymous session, which the list cannot name
	}
	each, failed := s.endAllBut(ctx, spare)
	events = append(events, each...)
	switch {
	case err == nil:
		err = failed
	case failed != nil:
		err = fmt.Errorf("%w: %w", err, failed)
	}
	if s.session.more && err == nil {
		err = ErrAmbiguous // the session of a cookie that was not looked at may live on
	}
	if s.committed && s.request != nil && err == nil && s.came {
		err = ErrCommitted
	}
	if s.status != none || s.came {
		s.signOut()
	}
	s.opened, s.change, s.lines, s.undecoded = opened{}, unchanged, nil, false
	s.version++
	return events, err
}

// An ending is a session that Logout has to end.
type ending struct {
	id      token.ID
	subject []byte
}

// listed reports whether the list can name a session: one of nobody cannot be revoked by itself.
func listed(t *token.Session) bool { return len(t.Subject) > 0 || t.Groups > 0 }

// mayEnd notes a session that Logout has to end. Whether it was accepted does not matter: limits and refusals may be
// those of one copy of its cookies, or of one replica, while another copy lives on. Nor does this replica's clock say by
// itself that the absolute limit has come: that of another may be behind.
func (s *state) mayEnd(o *opened, now time.Time) {
	if o.tok.ID != (token.ID{}) && listed(&o.tok) && now.Unix() < o.tok.End+seconds(token.ClockSlack) {
		s.addEnding(ending{o.tok.ID, o.tok.Subject})
	}
}

// alsoEnds has Logout end a session that came in no cookie of ours. mu is held.
func (s *state) alsoEnds(id token.ID) { s.addEnding(ending{id: id}) }

func (s *state) addEnding(e ending) {
	for i := range s.ends {
		if have := &s.ends[i]; have.id == e.id {
			if have.subject == nil {
				have.subject = e.subject
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

// endAllBut revokes all sessions that Logout has to end but one. It tries each, forgets those that the store has
// acknowledged, and returns the first error.
func (s *state) endAllBut(ctx context.Context, spare token.ID) (events []Event, err error) {
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
		}
	}
	s.ends = waiting
	return events, err
}

// revoke writes to the list; of is whose session it is. Without a list a logout only expires the cookies, as
// revocation.Disabled says.
func (s *state) revoke(ctx context.Context, t revocation.Target, of string, why EventKind) error {
	_, err := s.core.list.Revoke(ctx, t, revocation.Options{Subject: of, Actor: "session", Reason: string(why)})
	if err == nil || why == EventLogout && errors.Is(err, revocation.ErrDisabled) {
		return nil
	}
	if errors.Is(err, revocation.ErrUnavailable) || errors.Is(err, revocation.ErrClosed) {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, why, err)
	}
	return fmt.Errorf("httpmw: %s: %w", why, err)
}
