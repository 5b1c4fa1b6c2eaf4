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

// A Key is one 256-bit secret of a ring, with the times of its life. It is a small value that may
// be copied and compared. The secret itself is behind a pointer and does not print.
type Key struct {
	id       string
	iat, nbf int64 // s
	exp      int64 // s, an end of its own, which no key of this package has; 0: none
	end      int64 // s, in force in this ring: exp, or earlier because of the key that takes over; 0: none
	revoked  int64 // s; 0: not revoked
	max      int64 // s, the longest session that the key seals
	secret   *secret
}

// secret holds key bytes where printers cannot reach them: fmt does not follow pointers inside a
// struct, and printers that do find functions here.
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

// ID returns the kid: 64 random bits, 11 base64url characters. In keys made by this package the
// first character is not "-".
func (k Key) ID() string { return k.id }

// IssuedAt returns when the key was made, to the second. A key made in the same second as the key
// it replaces has the next second, which keeps them in order.
func (k Key) IssuedAt() time.Time { return seconds(k.iat) }

// NotBefore returns when the key begins to seal.
func (k Key) NotBefore() time.Time { return seconds(k.nbf) }

// Expires returns when the key stops opening. It is zero while no newer key is due to take over.
func (k Key) Expires() time.Time { return seconds(k.end) }

// Revoked returns when the key was revoked, and whether it was.
func (k Key) Revoked() (time.Time, bool) { return seconds(k.revoked), k.revoked != 0 }

// AEAD returns A256GCM under this key. It draws nonces itself: Seal and Open take an empty nonce,
// and nonce, ciphertext and tag are one slice (see [cipher.NewGCMWithRandomNonce]). A key may seal
// 2^32 times in all processes together (RFC 7518 §8.4); AEAD does not count. The result is safe for
// concurrent use and the same at every call.
func (k Key) AEAD() cipher.AEAD { return k.secret.aead() }

// cancelled reports whether the key was revoked before its time. It never sealed, so it takes over
// from no key. A key that was revoked later has sealed, and the key before it had stopped.
func (k *Key) cancelled() bool { return k.revoked != 0 && k.revoked < k.nbf }

// before reports whether k comes before other in the order in which keys seal. The order depends
// only on values that never change, so that all copies of a ring agree.
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
