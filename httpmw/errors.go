package httpmw

import (
	"errors"
	"fmt"
)

// What Session.Err answers, and what the calls that need a session return. Each is one branch a caller may
// take; the finer ones below wrap it.
var (
	// ErrInvalid: a cookie came that does not open: damaged, forged, of another application, sealed with a
	// key that is unknown here.
	ErrInvalid = errors.New("httpmw: invalid session")

	// ErrExpired: the session ended by one of its limits.
	ErrExpired = errors.New("httpmw: session expired")

	// ErrRevoked: the session was revoked, or whatever it belongs to.
	ErrRevoked = errors.New("httpmw: session revoked")

	// ErrUnavailable: the revocation list or the key ring cannot do now what was asked. Another try may succeed: 503.
	ErrUnavailable = errors.New("httpmw: unavailable")

	// ErrUndecided: a session came or was to begin, but the revocation list cannot say now whether it was revoked. It wraps
	// ErrUnavailable.
	ErrUndecided = fmt.Errorf("%w: cannot say now whether the session was revoked", ErrUnavailable)

	// ErrData: the session is good, but its data cannot be decoded into the application's type.
	ErrData = errors.New("httpmw: session data cannot be decoded")

	// ErrNoLogin: nobody is logged in. No cookie came, or the session is an anonymous one.
	ErrNoLogin = errors.New("httpmw: not logged in")

	// ErrForbidden: somebody is logged in, but not with what the route needs.
	ErrForbidden = errors.New("httpmw: not allowed")

	// ErrCommitted: the headers of the answer have left, so the session can no longer be changed.
	ErrCommitted = errors.New("httpmw: the response headers have left already")

	// ErrTooLarge: the session does not fit into its cookies. The error is a *SizeError.
	ErrTooLarge = errors.New("httpmw: session too large")

	// ErrSealingKeyRevoked: the list knows that the key with which the ring seals is revoked, so a session sealed with it would
	// be refused. Nothing can be sealed until the ring is rotated, or this process has the ring that has been. It wraps
	// ErrUnavailable.
	ErrSealingKeyRevoked = fmt.Errorf("%w: the ring's sealing key is revoked: rotate the ring (wafer keys rotate --now)", ErrUnavailable)

	// ErrIdentity: what Login, SetGroups or Issue was given cannot stand in a session.
	ErrIdentity = errors.New("httpmw: unusable identity")
)

// Finer errors. errors.Is holds for them and for what they wrap.
var (
	ErrExpiredIdle     = fmt.Errorf("%w: not used for too long", ErrExpired)
	ErrExpiredAbsolute = fmt.Errorf("%w: its time is over", ErrExpired)

	ErrRevokedSession  = fmt.Errorf("%w: this session", ErrRevoked)
	ErrRevokedSubject  = fmt.Errorf("%w: all of this subject", ErrRevoked)
	ErrRevokedGroup    = fmt.Errorf("%w: all of a group", ErrRevoked)
	ErrRevokedKey      = fmt.Errorf("%w: all of a key", ErrRevoked)
	ErrRevokedEveryone = fmt.Errorf("%w: all there were", ErrRevoked)

	// ErrListLost: the list lost its data and cannot vouch for a session this old.
	ErrListLost = fmt.Errorf("%w: the list lost its memory of that time", ErrRevoked)

	ErrUnknownKey    = fmt.Errorf("%w: unknown key", ErrInvalid)
	ErrTampered      = fmt.Errorf("%w: tampered", ErrInvalid)
	ErrMalformed     = fmt.Errorf("%w: malformed", ErrInvalid)
	ErrTooLong       = fmt.Errorf("%w: too long", ErrInvalid)
	ErrWrongAudience = fmt.Errorf("%w: of another application", ErrInvalid)

	// ErrOutOfBounds: the session began in the future, or lives longer than the ring's MaxSession or the longest idle limit
	// of the list allow. Either a key leaked, or clocks are more than an hour apart.
	ErrOutOfBounds = fmt.Errorf("%w: its times are out of bounds", ErrInvalid)

	// ErrAmbiguous: two living sessions of different subjects came, or more cookies of the session's name than the
	// four that are looked at, under a Domain that others can write to. Of Logout: more than four came, Domain or not.
	ErrAmbiguous = fmt.Errorf("%w: several sessions, and no telling which is the user's", ErrInvalid)

	// ErrIncomplete: the session was spread over several cookies, and not all of one write came.
	ErrIncomplete = fmt.Errorf("%w: not all of its cookies", ErrInvalid)

	// ErrLoginTooOld: the login is longer ago than Requirements.LoginWithin allows.
	ErrLoginTooOld = fmt.Errorf("%w: the login is too long ago", ErrNoLogin)
)

// SizeError says by how much a session is too large. errors.Is(err, ErrTooLarge) holds.
type SizeError struct {
	Size int // bytes of the Set-Cookie line; of the token of Issue; of all cookies, where there may be several
	Max  int // what it may have
	Data int // bytes of the encoded data within
	Cut  int // bytes by which the encoded data must shrink, at its end where there may be several cookies
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("httpmw: session too large: %d bytes where %d may be: cut the data of %d bytes by %d",
		e.Size, e.Max, e.Data, e.Cut)
}

// newSizeError adds to the size of something without data what the data would take: three bytes of data become
// four. Whatever the remainder, Cut never promises too much.
func newSizeError(empty, data, most int) *SizeError {
	size := empty + (data+len(`,"dat":`))*4/3 + 1
	return &SizeError{Size: size, Max: most, Data: data, Cut: (size-most)*3/4 + 1}
}

// Is makes errors.Is(err, ErrTooLarge) hold.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }
