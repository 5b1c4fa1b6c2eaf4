package token

import (
	"strconv"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

const (
	// maxFixed is the greatest length of a session's claims without audience, subject, groups, methods, ld and
	// data, and maxRenewal that of a renewal token's claims.
	maxFixed = len(`{"aud":"","sid":"","sub":"","stg":"","grp":[],"auth_time":,"ep":,"iat":,"exp":,"end":,"rem":true,"chk":,"ln":,"ver":,"dat":}`) +
		22 + 22 + 7*strictjson.MaxDigits + 10
	maxRenewal = len(`{"sid":"","ld":,"iat":,"exp":,"chk":,"ln":}`) + 22 + 4*strictjson.MaxDigits + 10
)

func inRange(v int64) bool { return 0 <= v && v <= strictjson.MaxInteger }

// sessionBound returns an upper bound for the length of the claims of c, or the error that says why
// they cannot be sealed.
func sessionBound(c *Session) (int, error) {
	if len(c.Subject) > MaxSubject || len(c.Audience) > MaxAudience || c.Groups > MaxGroups || len(c.Data) > MaxLength {
		return 0, ErrTooLarge
	}
	if len(c.Audience) == 0 || c.Groups < 0 ||
		!inRange(c.AuthTime) || !inRange(c.Epoch) || !inRange(c.Loaded) || !inRange(c.IssuedAt) ||
		!inRange(c.Expires) || !inRange(c.End) || !inRange(c.Checked) || !inRange(c.Version) {
		return 0, ErrMalformed
	}
	// Invalid UTF-8 is refused, not replaced: replacing it could turn two different subjects into
	// the same one.
	aud, ok := quotedLen(c.Audience)
	if !ok {
		return 0, ErrMalformed
	}
	sub, ok := quotedLen(c.Subject)
	if !ok {
		return 0, ErrMalformed
	}
	methods, ok := methodsLen(c)
	if !ok {
		return 0, ErrMalformed
	}
	loaded := 0
	if c.Loaded != 0 {
		loaded = len(`,"ld":`) + strictjson.MaxDigits
	}
	return maxFixed + aud + sub + c.Groups*(22+len(`"",`)) + methods + loaded + len(c.Data), nil
}

// appendSession appends the claims of c in the canonical form.
func appendSession(b []byte, c *Session) []byte {
	b = append(b, `{"aud":"`...)
	b = appendQuoted(b, c.Audience)
	b = append(b, `","sid":"`...)
	b = jwe.AppendEncode(b, c.ID[:])
	if len(c.Subject) > 0 {
		b = append(b, `","sub":"`...)
		b = appendQuoted(b, c.Subject)
	}
	if c.SubjectTag != (Tag{}) {
		b = append(b, `","stg":"`...)
		b = jwe.AppendEncode(b, c.SubjectTag[:])
	}
	if c.Groups > 0 {
		b = append(b, `","grp":["`...)
		for i := range c.Groups {
			if i > 0 {
				b = append(b, `","`...)
			}
			b = jwe.AppendEncode(b, c.GroupTags[i][:])
		}
		b = append(b, `"],"auth_time":`...)
	} else {
		b = append(b, `","auth_time":`...)
	}
	b = strconv.AppendInt(b, c.AuthTime, 10)
	b = appendMethods(b, c)
	b = appendOptional(b, `,"ep":`, c.Epoch)
	b = appendOptional(b, `,"ld":`, c.Loaded)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, c.IssuedAt, 10)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, c.Expires, 10)
	b = append(b, `,"end":`...)
	b = strconv.AppendInt(b, c.End, 10)
	if c.Remembered {
		b = append(b, `,"rem":true`...)
	}
	b = appendOptional(b, `,"chk":`, c.Checked)
	b = appendOptional(b, `,"ln":`, int64(c.Term))
	b = appendOptional(b, `,"ver":`, c.Version)
	if len(c.Data) > 0 {
		b = append(b, `,"dat":`...)
		b = append(b, c.Data...)
	}
	return append(b, '}')
}

// appendRenewal appends the claims of c in the canonical form.
func appendRenewal(b []byte, c *Renewal) []byte {
	b = append(b, `{"sid":"`...)
	b = jwe.AppendEncode(b, c.ID[:])
	b = append(b, '"')
	b = appendOptional(b, `,"ld":`, c.Loaded)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, c.IssuedAt, 10)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, c.Expires, 10)
	b = appendOptional(b, `,"chk":`, c.Checked)
	b = appendOptional(b, `,"ln":`, int64(c.Term))
	return append(b, '}')
}

// appendOptional appends a member unless its value is zero.
func appendOptional(b []byte, name string, v int64) []byte {
	if v == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), v, 10)
}

// quotedLen returns the length of s as [appendQuoted] writes it, and whether it is UTF-8.
func quotedLen(s []byte) (n int, ok bool) {
	n = len(s)
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n, utf8.Valid(s)
}

// appendQuoted appends s as it stands between the quotes of a JSON string, with as few escapes as
// possible.
func appendQuoted(b, s []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
