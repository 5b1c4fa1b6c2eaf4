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
	// Subject names the user, 1 to 256 bytes of UTF-8. It can be read by who holds the key, and by the
	// application, not by the browser.
	Subject string `json:"-"`

	// Groups are whatever else this session may be revoked by, or let in by, at most 8: "tenant:7", a device, the
	// session at an identity provider. The list of groups is your decision: nothing checks whether the subject belongs
	// there. All kinds of groups share one space, so name them "kind:name" and never take the whole name from a user:
	// a tenant who may be called "oidc:..." would be a session at an identity provider. Names that begin with "adopted:"
	// are refused. Zero: none.
	Groups []string `json:"-"`

	// Remember gives the session the limits of Config.Remember and a cookie that outlives the browser.
	// Zero: not remembered.
	Remember bool

	// Since is the list's Now from before the password was checked. If all sessions of the subject are revoked
	// between the two, as after a change of that password, the login is refused with ErrRevoked. If neither the
	// store answers nor this replica has heard of it, the session begins, and ends when the store answers again.
	// Zero: not checked.
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
		return Limits{}, fmt.Errorf("%w: Remember is asked for, but Config.Remember is not set", ErrIdentity)
	}
	return c.cfg.Remember, nil
}

// identify begins a session of id, without what the list gives to it.
func (c *core) identify(id Identity, l Limits, now time.Time) (opened, error) {
	o := opened{status: alive}
	if id.Subject == "" || len(id.Subject) > maxID || !utf8.ValidString(id.Subject) {
		return o, fmt.Errorf("%w: a subject has 1 to %d bytes of UTF-8", ErrIdentity, maxID)
	}
	o.tok = token.Session{
		Audience: []byte(c.cfg.App), ID: newID(),
		Subject: []byte(id.Subject), SubjectTag: c.replica.Tag(revlog.ScopeSubject, id.Subject),
		AuthTime: now.Unix(), Validity: token.Validity{IssuedAt: now.Unix()}, End: now.Unix() + seconds(l.Absolute), Remembered: id.Remember,
	}
	o.tok.Expires = min(now.Unix()+seconds(l.Idle), o.tok.End)
	return o, o.setGroups(c, id.Groups)
}

// newID draws a session id. Its text never begins with "-", which a command line would take for a flag.
func newID() (id token.ID) {
	for {
		rand.Read(id[:]) // never fails: the program ends first
		if id.String()[0] != '-' {
			return id
		}
	}
}
