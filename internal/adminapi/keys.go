package adminapi

import (
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// A Rotation is the body of POST /keys/rotate.
type Rotation struct {
	After     int64  `json:"after,omitempty"` // seconds until the new key seals; zero: 600
	Immediate bool   `json:"immediate,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Actor     string `json:"actor,omitempty"`
}

// A KeyRevocation is the body of POST /keys/{kid}/revoke.
type KeyRevocation struct {
	KeyOnly bool   `json:"key_only,omitempty"` // do not revoke everyone as well
	Reason  string `json:"reason,omitempty"`
	Actor   string `json:"actor,omitempty"`
}

// A Ring describes a key ring without its secrets.
type Ring struct {
	ID         string `json:"ring"`
	MaxSession int64  `json:"max_session"` // seconds
	Keys       []Key  `json:"keys"`        // newest first
}

// A Key describes a key of a ring without its secret.
type Key struct {
	ID        string     `json:"kid"`
	State     string     `json:"state"` // pending, sealing, opening, expired, revoked
	IssuedAt  time.Time  `json:"iat"`
	NotBefore time.Time  `json:"nbf"`           // it seals from then on
	Expires   *time.Time `json:"exp,omitempty"` // it opens until then; absent: until a newer key takes over
	Revoked   *time.Time `json:"revoked,omitempty"`
}

// RingOf describes r as it is at now.
func RingOf(r *keys.Ring, now time.Time) Ring {
	d := Ring{ID: r.ID(), MaxSession: int64(r.MaxSession() / time.Second), Keys: []Key{}}
	for _, k := range r.Keys() {
		d.Keys = append(d.Keys, KeyOf(r, k, now))
	}
	return d
}

// KeyOf describes the key k of r as it is at now.
func KeyOf(r *keys.Ring, k keys.Key, now time.Time) Key {
	d := Key{ID: k.ID(), State: r.State(k, now).String(), IssuedAt: k.IssuedAt().UTC(), NotBefore: k.NotBefore().UTC()}
	if at := k.Expires(); !at.IsZero() {
		at = at.UTC()
		d.Expires = &at
	}
	if at, revoked := k.Revoked(); revoked {
		at = at.UTC()
		d.Revoked = &at
	}
	return d
}
