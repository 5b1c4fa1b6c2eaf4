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
	count   keys.Count     // by the meter
	seals   *atomic.Uint64 // how often this Sealer sealed with the key, counting all kinds
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
func (e *entry) seal(dst, plaintext []byte, p keys.Purpose, now time.Time) ([]byte, error) {
	err := ErrTooLarge
	if jwe.Len(e.header, len(plaintext)) <= MaxLength {
		err = e.count.Seal(p, now)
	}
	if err != nil {
		clear(plaintext)
		return dst, err
	}
	e.seals.Add(1)
	return jwe.SealRoom(dst, e.aead, e.header, plaintext), nil
}

// A table is a ring prepared for lookups. Only its counts of seals change.
type table struct {
	ring    *keys.Ring
	headers map[string]*entry        // by encoded header
	keys    map[string]*[kinds]entry // by kid
}

// newTable makes the table of ring. Counts of seals continue from old.
func newTable(ring *keys.Ring, old *table, m *keys.Meter) *table {
	t := &table{
		ring:    ring,
		headers: make(map[string]*entry),
		keys:    make(map[string]*[kinds]entry),
	}
	for _, k := range ring.Keys() {
		kid := k.ID()
		_, revoked := k.Revoked()
		uses, seals := new([kinds]entry), new(atomic.Uint64)
		if old != nil && old.keys[kid] != nil {
			seals = old.keys[kid][0].seals
		}
		for kind := range kinds {
			uses[kind] = entry{
				kind:    kind,
				kid:     kid,
				header:  header(kid, kind),
				aead:    k.AEAD(),
				revoked: revoked,
				expires: k.Expires(),
				count:   m.Count(kid),
				seals:   seals,
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
