// Package token is the wire format of Wafer's sessions: JWE compact strings, sealed under a key of
// the ring, with JSON claims.
//
// A [Sealer] seals and opens three kinds of token. A session token carries a whole [Session] and is
// written when the session changes. A [Renewal] token carries the last renewal only. A bearer token
// has the claims of a session token and is for programs. A session token is never accepted as a
// bearer token, and a bearer token never as a session token.
//
// docs/format.md describes the format, so that other software can read and mint tokens. Any JOSE
// library that has the key can do both.
//
// # What opening proves
//
// A token that opens was sealed, exactly as it is, with a key of the ring that is neither revoked
// nor expired. That does not mean that the session is alive. The caller decides whether the
// audience is right, whether the idle or the absolute limit has passed, which token of a pair
// counts, and whether the session was revoked. This package looks at neither exp nor end.
//
// # Untrusted input
//
// Opening does a bounded amount of work on any input and allocates nothing. The length is checked
// first, the header is looked up rather than interpreted, there is one key and one attempt, and
// every value has one spelling. The claims are read only after the authentication tag was verified.
package token

import (
	"fmt"
	"io"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	// MaxLength is the greatest length of a token, in bytes. Longer tokens are neither sealed nor
	// opened.
	MaxLength = 4096
	// MaxSubject is the greatest length of a subject, in bytes.
	MaxSubject = 256
	// MaxAudience is the greatest length of an audience, in bytes.
	MaxAudience = 256
	// MaxGroups is the greatest number of group tags.
	MaxGroups = 8
	// MaxMethods is the greatest number of authentication methods.
	MaxMethods = 8
	// MaxMethod is the greatest length of the name of an authentication method, in bytes.
	MaxMethod = 16

	// ClockSlack is how far the clock of the machine that sealed a token may be ahead of the clock
	// of the machine that opens it. A token whose times lie further in the future than its limits
	// and this slack allow was not sealed by a replica.
	ClockSlack = time.Hour
)

// An ID names a session from its beginning to its logout, through every renewal and write. It is
// random.
type ID [16]byte

// String returns the ID as tokens, interfaces and logs show it: 22 characters of base64url.
func (id ID) String() string {
	return string(jwe.AppendEncode(make([]byte, 0, 22), id[:]))
}

// ParseID parses what [ID.String] returns, and nothing else: each ID has one spelling. The second
// result reports whether s is an ID.
func ParseID(s string) (ID, bool) {
	var id ID
	if !jwe.Decode16((*[16]byte)(&id), s) {
		return ID{}, false
	}
	return id, true
}

// A Tag stands for a subject or a group in the revocation list, so that the list does not contain
// names. The zero Tag means that there is none.
type Tag = revlog.Tag

// Validity is what each renewal of a session updates: how long the session lasts if it is not used,
// and up to where the revocation list was checked for it.
type Validity struct {
	// IssuedAt is when the token was sealed (iat), in seconds since 1970.
	IssuedAt int64
	// Expires is the idle deadline (exp), in seconds since 1970. If there is a renewal token, this
	// deadline of the session token may have passed while the session is alive.
	Expires int64
	// Checked is the position in the revocation log up to which no entry applies to the session
	// (chk), in milliseconds. Zero: not stated.
	Checked int64
	// Term is the primary term of the revocation log at Checked (ln). Zero: not stated.
	Term uint32
}

// A Session holds the claims of a session token or a bearer token. Integers are not negative and
// are below 2^53. The slices of an opened session point into the buffer that was passed to
// [Sealer.OpenSession].
type Session struct {
	// Audience is the application that the session belongs to (aud): UTF-8, 1 to [MaxAudience]
	// bytes.
	Audience []byte
	// ID is the session's name (sid).
	ID ID
	// Subject is who is logged in (sub): UTF-8, at most [MaxSubject] bytes. Empty: nobody.
	Subject []byte `json:"-"`
	// SubjectTag stands for the subject in the revocation list (stg).
	SubjectTag Tag
	// GroupTags stand for the groups in the revocation list (grp). The first Groups of them count.
	GroupTags [MaxGroups]Tag
	Groups    int
	// AuthTime is when the subject logged in (auth_time), in seconds since 1970.
	AuthTime int64
	// Methods are how the subject was authenticated (amr, RFC 8176). Those before the first empty
	// one count; each [IsMethod], and comes once.
	Methods [MaxMethods][]byte
	// Epoch is when the session began, in log time of the revocation list (ep), in milliseconds.
	// Zero: not stated.
	Epoch int64
	// Loaded is when the data of the session was last loaded, in log time of the revocation list (ld),
	// in milliseconds. Zero: at Epoch.
	Loaded int64
	// Validity is that of this token. A renewal token may have a later one.
	Validity
	// End is the absolute deadline (end), in seconds since 1970.
	End int64
	// Remembered reports whether the login asked to be remembered (rem).
	Remembered bool
	// Version counts how often the data was written (ver). Zero: never written.
	Version int64
	// Data is the application's data, raw: one JSON value (dat). It is neither checked nor changed,
	// in either direction, so its decoder must be prepared for anything. Empty or nil: none.
	Data []byte `json:"-"`
	// KeyID is the kid of the key that opened the token. Sealing ignores it.
	KeyID string
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Session) Format(f fmt.State, _ rune) { io.WriteString(f, "token.Session") }

// A Renewal holds the claims of a renewal token: which session was renewed, and until when.
type Renewal struct {
	ID ID
	// Loaded is that of the session token. A renewal from before or after the data was loaded again is
	// not one of that session token.
	Loaded int64
	Validity
	// KeyID is the kid of the key that opened the token, as in [Session].
	KeyID string
}
