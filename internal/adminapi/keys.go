package adminapi

import (
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/keys"
)

// A Rotation is the body of POST /keys/rotate.
type Rotation struct {
	After       int64  `json:"after,omitempty"` // seconds until the new key seals; zero: 600
	Immediate   bool   `json:"immediate,omitempty"`
	IfOlderThan int64  `json:"if_older_than,omitempty"` // seconds; a younger newest key stays the newest; zero: rotate
	Reason      string `json:"reason,omitempty"`
	Actor       string `json:"actor,omitempty"`
}

// A Cancellation is the body of POST /keys/cancel.
type Cancellation struct {
	Reason string `json:"reason,omitempty"`
	Actor  string `json:"actor,omitempty"`
}

// A Pruning is the body of POST /keys/prune.
type Pruning struct {
	Reason string `json:"reason,omitempty"`
	Actor  string `json:"actor,omitempty"`
}

// An Extension is the body of POST /keys/extend.
type Extension struct {
	MaxSession int64  `json:"max_session"` // seconds, the longest session from now on
	Reason     string `json:"reason,omitempty"`
	Actor      string `json:"actor,omitempty"`
}

// A KeyRevocation is the body of POST /keys/{kid}/revoke.
type KeyRevocation struct {
	KeyOnly bool   `json:"key_only,omitempty"` // do not revoke everyone as well
	Reason  string `json:"reason,omitempty"`
	Actor   string `json:"actor,omitempty"`
}

// A Report describes a ring with what is known of the use of its keys, as [ReportedRing] does.
type Report func(r *keys.Ring, now time.Time) Ring

// Change adds a key to r.
func (a Rotation) Change(r *keys.Ring, now time.Time, _ Report) (*keys.Ring, error) {
	how := keys.Rotation{After: seconds(a.After), Immediate: a.Immediate}
	if a.IfOlderThan == 0 {
		return r.Rotate(now, how)
	}
	return r.RotateIfOlder(now, seconds(a.IfOlderThan), how)
}

// Change takes back the rotation whose new key is waiting.
func (Cancellation) Change(r *keys.Ring, now time.Time, _ Report) (*keys.Ring, error) {
	return r.Cancel(now)
}

// Change removes the expired keys from r. If a living session may still need one of them, the error
// is an [ErrInUse].
func (Pruning) Change(r *keys.Ring, now time.Time, report Report) (*keys.Ring, error) {
	if err := report(r, now).CheckPrune(now); err != nil {
		return nil, err
	}
	return r.Prune(now), nil
}

// Change makes r a ring for longer sessions.
func (a Extension) Change(r *keys.Ring, now time.Time, _ Report) (*keys.Ring, error) {
	return r.Extend(now, seconds(a.MaxSession))
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

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
	Prunable  bool       `json:"prunable,omitempty"` // it expired, and a pruning removes it
	Needed    *time.Time `json:"needed,omitempty"`   // a living session may need it until then; absent: until exp
	Use       *Use       `json:"use,omitempty"`      // absent: not known
	Replicas  *Holders   `json:"replicas,omitempty"` // absent: no list, the store does not answer, or expired
}

// RingOf describes r as it is at now.
func RingOf(r *keys.Ring, now time.Time) Ring {
	d := Ring{ID: r.ID(), MaxSession: int64(r.MaxSession() / time.Second), Keys: []Key{}}
	pruned := r.Prune(now)
	for _, k := range r.Keys() {
		key := KeyOf(r, k, now)
		_, stays := pruned.Key(k.ID())
		key.Prunable = !stays
		d.Keys = append(d.Keys, key)
	}
	return d
}

// KeyOf describes the key k of r as it is at now.
func KeyOf(r *keys.Ring, k keys.Key, now time.Time) Key {
	return Key{
		ID: k.ID(), State: r.State(k, now).String(), IssuedAt: k.IssuedAt().UTC(), NotBefore: k.NotBefore().UTC(),
		Expires: moment(k.Expires()), Revoked: revokedAt(k),
	}
}

func revokedAt(k keys.Key) *time.Time {
	at, _ := k.Revoked()
	return moment(at)
}

// Key returns the key with that id.
func (d Ring) Key(kid string) (Key, bool) {
	for _, k := range d.Keys {
		if k.ID == kid {
			return k, true
		}
	}
	return Key{}, false
}

// Prunable returns the keys that a pruning removes.
func (d Ring) Prunable() (all []Key) {
	for _, k := range d.Keys {
		if k.Prunable {
			all = append(all, k)
		}
	}
	return all
}

// Changes puts into c what a change made of before. It reports whether it made anything.
func Changes(c *audit.Change, before, after Ring) bool {
	c.ID, c.Added, c.Removed, c.Revoked = after.ID, after.Without(before), before.Without(after), after.RevokedSince(before)
	if c.MaxSession = 0; after.MaxSession != before.MaxSession {
		c.MaxSession = after.MaxSession
	}
	return !c.Empty()
}

// RevokedSince returns the ids of the keys that are revoked in d and were not in before.
func (d Ring) RevokedSince(before Ring) (kids []string) {
	for _, k := range d.Keys {
		if old, _ := before.Key(k.ID); k.Revoked != nil && old.Revoked == nil {
			kids = append(kids, k.ID)
		}
	}
	return kids
}

// Without returns the ids of the keys of d that other does not have.
func (d Ring) Without(other Ring) (kids []string) {
	for _, k := range d.Keys {
		if _, ok := other.Key(k.ID); !ok {
			kids = append(kids, k.ID)
		}
	}
	return kids
}
