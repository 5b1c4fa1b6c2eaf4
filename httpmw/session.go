package httpmw

import (
	"fmt"
	"io"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Session is what is known of one request's client. It is usable by several goroutines. Asking it anything
// marks the answer "Vary: Cookie".
type Session[T any] struct{ st *hidden }

// hidden keeps fmt from a state: of a struct that it may not call the methods of, it prints what one pointer leads to.
type hidden struct{ *state }

// Format implements [fmt.Formatter]: every verb prints the name of the type, and nothing of the user, the data or the
// cookies.
func (s Session[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Session") }

// LoggedIn reports whether the session is good and has a subject. An anonymous session has none.
func (s *Session[T]) LoggedIn() bool {
	s.st.read()
	defer s.st.mu.Unlock()
	return s.st.loggedIn()
}

// ID returns the session id, 22 characters that stay the same through renewals and writes and change at
// Login, SetGroups and LogoutOthers; "" if there is no session. It is not a secret, but names one user's session.
func (s *Session[T]) ID() string {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return ""
	}
	return s.st.tok.ID.String()
}

// Subject returns who is logged in, "" for nobody.
func (s *Session[T]) Subject() string {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return ""
	}
	return string(s.st.tok.Subject)
}

// InGroup reports whether the session was given the group at Login or SetGroups. The names of a session's groups
// cannot be listed: the cookie holds pseudonyms of them.
func (s *Session[T]) InGroup(name string) bool {
	if name == "" {
		return false
	}
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive || s.st.tok.Groups == 0 {
		return false
	}
	tag := s.st.core.replica.Tag(revlog.ScopeGroup, name)
	for _, g := range s.st.tok.GroupTags[:s.st.tok.Groups] {
		if g == tag {
			return true
		}
	}
	return false
}

// LoginTime returns when the subject logged in, which renewals, writes and SetGroups do not change; the zero time
// if nobody is logged in.
func (s *Session[T]) LoginTime() time.Time {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive || s.st.tok.AuthTime == 0 {
		return time.Time{}
	}
	return time.Unix(s.st.tok.AuthTime, 0)
}

// Deadlines returns when the session ends if it is not used again, and when it ends in any case; zero times if
// there is none.
func (s *Session[T]) Deadlines() (idle, absolute time.Time) {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return
	}
	return time.Unix(s.st.tok.Expires, 0), time.Unix(s.st.tok.End, 0)
}

// Err returns nil if there is a session, or if no cookie came but what a logout left, and otherwise why there is no
// session: ErrInvalid, ErrExpired, ErrRevoked, ErrUndecided or a finer error that wraps one of them. It is ErrData, with a
// session, after Value or Update could not decode the data.
func (s *Session[T]) Err() error {
	s.st.read()
	defer s.st.mu.Unlock()
	return s.st.err()
}

// fresh reports whether the session was decided by a list no older than its Within.
func (s *Session[T]) fresh() bool {
	s.st.read()
	defer s.st.mu.Unlock()
	return s.st.verdict.Fresh
}

// Value returns the session's data, decoded at each call, so the caller owns it. It is zero if there is none,
// and also if it cannot be decoded: then Err is ErrData, and the session still stands.
func (s *Session[T]) Value() T {
	v, _ := s.value()
	return v
}

// value decodes outside of the lock; raw data is never changed in place.
func (s *Session[T]) value() (v T, err error) {
	s.st.read()
	raw, ok := s.st.tok.Data, s.st.status == alive
	s.st.mu.Unlock()
	if !ok || len(raw) == 0 {
		return v, nil
	}
	if err := s.st.core.cfg.Codec.Unmarshal(raw, &v); err != nil {
		s.st.undecodable()
		var zero T
		return zero, fmt.Errorf("%w: %w", ErrData, err)
	}
	return v, nil
}

// Version returns how often the session's data was written, 0 if never: it grows by one with each Set and Update. A browser
// can always send an older cookie of its session, with older data. An application that must notice keeps the least version
// it accepts beside the account, by ID, and refuses what is below it. Two answers at the same time can have the same version.
func (s *Session[T]) Version() int64 {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return 0
	}
	return s.st.tok.Version
}

// Set replaces the session's data. Without a session it begins an anonymous one. After ErrTooLarge (a *SizeError),
// ErrCommitted and ErrUndecided nothing was changed. ErrRevoked says that the session was revoked since the request
// came; then it is none any more.
func (s *Session[T]) Set(v T) error {
	raw, err := s.st.core.encode(v)
	if err != nil {
		return err
	}
	_, err = s.st.setData(raw, nil)
	return err
}

// Update changes the data in place: it decodes it, calls f and stores the result, unless f returns an error,
// which it returns. It refuses with ErrData to overwrite what it cannot decode. Updates of one request follow
// one another, so f must not call Update; if the session is replaced or its data Set while f runs, f is called
// again on the new data.
func (s *Session[T]) Update(f func(*T) error) error {
	s.st.updating.Lock()
	defer s.st.updating.Unlock()
	for {
		s.st.read()
		version := s.st.version
		s.st.mu.Unlock()
		v, err := s.value()
		if err != nil {
			return err
		}
		if err := f(&v); err != nil {
			return err
		}
		raw, err := s.st.core.encode(v)
		if err != nil {
			return err
		}
		if done, err := s.st.setData(raw, &version); done || err != nil {
			return err
		}
	}
}
