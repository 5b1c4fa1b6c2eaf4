package httpmw

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/wafer-sessions/wafer/revocation"
)

// Fail responds to a call of a session that returned err, with Config.Refuse: 503 and Retry-After
// for ErrUnavailable, 401 if there is no session, 403 for ErrForbidden, 413 for ErrTooLarge, and
// 500 for a mistake of the application.
func (m *Manager[T]) Fail(w http.ResponseWriter, r *http.Request, err error) {
	m.core.refuse(w, r, err)
}

// retryAfter is how many seconds a client is told to wait. The list is read several times in it.
const retryAfter = "2"

func (c *core) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	c.cfg.Refuse(w, r, status, err)
}

func statusOf(err error) int {
	for _, row := range [...]struct {
		err    error
		status int
	}{
		{ErrUnavailable, http.StatusServiceUnavailable},
		{ErrForbidden, http.StatusForbidden},
		{ErrTooLarge, http.StatusRequestEntityTooLarge},
		{ErrNoLogin, http.StatusUnauthorized},
		{ErrRevoked, http.StatusUnauthorized},
		{ErrExpired, http.StatusUnauthorized},
		{ErrInvalid, http.StatusUnauthorized},
	} {
		if errors.Is(err, row.err) {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// listError turns an error of the list into one of this package, which wraps it.
func listError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, revocation.ErrRevoked):
		return fmt.Errorf("%w: %w", ErrRevoked, err)
	case errors.Is(err, revocation.ErrUnavailable), errors.Is(err, revocation.ErrClosed):
		return fmt.Errorf("%w: %w", ErrUndecided, err)
	}
	return fmt.Errorf("httpmw: %w", err)
}
