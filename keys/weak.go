package keys

import (
	"errors"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

var (
	errSecretForm = errors.New("is not 32 bytes in unpadded base64url")
	errWeak       = errors.New("is not random: use 32 random bytes")
)

func decodeSecret(s string) (out [secretSize]byte, err error) {
	if len(s) != secretChars {
		return out, errSecretForm
	}
	b, ok := jwe.AppendDecode(nil, s)
	if !ok || len(b) != secretSize {
		return out, errSecretForm
	}
	out = [secretSize]byte(b)
	if weak(out) {
		return out, errWeak
	}
	return out, nil
}

// weak reports whether 32 bytes are of a kind that people type or copy from examples: few different
// bytes, an even progression such as 0, 1, 2 …, or printable text. 32 random bytes are any of these
// with a probability below 1 in 10^13.
func weak(b [secretSize]byte) bool {
	var seen [256]bool
	different, text, even := 0, true, true
	for i, c := range b {
		if !seen[c] {
			seen[c] = true
			different++
		}
		if (c < ' ' || c > '~') && c != '\t' && c != '\n' && c != '\r' {
			text = false
		}
		if i > 0 && c-b[i-1] != b[1]-b[0] {
			even = false
		}
	}
	return different <= 8 || text || even
}
