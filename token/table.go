package token

import (
	"crypto/cipher"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
)

// A kind of token is named by the typ in its header (RFC 8725 §3.11). The header is protected, so a
// token of one kind cannot be presented as another.
type kind uint8

const (
	session kind = iota
	renewal
	bearer
	kinds
)

var typs = [kinds]string{session: "session+jwt", renewal: "seen+jwt", bearer: "bearer+jwt"}

// typ returns the kind's typ.
func (k kind) typ() string { return typs[k] }

// kindOf returns the kind of a typ.
func kindOf(typ []byte) (kind, bool) {
	for k := range kinds {
		if string(typ) == typs[k] {
			return k, true
		}
	}
	return 0, false
}

// An entry is a key in its use for one kind of token.
type entry struct {
	kind    kind
	kid     string
	header  string // encoded, as in tokens sealed here
	aead    cipher.AEAD
	revoked bool
	expires time.Time      // zero: never
	seals   *atomic.Uint64 // how often the key sealed, counting all kinds
}

// usable returns nil if tokens sealed with the key are still accepted at now.
func (e *entry) usable(now time.Time) error {
	if e.revoked {
		return ErrRevokedKey
	}
	if !e.expires.IsZero() && !now.Before(e.expires) {
		return ErrUnknownKey
	}
	return nil
}

// seal seals plaintext, which lies in the spare capacity of dst.
func (e *entry) seal(dst, plaintext []byte) ([]byte, error) {
	if jwe.Len(e.header, len(plaintext)) > MaxLength {
		clear(plaintext)
		return dst, ErrTooLarge
	}
	if e.seals.Add(1) > maxSeals {
		clear(plaintext)
		return dst, ErrExhausted
	}
	return jwe.SealRoom(dst, e.aead, e.header, plaintext), nil
}

// A table is a ring prepared for lookups. Only its counts of seals change.
type table struct {
	ring    *keys.Ring
	headers map[string]*entry        // by encoded header
	keys    map[string]*[kinds]entry // by kid
	seals   map[string]*atomic.Uint64
}

// newTable makes the table of ring. Counts of seals continue from old. Counts of keys that ring
// lacks are kept too, so that such a key does not come back with a count of zero.
func newTable(ring *keys.Ring, old *table) *table {
	t := &table{
		ring:    ring,
		headers: make(map[string]*entry),
		keys:    make(map[string]*[kinds]entry),
		seals:   make(map[string]*atomic.Uint64),
	}
	if old != nil {
		for kid, n := range old.seals {
			t.seals[kid] = n
		}
	}
	for _, k := range ring.Keys() {
		kid := k.ID()
		if t.seals[kid] == nil {
			t.seals[kid] = new(atomic.Uint64)
		}
		_, revoked := k.Revoked()
		uses := new([kinds]entry)
		for kind := range kinds {
			uses[kind] = entry{
				kind:    kind,
				kid:     kid,
				header:  header(kid, kind),
				aead:    k.AEAD(),
				revoked: revoked,
				expires: k.Expires(),
				seals:   t.seals[kid],
			}
			t.headers[uses[kind].header] = &uses[kind]
		}
		t.keys[kid] = uses
	}
	return t
}

// find returns the entry that an encoded header names. The header of a token sealed here is found
// as it stands. Any other header must say the same thing.
func (t *table) find(header string) (*entry, error) {
	if e, ok := t.headers[header]; ok {
		return e, nil
	}
	var buf [maxHeader]byte
	kid, kind, ok := parseHeader(buf[:0], header)
	if !ok {
		return nil, ErrMalformed
	}
	uses, ok := t.keys[string(kid)]
	if !ok {
		return nil, ErrUnknownKey
	}
	return &uses[kind], nil
}

// sealing returns the entry of the key that seals at now.
func (t *table) sealing(k kind, now time.Time) (*entry, error) {
	key, ok := t.ring.Sealing(now)
	if !ok {
		return nil, ErrNoKey
	}
	return &t.keys[key.ID()][k], nil
}
