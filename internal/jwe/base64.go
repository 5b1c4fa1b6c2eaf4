package jwe

import (
	"encoding/base64"
)

// EncodedLen returns how many characters n bytes take.
func EncodedLen(n int) int { return base64.RawURLEncoding.EncodedLen(n) }

// DecodedLen returns how many bytes n characters hold.
func DecodedLen(n int) int { return base64.RawURLEncoding.DecodedLen(n) }

// AppendEncode appends src to dst in unpadded base64url (RFC 4648 §5).
func AppendEncode(dst, src []byte) []byte {
	return base64.RawURLEncoding.AppendEncode(dst, src)
}

// AppendDecode appends to dst what s holds in unpadded base64url and reports
// whether s is the one spelling of it. Padding, line ends, the other alphabet,
// a length that no encoding has and bits left over in the last character that are
// not zero are all refused. If it reports false, what was appended means nothing.
func AppendDecode[T ~string | ~[]byte](dst []byte, s T) ([]byte, bool) {
	for i := range len(s) {
		c := s[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return dst, false
		}
	}
	dst, err := base64.RawURLEncoding.Strict().AppendDecode(dst, []byte(s))
	return dst, err == nil
}
