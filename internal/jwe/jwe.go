// Package jwe is the one profile of JSON Web Encryption (RFC 7516) that Wafer
// speaks: compact serialization, "alg":"dir", "enc":"A256GCM".
//
// [Seal] and [Split] with [Parts.Open] are all there is. The package reads no
// JSON and negotiates nothing: whoever calls it knows the key and the header
// already. A header is passed around as it stands in the token, encoded, because
// these very bytes are what the tag protects (RFC 7516 §5.1 step 14).
//
// # One spelling
//
// Every byte string has exactly one spelling that opens. Base64url is read
// strictly (see [AppendDecode]), lengths are exact, and so what opens is byte for
// byte what was sealed. A revocation or a cache keyed by a token cannot be
// sidestepped by writing the same token differently.
package jwe

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"strings"
)

// KeySize is the length of a content encryption key in bytes: A256GCM takes 256
// bits and nothing else (RFC 7518 §5.3).
const KeySize = 32

const (
	ivSize  = 12 // RFC 7518 §5.3: 96 bits, required
	tagSize = 16 // RFC 7518 §5.3: 128 bits, required

	// Overhead is what sealing adds to a plaintext before encoding, in bytes.
	Overhead = ivSize + tagSize

	ivChars  = 16 // ivSize in base64url
	tagChars = 22 // tagSize in base64url
)

var (
	// ErrMalformed means that the text is not a token of this profile: another
	// number of parts, an encrypted key that is not empty, an IV or tag of
	// another length, or base64url that has another spelling.
	ErrMalformed = errors.New("jwe: malformed")
	// ErrTampered means that the tag does not match: another key, or a changed
	// header, IV, ciphertext or tag. Which of them is not known.
	ErrTampered = errors.New("jwe: tampered with, or sealed with another key")
)

// AEAD returns A256GCM under key, which must be [KeySize] bytes long. Its Seal
// takes no nonce and draws one at random, which is the only form of GCM that runs
// under GODEBUG=fips140=only and the only one that cannot be given a nonce twice.
// A key may seal 2^32 times over its life, counted over everything that holds it
// (RFC 7518 §8.4). It is safe for concurrent use.
func AEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, errors.New("jwe: a key is 32 bytes long")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Len returns the length of a token with the given encoded header around n bytes
// of plaintext.
func Len(header string, n int) int {
	return len(header) + 2 + ivChars + 1 + EncodedLen(n) + 1 + tagChars
}

// Room grows dst so that [SealRoom] can append a token to it without allocating,
// and returns it beside an empty slice for the plaintext, which may be up to n
// bytes long. The slice lies in the spare capacity of dst, in the token's place.
func Room(dst []byte, header string, n int) (grown, plaintext []byte) {
	size := Len(header, n)
	dst = reserve(dst, size)
	end := len(dst) + size
	start := end - n - Overhead
	return dst, dst[start:start:end]
}

// SealRoom seals plaintext, which must have been appended to the slice that
// [Room] returned with dst, and appends the token to dst. The plaintext is
// overwritten. The header must be base64url already.
func SealRoom(dst []byte, a cipher.AEAD, header string, plaintext []byte) []byte {
	start := len(dst)
	dst = append(dst, header...)
	sealed := a.Seal(plaintext[:0], nil, plaintext, dst[start:])
	// What was sealed ends no earlier than the token will. So encoding it to its
	// own place from the front never reaches what is still to be read: the end of
	// the one runs after the end of the other and meets it at the end.
	dst = append(dst, '.', '.')
	dst = AppendEncode(dst, sealed[:ivSize])
	dst = append(dst, '.')
	dst = AppendEncode(dst, sealed[ivSize:len(sealed)-tagSize])
	dst = append(dst, '.')
	return AppendEncode(dst, sealed[len(sealed)-tagSize:])
}

// Seal appends to dst the token that holds plaintext, in the compact
// serialization. The header is the encoded protected header; it comes first in
// the token and is protected with it. The AEAD must come from [AEAD].
func Seal(dst []byte, a cipher.AEAD, header string, plaintext []byte) []byte {
	dst, room := Room(dst, header, len(plaintext))
	return SealRoom(dst, a, header, append(room, plaintext...))
}

// Parts are the parts of a compact token as they stand in it, encoded. The
// lengths of IV and Tag have been checked, nothing else has.
type Parts struct {
	Header, IV, Ciphertext, Tag string
}

// Split takes a compact token apart: header, an encrypted key that must be empty
// (RFC 7516 §5.2 step 10), IV, ciphertext and tag. It looks at no more than the
// dots; what is between them is read by [Parts.Open]. The work is that of finding
// the first dot: bound the length of what comes from outside before calling it.
func Split(compact string) (Parts, error) {
	dot := strings.IndexByte(compact, '.')
	// From the first dot on everything has its place: the rest must be
	// ".." IV "." ciphertext "." tag, and a dot too many would lie in a part,
	// where the alphabet does not have it.
	if dot < 0 || len(compact)-dot < len("..")+ivChars+len("..")+tagChars {
		return Parts{}, ErrMalformed
	}
	iv := dot + 2
	ct := iv + ivChars + 1
	tag := len(compact) - tagChars
	if compact[dot+1] != '.' || compact[ct-1] != '.' || compact[tag-1] != '.' {
		return Parts{}, ErrMalformed
	}
	return Parts{compact[:dot], compact[iv : ct-1], compact[ct : tag-1], compact[tag:]}, nil
}

// Open decodes and opens the token with the one key it is given. The plaintext
// lies in buf if its capacity allows: the length of the token is always enough.
// What is in buf is overwritten, also when there is an error, which is
// [ErrMalformed] or [ErrTampered].
//
// Of the header Open says only that it is what was sealed; that it is one the
// caller means to accept, and well encoded, the caller has to know.
func (p Parts) Open(buf []byte, a cipher.AEAD) ([]byte, error) {
	n := Overhead + DecodedLen(len(p.Ciphertext))
	buf = reserve(buf[:0], n+len(p.Header))
	sealed, ok := AppendDecode(buf, p.IV)
	if !ok {
		return nil, ErrMalformed
	}
	if sealed, ok = AppendDecode(sealed, p.Ciphertext); !ok {
		return nil, ErrMalformed
	}
	if sealed, ok = AppendDecode(sealed, p.Tag); !ok {
		return nil, ErrMalformed
	}
	whole := append(sealed, p.Header...)
	plaintext, err := a.Open(sealed[:0], nil, sealed, whole[len(sealed):])
	if err != nil {
		return nil, ErrTampered
	}
	return plaintext, nil
}
