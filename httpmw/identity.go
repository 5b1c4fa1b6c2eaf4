package httpmw

import (
	"crypto/rand"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// An Identity is who logs in.
type Identity struct {
	// Subject names the user, 1 to 256 bytes of UTF-8. The application and any holder of the key
	// can read it in the cookie; the browser cannot.
	Subject string `json:"-"`

	// Groups are other things by which this session may be revoked or let in, at most 8:
	// "tenant:7", a device, the session at an identity provider. Which groups is your decision:
	// nothing checks whether the subject belongs there. All kinds of groups share one space, so
	// name them "kind:name" and never take the whole name from a user: a tenant that may be called
	// "oidc:..." would be a session at an identity provider. Names that begin with "adopted:" are
	// refused. Zero: none.
	Groups []string `json:"-"`

	// Methods are how the user was authenticated, as RFC 8176 names it: "pwd", "otp", "hwk", and
	// "mfa" if there was more than one factor. Name all of them, also those of an earlier login that
	// still hold: Login replaces what the session had. At most 8, each 1 to 16 bytes of printable
	// ASCII without space, quotation mark and backslash. Requirements.Methods asks for them. Zero:
	// not stated.
	Methods []string

	// Until ends the session at that time at the latest, in whole seconds. It is for what an identity
	// provider demands: the claim session_expiry (OpenID Connect Enterprise Extensions 1.0, section
	// 2.1). No renewal, write or SetGroups moves it, and neither does a change of Config; only
	// another Login gives the session another end. If it has passed, Login fails with ErrUntilPassed.
	// Zero: only the limits of Config.
	Until time.Time

	// Remember gives the session the limits of Config.Remember and a cookie that outlives the
	// browser. Zero: not remembered.
	Remember bool

	// Device is what the user calls the device, for Config.Devices: at most 100 bytes of UTF-8
	// without control characters. The session does not hold it. Zero: the list says what the
	// User-Agent tells.
	Device string `json:"-"`

	// Since is the result of Manager.Now from before the password was checked. If all sessions of
	// the subject are revoked between then and the login, as after a change of the password, Login
	// fails with ErrRevoked. If the store does not answer and this replica has not heard of the
	// revocation either, the session begins, and ends when the store answers again. Zero: not
	// checked.
	Since revocation.Instant
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (id Identity) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Identity") }

const maxID = 256 // bytes of a subject or a group

// limitsFor returns the limits of a session that id begins.
func (c *core) limitsFor(id Identity) (Limits, error) {
	switch {
	case !id.Remember:
		return Limits{c.cfg.Idle, c.cfg.Absolute}, nil
	case c.cfg.Remember == (Limits{}):
		return Limits{}, fmt.Errorf("%w: Remember is set, but Config.Remember is not", ErrIdentity)
	}
	return c.cfg.Remember, nil
}

// identify begins a session of id, without what the list contributes to it.
func (c *core) identify(id Identity, l Limits, now time.Time) (opened, error) {
	o := opened{status: alive}
	if id.Subject == "" || len(id.Subject) > maxID || !utf8.ValidString(id.Subject) {
		return o, fmt.Errorf("%w: a subject must have 1 to %d bytes of UTF-8", ErrIdentity, maxID)
	}
	if !validDevice(id.Device) {
		return o, fmt.Errorf("%w: the name of a device must have at most %d bytes of UTF-8 without control characters", ErrIdentity, maxDevice)
	}
	end := now.Unix() + seconds(l.Absolute)
	if !id.Until.IsZero() {
		end = min(end, id.Until.Unix())
	}
	if end <= now.Unix() {
		return o, ErrUntilPassed
	}
	methods, err := methodsOf(id.Methods)
	if err != nil {
		return o, err
	}
	o.tok = token.Session{
		Audience: []byte(c.cfg.App), ID: newID(),
		Subject: []byte(id.Subject), SubjectTag: c.replica.Tag(revlog.ScopeSubject, id.Subject),
		AuthTime: now.Unix(), Methods: methods, Validity: token.Validity{IssuedAt: now.Unix()}, End: end, Remembered: id.Remember,
	}
	o.tok.Expires = min(now.Unix()+seconds(l.Idle), o.tok.End)
	return o, o.setGroups(c, id.Groups)
}

// newID draws a session id. Its text never begins with "-", which a command line would take for a
// flag.
func newID() (id token.ID) {
	for {
		rand.Read(id[:]) // never fails: the program ends first
		if id.String()[0] != '-' {
			return id
		}
	}
}
