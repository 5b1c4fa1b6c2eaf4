package httpmw

import (
	"errors"
	"fmt"
)

// These are the errors of Session.Err and of calls that need a session. Each is one branch that a
// caller may take. The finer errors below wrap them.
var (
	// ErrInvalid: a cookie came that does not open. It was damaged or forged, belongs to another
	// application, or was sealed with a key that is unknown here.
	ErrInvalid = errors.New("httpmw: invalid session")

	// ErrExpired: the session reached one of its limits.
	ErrExpired = errors.New("httpmw: session expired")

	// ErrRevoked: the session, or something it belongs to, was revoked.
	ErrRevoked = errors.New("httpmw: session revoked")

	// ErrUnavailable: the revocation list or the key ring cannot do now what was asked. Answer 503;
	// another try may succeed.
	ErrUnavailable = errors.New("httpmw: unavailable")

	// ErrUndecided: a session came or was to begin, but the revocation list cannot say now whether
	// it was revoked. It wraps ErrUnavailable.
	ErrUndecided = fmt.Errorf("%w: cannot say now whether the session was revoked", ErrUnavailable)

	// ErrData: the session is good, but its data cannot be decoded into the application's type.
	ErrData = errors.New("httpmw: session data cannot be decoded")

	// ErrNoLogin: nobody is logged in. No cookie came, or the session is an anonymous one.
	ErrNoLogin = errors.New("httpmw: not logged in")

	// ErrForbidden: somebody is logged in, but without what the route requires.
	ErrForbidden = errors.New("httpmw: the session lacks what this route requires")

	// ErrCommitted: the headers of the response have left, so the session can no longer be changed.
	ErrCommitted = errors.New("httpmw: the response headers have already been sent")

	// ErrTooLarge: the session does not fit into its cookies. The error is a *SizeError.
	ErrTooLarge = errors.New("httpmw: session too large")

	// ErrSealingKeyRevoked: the list knows that the key with which the ring seals is revoked, so a
	// session sealed with it would be refused. Nothing can be sealed until the ring is rotated, or
	// until this process has loaded the rotated ring. It wraps ErrUnavailable.
	ErrSealingKeyRevoked = fmt.Errorf("%w: the ring's sealing key is revoked: rotate the ring (wafer keys rotate --now)", ErrUnavailable)

	// ErrShutdown: this process is shutting down. It is the cause with which streams end then.
	ErrShutdown = errors.New("httpmw: shutting down")

	// ErrIdentity: Login, SetGroups or Issue was given something that a session cannot hold.
	ErrIdentity = errors.New("httpmw: unusable identity")
)

// Finer errors. errors.Is holds for them and for the errors they wrap.
var (
	ErrExpiredIdle     = fmt.Errorf("%w: not used for longer than the idle limit", ErrExpired)
	ErrExpiredAbsolute = fmt.Errorf("%w: it reached its absolute limit", ErrExpired)

	ErrRevokedSession  = fmt.Errorf("%w: this session", ErrRevoked)
	ErrRevokedSubject  = fmt.Errorf("%w: all sessions of the subject", ErrRevoked)
	ErrRevokedGroup    = fmt.Errorf("%w: all sessions of a group", ErrRevoked)
	ErrRevokedKey      = fmt.Errorf("%w: all sessions sealed with a key", ErrRevoked)
	ErrRevokedEveryone = fmt.Errorf("%w: all sessions", ErrRevoked)

	// ErrListLost: the list lost its data, and no replica can say whether a session this old was
	// revoked.
	ErrListLost = fmt.Errorf("%w: the list lost the data of that time", ErrRevoked)

	ErrUnknownKey    = fmt.Errorf("%w: unknown key", ErrInvalid)
	ErrTampered      = fmt.Errorf("%w: tampered", ErrInvalid)
	ErrMalformed     = fmt.Errorf("%w: malformed", ErrInvalid)
	ErrTooLong       = fmt.Errorf("%w: too long", ErrInvalid)
	ErrWrongAudience = fmt.Errorf("%w: it belongs to another application", ErrInvalid)

	// ErrOutOfBounds: the session began in the future, or lives longer than the ring's MaxSession
	// or the longest idle limit of the list allow. Either a key leaked, or clocks are more than an
	// hour apart.
	ErrOutOfBounds = fmt.Errorf("%w: its times are out of bounds", ErrInvalid)

	// ErrAmbiguous: under a Domain that others can write to, two living sessions of different
	// subjects came, or more than the four cookies of one name that are looked at. From Logout it
	// means that more than four came, with or without a Domain.
	ErrAmbiguous = fmt.Errorf("%w: several sessions came, and it is unknown which is the user's", ErrInvalid)

	// ErrIncomplete: the session was spread over several cookies, and not all of one write came.
	ErrIncomplete = fmt.Errorf("%w: not all of its cookies came", ErrInvalid)

	// ErrUntilPassed: Identity.Until has passed, so the session would have ended before it began. It
	// wraps ErrExpired as well as ErrIdentity, so that Fail answers 401.
	ErrUntilPassed = fmt.Errorf("%w: Until has passed: %w", ErrIdentity, ErrExpired)

	// ErrMethods: the login lacks one of Requirements.Methods. The error is a *MethodsError.
	ErrMethods = fmt.Errorf("%w: the login lacks a method that this route requires", ErrNoLogin)

	// ErrReauthenticate: the session and its data are there, but its user has to log in again before
	// it may be used (revocation.List.RequireLogin). Login takes over the data if the subject is the
	// same. Session.Locked says who that is.
	ErrReauthenticate = fmt.Errorf("%w: the user has to log in again", ErrNoLogin)

	// ErrReload: the data of the session has to be loaded again (Manager.OnReload), and that failed. A
	// stream ends with it, so that the client comes again with another request.
	ErrReload = fmt.Errorf("%w: the data of the session has to be loaded again", ErrUnavailable)

	// ErrLoginTooOld: the login is longer ago than Requirements.LoginWithin allows.
	ErrLoginTooOld = fmt.Errorf("%w: the login is too long ago", ErrNoLogin)
)

// A SizeError says by how much a session is too large. errors.Is(err, ErrTooLarge) holds.
type SizeError struct {
	Size int // bytes of the Set-Cookie line, of the token of Issue, or of all cookies if there may be several
	Max  int // the most that Size may be
	Data int // bytes of the encoded data in it
	Cut  int // bytes by which the encoded data must shrink
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("httpmw: session too large: %d bytes, at most %d fit: shorten the %d bytes of data by %d",
		e.Size, e.Max, e.Data, e.Cut)
}

// newSizeError adds to the size of something without data the size that its data would take: three
// bytes of data become four. Whatever the remainder, cutting Cut bytes is enough.
func newSizeError(empty, data, most int) *SizeError {
	size := empty + (data+len(`,"dat":`))*4/3 + 1
	return &SizeError{Size: size, Max: most, Data: data, Cut: (size-most)*3/4 + 1}
}

// Is makes errors.Is(err, ErrTooLarge) hold.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }
