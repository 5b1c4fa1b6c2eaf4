package keys

import (
	"crypto/cipher"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

const (
	secretSize = jwe.KeySize
	kidSize    = 8
	kidChars   = 11
)

// A Key is one 256-bit secret of a ring, with its life. It is a small value, to be
// copied and compared; the secret itself is behind a pointer and does not print.
type Key struct {
	id       string
	iat, nbf int64 // s
	exp      int64 // s, as the document says; 0: it says nothing
	end      int64 // s, what holds in this ring: exp, or less by the next key; 0: none
	revoked  int64 // s; 0: not revoked
	max      int64 // s, the longest session that it seals
	secret   *secret
}

// secret holds key bytes where no printer reaches them: fmt does not follow
// pointers inside a struct, and what does follow them finds functions here.
type secret struct {
	aead  func() cipher.AEAD
	bytes func() [secretSize]byte
}

func newSecret(b [secretSize]byte) *secret {
	a, err := jwe.AEAD(b[:])
	if err != nil {
		panic(err) // the length is right
	}
	return &secret{
		aead:  func() cipher.AEAD { return a },
		bytes: func() [secretSize]byte { return b },
	}
}

// ID returns the kid: 64 random bits, 11 base64url characters, of which the first
// is not "-" in keys made here.
func (k Key) ID() string { return k.id }

// IssuedAt returns when the key was made, to the second. A key made in the same
// second as the one it replaces says one second more, which keeps them in order.
func (k Key) IssuedAt() time.Time { return seconds(k.iat) }

// NotBefore returns when the key begins to seal.
func (k Key) NotBefore() time.Time { return seconds(k.nbf) }

// Expires returns when the key stops opening; zero if no newer key is to take
// over from it yet.
func (k Key) Expires() time.Time { return seconds(k.end) }

// Revoked returns when the key was revoked, and whether it was.
func (k Key) Revoked() (time.Time, bool) { return seconds(k.revoked), k.revoked != 0 }

// AEAD returns A256GCM under this key, which draws its nonces itself: Seal and
// Open take none, and nonce, ciphertext and tag are one slice (see
// [cipher.NewGCMWithRandomNonce]). A key may seal 2^32 times over everything that
// holds it (RFC 7518 §8.4); nothing here counts. It is safe for concurrent use,
// and the same at every call.
func (k Key) AEAD() cipher.AEAD { return k.secret.aead() }

// before says whether k comes before other in the order in which keys seal. The
// order rests on what never changes, so that all copies of a ring agree.
func (k Key) before(other Key) bool {
	switch {
	case k.nbf != other.nbf:
		return k.nbf < other.nbf
	case k.iat != other.iat:
		return k.iat < other.iat
	}
	return k.id < other.id
}

func seconds(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
