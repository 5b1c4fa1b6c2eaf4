// Package token is the wire format of Wafer's sessions: a JWE compact string
// under a key of the ring, with claims in JSON.
//
// A [Sealer] seals and opens three kinds of token. A session token carries
// everything there is to know about a [Session] and is written when the session
// changes. A [Renewal] token carries the last renewal only. A bearer token says what a
// session token says, and is for programs: a session token is never taken for one,
// nor the other way round.
//
// The format is described in docs/format.md, for whoever wants to read or mint
// tokens without this package. Any JOSE library with the key can do both.
//
// # What opening says
//
// That a token opens means: it was sealed, just so, by someone who holds a key of
// the ring that is neither revoked nor expired. It does not mean that the session
// is alive. Whether the audience is right, whether the idle or the absolute limit
// has passed, which token of a pair counts and whether the session was revoked is
// for the caller to decide; nothing here looks at exp or end.
//
// # What comes from outside
//
// Opening does a bounded amount of work on any input and allocates nothing: the
// length is checked first, the header is looked up rather than interpreted, there
// is one key and one attempt, and everything has one spelling. The claims are
// read only after the tag was found right.
package token

import (
	"fmt"
	"io"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	// MaxLength is the longest token there is, in bytes. Longer ones are neither
	// sealed nor looked at.
	MaxLength = 4096
	// MaxSubject is the longest subject, in bytes.
	MaxSubject = 256
	// MaxAudience is the longest audience, in bytes.
	MaxAudience = 256
	// MaxGroups is the largest number of group tags.
	MaxGroups = 8

	// ClockSlack is how far the clock that a token was sealed by may be ahead of the
	// clock of whoever opens it. A token whose times lie further ahead than they can
	// be, plus this, was not sealed by a replica.
	ClockSlack = time.Hour
)

// An ID names a session from its beginning to logout, the same through every
// renewal and write. It is random.
type ID [16]byte

// String returns the 22 characters of base64url by which the ID goes in tokens,
// interfaces and logs.
func (id ID) String() string {
	return string(jwe.AppendEncode(make([]byte, 0, 22), id[:]))
}

// ParseID reads what [ID.String] returns and nothing else; each ID has one
// spelling. It reports whether s is one.
func ParseID(s string) (ID, bool) {
	var id ID
	if !jwe.Decode16((*[16]byte)(&id), s) {
		return ID{}, false
	}
	return id, true
}

// A Tag stands for a subject or a group in a list of revocations, so that the list
// need not know them by name. The zero Tag stands for none.
type Tag = revlog.Tag

// Validity is what each renewal of a session says anew: how long the session lasts
// if it is not used, and up to where the list of revocations was checked for it.
type Validity struct {
	// IssuedAt is when the token was sealed (iat), in seconds since 1970.
	IssuedAt int64
	// Expires is the idle deadline (exp), in seconds since 1970. That of a session
	// token may have passed while the session is alive, if there is a renewal token.
	Expires int64
	// Checked is the position in the revocation log up to which no entry concerns
	// the session (chk), in milliseconds. Zero: not said.
	Checked int64
	// Term is the term of the primary of the revocation log at Checked (ln).
	// Zero: not said.
	Term uint32
}

// A Session is what a session token or a bearer token says. Integers are not negative and below
// 2^53. The slices of an opened session point into the buffer that was given to
// [Sealer.OpenSession].
type Session struct {
	// Audience is the application the session belongs to (aud): UTF-8, 1 to
	// [MaxAudience] bytes.
	Audience []byte
	// ID is the session's name (sid).
	ID ID
	// Subject is who is logged in (sub): UTF-8, at most [MaxSubject] bytes.
	// Empty: nobody is.
	Subject []byte `json:"-"`
	// SubjectTag stands for the subject in the list of revocations (stg).
	SubjectTag Tag
	// GroupTags stand for the groups in the list of revocations (grp); the first
	// Groups of them count.
	GroupTags [MaxGroups]Tag
	Groups    int
	// AuthTime is when the subject logged in (auth_time), in seconds since 1970.
	AuthTime int64
	// Epoch is when the session began in the time of the revocation log (ep), in
	// milliseconds. Zero: not said.
	Epoch int64
	// Validity is that of this token. A renewal token may say a later one.
	Validity
	// End is the absolute deadline (end), in seconds since 1970.
	End int64
	// Remembered says that the login asked to be remembered (rem).
	Remembered bool
	// Version counts how often the data was written (ver). Zero: never.
	Version int64
	// Data is the application's own, raw: one JSON value (dat). It is neither
	// checked nor changed, in either direction; whoever decodes it finds out. Empty
	// or nil: none.
	Data []byte `json:"-"`
	// KeyID is the kid of the key that opened the token. Sealing does not look at
	// it.
	KeyID string
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Session) Format(f fmt.State, _ rune) { io.WriteString(f, "token.Session") }

// A Renewal is what a renewal token says: which session was renewed, and until when.
type Renewal struct {
	ID ID
	Validity
	// KeyID is the kid of the key that opened the token, as in [Session].
	KeyID string
}
