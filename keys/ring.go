package keys

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

// LongestSession is the greatest length of a session that a ring may allow.
const LongestSession = 10 * 365 * 24 * time.Hour

const (
	defaultMaxSession = 24 * time.Hour
	// slack is added to the life of a key that seals no more. It allows for clocks that differ, and
	// for replicas that learn late that another key seals now.
	slack    = 24 * time.Hour
	maxKeys  = 1024
	ringSize = 16
)

// A Ring holds all keys with the times of their lives, the list key, and the length of the longest
// session. It never changes, and is safe for concurrent use.
type Ring struct {
	identity
	maxSession int64 // s
	keys       []Key // newest first
	byID       map[string]int
}

// identity is what all copies of one ring have in common. It never changes.
type identity struct {
	id      string
	iat     int64 // s
	listKey *secret
}

// Generate returns a new ring for sessions that live at most maxSession, rounded up to the second.
// Zero: 24 h. The ring holds one key, which seals at once. Generate panics if maxSession is
// negative or above [LongestSession].
func Generate(maxSession time.Duration) *Ring {
	if err := checkMaxSession(maxSession); err != nil {
		panic(err)
	}
	if maxSession == 0 {
		maxSession = defaultMaxSession
	}
	now := time.Now().Unix()
	id := make([]byte, ringSize)
	rand.Read(id)
	return newRing(
		identity{encode(id), now, newSecret(randomSecret())},
		wholeSeconds(maxSession),
		[]Key{newKey(now, now, wholeSeconds(maxSession))},
	)
}

func checkMaxSession(d time.Duration) error {
	if d < 0 || d > LongestSession {
		return errors.New("keys: max session must be between 0 and 3650 days")
	}
	return nil
}

func newKey(iat, nbf, longest int64) Key {
	id := "-"
	for id[0] == '-' { // a command line would take it for a flag
		b := make([]byte, kidSize)
		rand.Read(b)
		id = encode(b)
	}
	return Key{id: id, iat: iat, nbf: nbf, max: longest, secret: newSecret(randomSecret())}
}

func randomSecret() (b [secretSize]byte) {
	rand.Read(b[:])
	return b
}

func encode(b []byte) string { return string(jwe.AppendEncode(nil, b)) }

// newRing takes ownership of keys, sorts them and computes when each stops opening.
func newRing(id identity, maxSession int64, keys []Key) *Ring {
	r := &Ring{identity: id, maxSession: maxSession, keys: keys, byID: make(map[string]int, len(keys))}
	slices.SortFunc(keys, func(a, b Key) int {
		if b.before(a) {
			return -1
		}
		return 1
	})
	var next *Key // the key that takes over from k; nil: none
	for i := range keys {
		k := &keys[i]
		k.end = k.exp
		if next != nil {
			k.end = earliest(k.exp, next.nbf+k.opens())
		}
		if !k.cancelled() {
			next = k
		}
		r.byID[k.id] = i
	}
	return r
}

// derive forgets the ends that follow from the ring's own keys, after the ring was read. They are
// in the document for other readers. Kept, they would outlast the reason for them: a key that is
// waiting ends the key before it, and may be cancelled in another copy.
func (r *Ring) derive() {
	var next *Key
	for i := range r.keys {
		k := &r.keys[i]
		if next != nil && k.exp == next.nbf+k.opens() {
			k.exp = 0
		}
		if !k.cancelled() {
			next = k
		}
	}
}

// opens is how long a key opens after another one took over, in seconds.
func (k *Key) opens() int64 { return k.max + int64(slack/time.Second) }

// ID returns the id of the ring: 128 random bits, 22 base64url characters. All copies of a ring
// have the same id, whatever keys they hold.
func (r *Ring) ID() string { return r.id }

// IssuedAt returns when the ring was made. If two rings meet in one place, sessions belong to the
// older one.
func (r *Ring) IssuedAt() time.Time { return seconds(r.iat) }

// MaxSession returns the length of the longest session that this ring allows. A key that stops
// sealing still opens for that long and 24 hours more. [Ring.Extend] raises it.
func (r *Ring) MaxSession() time.Duration { return time.Duration(r.maxSession) * time.Second }

// Keys returns all keys, newest first.
func (r *Ring) Keys() []Key { return slices.Clone(r.keys) }

// Key returns the key with that id.
func (r *Ring) Key(kid string) (Key, bool) {
	i, ok := r.byID[kid]
	if !ok {
		return Key{}, false
	}
	return r.keys[i], true
}

// ListSecret returns the secret that the revocation list uses under this label: HKDF-SHA-256 (RFC
// 5869) of the list key without salt, with "wafer list 1: " and the label as info. Rotating,
// revoking and pruning do not change it: if it changed, every entry of the list would become
// useless.
func (r *Ring) ListSecret(label string) [32]byte {
	listKey := r.listKey.bytes()
	b, err := hkdf.Key(sha256.New, listKey[:], nil, "wafer list 1: "+label, 32)
	if err != nil {
		panic(err) // only lengths can be wrong, and these are right
	}
	return [32]byte(b)
}
