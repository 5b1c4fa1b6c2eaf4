package httpmw

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
)

// Login begins a session of id under a new session id. The data of an anonymous session, and of a
// session of the same subject, is kept, also if that one was locked (ErrReauthenticate). If it has to
// be loaded again (Manager.OnReload), Login does that first. The data of any other session is dropped.
//
// A session that was logged in before ends for good, so Login also serves to raise the level of a
// login. Every other session whose cookie came and opened ends too, even if it has expired: a copy of
// its cookies may be in use.
//
// If the store does not answer, people can still log in until the list's Grace is over. The new
// session then begins at the last log time known, and sessions that had expired or were refused
// here are ended as soon as the store answers. While 64 logins wait for the store, another one
// waits for one of them to finish, and fails with ErrUndecided after half a second. Replacing a
// living session always needs the store, and fails with ErrUndecided without it.
//
// The new session has the methods and the end of id, and nothing of those of the session before. A
// login that only adds a factor therefore names the earlier methods again, and the end too if it is
// that of an identity provider (Deadlines says it).
//
// ErrRevoked means that the login was overtaken by a revocation, see Identity.Since, or that the
// session to be replaced was revoked: that session is gone, and calling Login again begins a new
// one. ErrTooLarge means that the data to be kept does not fit beside the subject and the groups.
// Nothing was changed: Set less data, and try again. With Config.Devices, Login also returns the
// errors of that: then no session has begun, and one of another subject that was to be replaced has
// ended.
func (s *Session[T]) Login(ctx context.Context, id Identity) error {
	return s.st.exclusively(ctx, func() ([]Event, error) { return s.st.login(ctx, id) })
}

func (s *state) login(ctx context.Context, id Identity) ([]Event, error) {
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
	// Nobody inherits the data of somebody else.
	keeps := (s.status == alive || s.status == locked) && (len(s.tok.Subject) == 0 || string(s.tok.Subject) == id.Subject)
	if keeps {
		next.tok.Data, next.tok.Version = s.tok.Data, s.tok.Version
	}
	previous := s.sid()
	if err := s.enlistable(&next, now); err != nil {
		return nil, err
	}
	login := replica.Login{Subject: next.tok.SubjectTag, Groups: next.groups(), Since: id.Since.LogTime()}
	var start replica.Start
	if s.hasSubject() {
		keeps = keeps && s.core.load != nil && len(s.tok.Data) > 0
		start, err = s.follow(ctx, &next, replica.Succession{Kind: replica.Relogin, Login: login, Keeps: keeps}, now)
	} else {
		start, err = s.core.replica.Begin(ctx, login)
		err = listError(err)
	}
	if err != nil {
		return nil, err
	}
	if err := s.enlist(ctx, &next, start, EventLogin, id.Device); err != nil {
		return nil, err
	}
	if err := s.succeeded(&next, start, now); err != nil {
		return nil, s.strike(ctx, &next, err)
	}
	s.core.count.logins.Add(1)
	// What the other cookies opened ends as well. Without the store that waits: an outage keeps
	// nobody from logging in.
	ended, _ := s.endAllBut(ctx, s.tok.ID, endedByLogin)
	return append(ended, s.event(EventLogin, previous)), nil
}
