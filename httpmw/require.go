package httpmw

import (
	"errors"
	"net/http"
	"time"
)

// Requirements are what a route asks for beyond a login.
type Requirements struct {
	// LoginWithin refuses a login that is longer ago with 401, so that the password is asked for
	// again. Zero: any.
	LoginWithin time.Duration

	// Methods refuses a login that lacks any of these methods with 401 and a *MethodsError. "mfa"
	// asks for a second factor, whichever it is. They are compared as they are: a session with "pwd"
	// and "otp" lacks "mfa" unless its login named that too. Zero: any login.
	Methods []string

	// FreshList refuses with 503 while the revocation list is older than the list's Within. It is
	// for routes where being down is better than accepting a revoked session for some minutes.
	// Zero: not asked.
	FreshList bool

	// Group returns the group that the session must be in, such as "tenant:" and a part of the
	// path. The answer is 403 without it, and for "". Zero: none.
	Group func(*http.Request) string
}

// Require lets a request pass if somebody is logged in; an anonymous session is not enough. It
// works inside of Handler or without it.
func (m *Manager[T]) Require(next http.Handler) http.Handler {
	return m.RequireThat(Requirements{})(next)
}

// RequireThat is Require with further requirements.
func (m *Manager[T]) RequireThat(need Requirements) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := m.From(r.Context()).meets(need, r, time.Now()); err != nil {
				if errors.Is(err, ErrMethods) || errors.Is(err, ErrLoginTooOld) {
					m.core.note(r.Context(), err, time.Now())
				}
				m.core.refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		}))
	}
}

// meets returns what of need the session lacks.
func (s *Session[T]) meets(need Requirements, r *http.Request, now time.Time) error {
	switch {
	case errors.Is(s.Err(), ErrUndecided):
		return s.Err()
	case !s.LoggedIn():
		if err := s.Err(); err != nil {
			return err
		}
		return ErrNoLogin
	case need.FreshList && !s.Fresh():
		return ErrUndecided
	}
	if missing := s.lacks(need.Methods); missing != nil {
		return &MethodsError{Missing: missing}
	}
	if need.LoginWithin > 0 && now.Sub(s.LoginTime()) > need.LoginWithin {
		return ErrLoginTooOld
	}
	if need.Group != nil {
		if name := need.Group(r); name == "" || !s.InGroup(name) {
			return ErrForbidden
		}
	}
	return nil
}

// refusePlain is the Refuse of the zero Config. Every bad token looks the same to the client.
func refusePlain(w http.ResponseWriter, _ *http.Request, status int, _ error) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}
