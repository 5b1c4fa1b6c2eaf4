package httpmw

import (
	"errors"
	"net/http"
	"time"
)

// Requirements is what a route asks for beyond a login.
type Requirements struct {
	// LoginWithin refuses with 401 who logged in longer ago, to be asked for the password again. Zero: any.
	LoginWithin time.Duration

	// FreshList refuses with 503 while the revocation list is older than the list's Within: for routes where
	// accepting a revoked session for some minutes more would be worse than being down. Zero: not asked.
	FreshList bool

	// Group names the group the session must have been given at login, such as "tenant:" and a part of the
	// path; 403 without it, and for "". Zero: none.
	Group func(*http.Request) string
}

// Require lets a request pass if somebody is logged in; an anonymous session is not enough. It works within
// Handler or without.
func (m *Manager[T]) Require(next http.Handler) http.Handler {
	return m.RequireThat(Requirements{})(next)
}

// RequireThat is Require with further needs.
func (m *Manager[T]) RequireThat(n Requirements) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := m.From(r.Context()).meets(n, r, time.Now()); err != nil {
				m.core.refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		}))
	}
}

// meets tells what of n is missing.
func (s *Session[T]) meets(n Requirements, r *http.Request, now time.Time) error {
	switch {
	case errors.Is(s.Err(), ErrUndecided):
		return s.Err()
	case !s.LoggedIn():
		if err := s.Err(); err != nil {
			return err
		}
		return ErrNoLogin
	case n.FreshList && !s.fresh():
		return ErrUndecided
	case n.LoginWithin > 0 && now.Sub(s.LoginTime()) > n.LoginWithin:
		return ErrLoginTooOld
	}
	if n.Group != nil {
		if name := n.Group(r); name == "" || !s.InGroup(name) {
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
