package httpmw

import (
	"context"
	"errors"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// SetGroups replaces the groups of the session, to change the tenant for example, and continues it
// under a new session id. Which groups is your decision: check first that the subject belongs
// there, because SetGroups lets it in. Login time and limits stay, and so does the group of a
// session that package adopt moved in.
//
// SetGroups needs the store and fails with ErrUndecided if that does not answer. The session then
// continues here as it was, unless the store did take the change; another call finds out. If the
// list has lost data since the login, it cannot let the session into a group that it was not in,
// and SetGroups fails with ErrUndecided until the next login. If a login is required of a group that
// the session joins, or the session is being ended slowly, the error is ErrReauthenticate, and the
// session continues as it was.
func (s *Session[T]) SetGroups(ctx context.Context, groups []string) error {
	return s.st.exclusively(ctx, func() ([]Event, error) { return s.st.regroup(ctx, groups) })
}

func (s *state) regroup(ctx context.Context, groups []string) ([]Event, error) {
	if err := s.continuable(); err != nil {
		return nil, err
	}
	next := s.opened
	if err := next.setGroups(s.core, groups); err != nil {
		return nil, err
	}
	if err := s.core.kept.keep(&next, s.groups()); err != nil {
		return nil, err
	}
	return s.succeed(ctx, &next, replica.SetGroups, EventSetGroups)
}

// continuable returns why the session cannot be continued under another id.
func (s *state) continuable() error {
	if err := s.changeable(); err != nil {
		return err
	}
	return s.noLogin()
}

// succeed continues the session as next, which gets an id of its own.
func (s *state) succeed(ctx context.Context, next *opened, kind replica.Kind, what EventKind) ([]Event, error) {
	now := time.Now()
	limits, _ := s.core.limits(&next.tok)
	next.tok.ID = newID()
	next.tok.IssuedAt = now.Unix()
	next.tok.Expires = min(now.Unix()+seconds(limits.Idle), next.tok.End)
	previous := s.sid()
	start, err := s.follow(ctx, next, replica.Succession{
		Kind: kind, Login: replica.Login{Subject: s.query.Subject, Groups: next.groups()},
	}, now)
	if err != nil {
		return nil, err
	}
	s.enlist(ctx, next, start, what, "") // which never fails for a session that goes on
	if err := s.succeeded(next, start, now); err != nil {
		return nil, s.strike(ctx, next, err)
	}
	return []Event{s.event(what, previous)}, nil
}

// follow ends the session in the list so that next can follow it. Afterwards there is no way back,
// so it makes sure first that next can be sealed. If entries ask something of the session that this
// replica had not heard of, or of the groups that it joins, that is done first.
func (s *state) follow(ctx context.Context, next *opened, how replica.Succession, now time.Time) (replica.Start, error) {
	if err := s.core.tryToSeal(&next.tok, now); err != nil {
		return replica.Start{}, err
	}
	ctx, query := s.by(ctx, how.Login.Subject, reasons[how.Kind]), s.query
	start, err := s.core.replica.Succeed(ctx, &query, how)
	if asked := (*replica.AskedError)(nil); errors.As(err, &asked) {
		if err := s.comply(ctx, &query, next, asked.Asks); err != nil {
			return replica.Start{}, err
		}
		if err := s.core.tryToSeal(&next.tok, now); err != nil {
			return replica.Start{}, err
		}
		start, err = s.core.replica.Succeed(ctx, &query, how)
	}
	switch {
	case err == nil:
		s.succeededBy(how.Kind)
	case errors.Is(err, revocation.ErrRevoked):
		s.refused(ErrRevokedSession)
	}
	return start, listError(err)
}

// comply loads the data of next again, with the groups that next will have, and notes in q when that
// began. If anything else is asked of the session, it returns ErrReauthenticate.
func (s *state) comply(ctx context.Context, q *replica.Query, next *opened, asks revlog.Asks) error {
	if asks != revlog.AsksReload || s.core.load == nil {
		return ErrReauthenticate
	}
	o := s.opened
	o.tok.GroupTags, o.tok.Groups = next.tok.GroupTags, next.tok.Groups
	o.query.SetGroups(next.groups()...)
	if err := s.core.loadAgain(ctx, &o); err != nil {
		s.core.count.reloadsFailed.Add(1)
		return err
	}
	s.core.count.reloaded.Add(1)
	next.tok.Data = o.tok.Data
	next.tok.Version++
	q.Loaded, q.LoadedTerm = o.query.Loaded, o.query.LoadedTerm
	return nil
}

// tryToSeal returns why a session cannot be sealed, before the list has said when it begins.
func (c *core) tryToSeal(t *token.Session, now time.Time) error {
	trial := *t
	trial.Epoch, trial.Checked, trial.Term = now.UnixMilli(), now.UnixMilli(), ^uint32(0)
	_, err := c.sealSession(&trial, maxLines, now)
	return err
}

// succeededBy notes that another session has taken the place of this one: of a new login, or the
// same session under another id.
func (s *state) succeededBy(kind replica.Kind) {
	s.endedOne(s.tok.ID)
	if kind == replica.Relogin {
		s.core.ended.add(s.tok.ID, endedByLogin, s.age())
		return
	}
	s.core.ended.first(s.tok.ID) // requests that are late with the old id are no end
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

// begin gives a session what the list said of its beginning, and the query by which it will be
// decided.
func (o *opened) begin(s replica.Start) {
	o.tok.Epoch, o.tok.Loaded, o.tok.Checked, o.tok.Term = s.Epoch, s.Loaded, s.Checked, s.Term
	o.renewed = false
	o.describe([2]string{})
}
