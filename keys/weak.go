package keys

import (
	"errors"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/secrets"
)

var errSecretForm = errors.New("is not 32 bytes in unpadded base64url")

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
		return out, secrets.ErrWeak
	}
	return out, nil
}

// weak reports whether 32 bytes are of a kind that people type or copy from examples. Printable text is
// one of them, because these bytes were decoded. 32 random bytes are weak with a probability below 1 in
// 10^13.
func weak(b [secretSize]byte) bool { return secrets.Weak(b[:]) || printable(b) }

func printable(b [secretSize]byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}
