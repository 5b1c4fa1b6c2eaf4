// Package jwe implements the one profile of JSON Web Encryption (RFC 7516) that Wafer uses: compact
// serialization, "alg":"dir", "enc":"A256GCM".
//
// Use [Seal] to seal, and [Split] with [Parts.Open] to open. The package reads no JSON and
// negotiates nothing: its caller already knows the key and the header. A header is passed around
// encoded, as it stands in the token, because the authentication tag protects exactly these bytes
// (RFC 7516 §5.1 step 14).
//
// # One spelling
//
// Every byte string has exactly one spelling that opens. Base64url is read strictly (see
// [AppendDecode]) and lengths are exact, so a token that opens is byte for byte the one that was
// sealed. Writing the same token differently cannot evade a revocation or a cache keyed by the
// token.
package jwe

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"strings"
)

// KeySize is the length of a content encryption key in bytes. A256GCM takes 256 bits and nothing
// else (RFC 7518 §5.3).
const KeySize = 32

const (
	ivSize  = 12 // RFC 7518 §5.3: 96 bits, required
	tagSize = 16 // RFC 7518 §5.3: 128 bits, required

	// Overhead is how many bytes sealing adds to a plaintext, before encoding.
	Overhead = ivSize + tagSize

	ivChars  = 16 // ivSize in base64url
	tagChars = 22 // tagSize in base64url
)

var (
	// ErrMalformed means that the text is not a token of this profile: it has a different number of
	// parts, an encrypted key that is not empty, an IV or tag of another length, or base64url in
	// another spelling.
	ErrMalformed = errors.New("jwe: malformed")
	// ErrTampered means that the authentication tag does not match. The key is another one, or the
	// header, IV, ciphertext or tag was changed; it is not known which.
	ErrTampered = errors.New("jwe: tampered with, or sealed with a different key")
)

// AEAD returns A256GCM under key, which must be [KeySize] bytes long. Its Seal takes no nonce and
// draws one at random. This is the only form of GCM that runs under GODEBUG=fips140=only, and the
// only one that cannot be given a nonce twice. A key may seal 2^32 times over its life, in all
// processes together (RFC 7518 §8.4). The result is safe for concurrent use.
func AEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, errors.New("jwe: the key is not 32 bytes long")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Len returns the length of a token with the given encoded header and n bytes of plaintext.
func Len(header string, n int) int {
	return len(header) + 2 + ivChars + 1 + EncodedLen(n) + 1 + tagChars
}

// Room grows dst so that [SealRoom] can append a token to it without allocating. It returns dst and
// an empty slice for the plaintext, which may be up to n bytes long. The slice lies in the spare
// capacity of dst, where the token will be.
func Room(dst []byte, header string, n int) (grown, plaintext []byte) {
	size := Len(header, n)
	dst = reserve(dst, size)
	end := len(dst) + size
	start := end - n - Overhead
	return dst, dst[start:start:end]
}

// SealRoom seals plaintext, which must have been appended to the slice that [Room] returned with
// dst, and appends the token to dst. It overwrites the plaintext. The header must already be
// base64url.
func SealRoom(dst []byte, a cipher.AEAD, header string, plaintext []byte) []byte {
	start := len(dst)
	dst = append(dst, header...)
	sealed := a.Seal(plaintext[:0], nil, plaintext, dst[start:])
	// The ciphertext ends no earlier than the token will. So encoding it from the front to its
	// final place never overwrites bytes that are still to be read: the write position stays behind
	// the read position and meets it at the end.
	dst = append(dst, '.', '.')
	dst = AppendEncode(dst, sealed[:ivSize])
	dst = append(dst, '.')
	dst = AppendEncode(dst, sealed[ivSize:len(sealed)-tagSize])
	dst = append(dst, '.')
	return AppendEncode(dst, sealed[len(sealed)-tagSize:])
}

// Seal appends to dst a token with plaintext, in the compact serialization. header is the encoded
// protected header. It comes first in the token and is protected with it. The AEAD must come from
// [AEAD].
func Seal(dst []byte, a cipher.AEAD, header string, plaintext []byte) []byte {
	dst, room := Room(dst, header, len(plaintext))
	return SealRoom(dst, a, header, append(room, plaintext...))
}

// Parts are the parts of a compact token as they stand in it, encoded. Only the lengths of IV and
// Tag have been checked.
type Parts struct {
	Header, IV, Ciphertext, Tag string
}

// Split splits a compact token into header, an encrypted key that must be empty (RFC 7516 §5.2 step
// 10), IV, ciphertext and tag. It looks only at the dots; [Parts.Open] reads the rest. The work is
// to find the first dot: bound the length of untrusted input before calling Split.
func Split(compact string) (Parts, error) {
	dot := strings.IndexByte(compact, '.')
	// From the first dot on, everything has a fixed place: the rest must be ".." IV "." ciphertext
	// "." tag. An additional dot would lie within a part, and the alphabet does not have it.
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

// Open decodes and opens the token with the given key. The plaintext is stored in buf if its
// capacity suffices; the length of the token is always enough. The content of buf is overwritten,
// even if Open returns an error, which is [ErrMalformed] or [ErrTampered].
//
// Open proves that the header is the one that was sealed. The caller must know that it is well
// encoded and one to accept.
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
