package token

import (
	"crypto/cipher"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
)

// A kind of token goes by the typ in its header (RFC 8725 §3.11). The header is
// protected, so a token of one kind cannot be passed off as one of another.
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

// An entry is a key in the one use it has under a header.
type entry struct {
	kind    kind
	kid     string
	header  string // encoded, as it stands in a token sealed here
	aead    cipher.AEAD
	revoked bool
	expires time.Time      // zero: never
	seals   *atomic.Uint64 // how often the key sealed, of any kind
}

// usable returns nil if what the key sealed is still believed.
func (e *entry) usable(now time.Time) error {
	if e.revoked {
		return ErrRevokedKey
	}
	if !e.expires.IsZero() && !now.Before(e.expires) {
		return ErrUnknownKey
	}
	return nil
}

// seal seals plaintext, which lies in the room that came with dst.
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

// A table is a ring made ready for looking up. It does not change, but for the
// counts of seals.
type table struct {
	ring    *keys.Ring
	headers map[string]*entry        // by encoded header
	keys    map[string]*[kinds]entry // by kid
	seals   map[string]*atomic.Uint64
}

// newTable makes the table of ring. Counts of seals go on from old: also for a key
// that ring does not have, lest it come back with a fresh count.
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

// find returns the entry that an encoded header names. That of a token sealed here
// is found as it stands; another must be one that says the same.
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
