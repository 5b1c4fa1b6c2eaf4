package httpmw

import (
	"fmt"
	"io"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Session is what is known about the client of one request. It may be used by several goroutines.
// Asking it anything marks the response "Vary: Cookie".
type Session[T any] struct{ st *hidden }

// hidden keeps fmt away from a state. fmt prints what one pointer leads to in a struct whose
// methods it may not call, and not what a second one leads to.
type hidden struct{ *state }

// Format implements [fmt.Formatter]: every verb prints the name of the type, and nothing about the
// user, the data or the cookies.
func (s Session[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Session") }

// LoggedIn reports whether there is a good session with a subject. An anonymous session has none.
func (s *Session[T]) LoggedIn() bool {
	s.st.read()
	defer s.st.mu.Unlock()
	return s.st.loggedIn()
}

// ID returns the session id, "" if there is no session. It has 22 characters, which stay the same
// through renewals and writes, and change at Login, SetGroups and LogoutOthers. It is not a secret,
// but it identifies one user's session.
func (s *Session[T]) ID() string {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return ""
	}
	return s.st.tok.ID.String()
}

// Subject returns who is logged in, "" if nobody is.
func (s *Session[T]) Subject() string {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return ""
	}
	return string(s.st.tok.Subject)
}

// Locked returns who has to log in again before the session may be used, "" if nobody has to. Then Err
// is ErrReauthenticate, and the session has no subject and no data until that login. Show who it is
// only as a name to begin with.
func (s *Session[T]) Locked() string {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != locked || s.st.why != ErrReauthenticate {
		return ""
	}
	return string(s.st.tok.Subject)
}

// InGroup reports whether Login or SetGroups put the session into the group. The names of a
// session's groups cannot be listed: the cookie holds only pseudonyms of them.
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

// Methods returns how the subject was authenticated, see Identity.Methods; nil if that was not
// stated. Renewals, writes and SetGroups do not change it.
func (s *Session[T]) Methods() []string {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return nil
	}
	return namesOf(&s.st.tok)
}

// LoginTime returns when the subject logged in, the zero time if nobody is logged in. Renewals,
// writes and SetGroups do not change it.
func (s *Session[T]) LoginTime() time.Time {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive || s.st.tok.AuthTime == 0 {
		return time.Time{}
	}
	return time.Unix(s.st.tok.AuthTime, 0)
}

// Deadlines returns when the session ends if it is not used again, and when it ends in any case,
// which Identity.Until may have brought forward. They are zero if there is no session.
func (s *Session[T]) Deadlines() (idle, absolute time.Time) {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return
	}
	return time.Unix(s.st.tok.Expires, 0), time.Unix(s.st.tok.End, 0)
}

// DoNotRenew keeps the response from renewing the session: the request does not count as use. Call it
// for what a page asks for by itself while nobody looks at it, such as news every minute. Otherwise an
// open page keeps its session alive. It does not matter to Login, Set and Update, which write the
// session and renew it.
func (s *Session[T]) DoNotRenew() {
	s.st.read()
	defer s.st.mu.Unlock()
	s.st.unattended = true
}

// Err returns nil if there is a session, and also if no cookie came or only the marker of a logout.
// Otherwise it says why there is no session: ErrInvalid, ErrExpired, ErrRevoked, ErrUndecided,
// ErrReauthenticate, ErrReload, or an error that wraps one of them. After Value or Update could not
// decode the data, it is ErrData, though there is a session.
func (s *Session[T]) Err() error {
	s.st.read()
	defer s.st.mu.Unlock()
	return s.st.err()
}

// Fresh reports whether the session was checked against a list no older than its Within.
// Requirements.FreshList asks for that.
func (s *Session[T]) Fresh() bool {
	s.st.read()
	defer s.st.mu.Unlock()
	return s.st.verdict.Fresh
}

// Value returns the session's data. It is decoded at each call, so the caller owns it. It is zero
// if there is none, and also if it cannot be decoded: then Err returns ErrData, and the session
// remains.
func (s *Session[T]) Value() T {
	v, _ := s.value()
	return v
}

// value decodes outside of the lock. Raw data is never changed in place.
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

// Version returns how often the session's data was written, 0 if never: each Set and Update adds
// one. A browser can always send an older cookie of its session, with older data. An application
// that must notice this keeps the lowest version that it accepts beside the account, by ID, and
// refuses lower ones. Two concurrent responses can have the same version.
func (s *Session[T]) Version() int64 {
	s.st.read()
	defer s.st.mu.Unlock()
	if s.st.status != alive {
		return 0
	}
	return s.st.tok.Version
}

// Set replaces the session's data. Without a session it begins an anonymous one. After ErrTooLarge
// (a *SizeError), ErrCommitted or ErrUndecided nothing has changed. ErrRevoked says that the
// session was revoked since the request came; there is no session then.
func (s *Session[T]) Set(v T) error {
	raw, err := s.st.core.encode(v)
	if err != nil {
		return err
	}
	_, err = s.st.setData(raw, nil)
	return err
}

// Update changes the data: it decodes it, calls f and stores the result. If f returns an error,
// Update returns that error and changes nothing. It refuses with ErrData to overwrite data that it
// cannot decode. The Updates of one request run one after another, so f must not call Update. If
// the session is replaced, or its data Set, while f runs, f is called again with the new data.
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
