package keys

import (
	"encoding/json"
	"fmt"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

const (
	maxDocument = 512 << 10                 // bytes; 1024 keys take 240 KB
	lastSecond  = 253402300799              // the end of the year 9999
	lastBegin   = lastSecond - 20*365*86400 // so that no key ends after lastSecond
	secretChars = 43                        // of 32 bytes in base64url
	ringChars   = 22                        // of 16 bytes in base64url
	ktyOct      = "oct"                     // RFC 7518 §6.4
	algorithm   = "A256GCM"                 // RFC 7518 §5.3
)

type jwkSet struct {
	Ring       string `json:"ring"`
	IssuedAt   int64  `json:"iat"`
	MaxSession int64  `json:"max_session"`
	ListKey    string `json:"list_key"`
	Keys       []jwk  `json:"keys"`
}

type jwk struct {
	Kty       string `json:"kty"`
	Alg       string `json:"alg"`
	Kid       string `json:"kid"`
	K         string `json:"k"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp,omitempty"`
	Revoked   int64  `json:"revoked,omitempty"`
	// MaxSession is set for a key that stopped sealing before the ring was extended. 0: that of the
	// ring.
	MaxSession int64 `json:"max_session,omitempty"`
}

// PlaintextJWKSet returns the document with all its secrets in plain text. Anyone who reads it can
// forge every session. It is for encryption and for other JOSE libraries. Do not log or store it.
func (r *Ring) PlaintextJWKSet() []byte {
	listKey := r.listKey.bytes()
	set := jwkSet{r.id, r.iat, r.maxSession, encode(listKey[:]), make([]jwk, len(r.keys))}
	for i, k := range r.keys {
		b := k.secret.bytes()
		set.Keys[i] = jwk{ktyOct, algorithm, k.id, encode(b[:]), k.iat, k.nbf, k.end, k.revoked, 0}
		if k.max != r.maxSession {
			set.Keys[i].MaxSession = k.max
		}
	}
	doc, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings and numbers
	}
	return doc
}

// Parse reads the document of a ring in plain text; the package documentation describes it. Parse
// is strict: it returns [ErrDocument] unless it understands every member, in bounded time and
// memory. Weak keys (one byte over and over, a counting sequence, text) are refused too. An error
// says where the document is wrong, and never quotes it.
func Parse(doc []byte) (*Ring, error) {
	set, err := readSet(doc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	id := identity{id: set.Ring, iat: set.IssuedAt}
	if id.listKey, err = parseSecret(set.ListKey); err != nil {
		return nil, fmt.Errorf("%w: list_key %w", ErrDocument, err)
	}
	if b, ok := jwe.AppendDecode(nil, set.Ring); !ok || len(b) != ringSize {
		return nil, fmt.Errorf("%w: ring is not 22 base64url characters", ErrDocument)
	}
	keys := make([]Key, len(set.Keys))
	kids := make(map[string]bool, len(set.Keys))
	for i, k := range set.Keys {
		if keys[i], err = parseKey(k); err != nil {
			return nil, fmt.Errorf("%w: keys[%d]: %w", ErrDocument, i, err)
		}
		switch k := &keys[i]; {
		case k.max == 0:
			k.max = set.MaxSession
		case k.max >= set.MaxSession:
			return nil, fmt.Errorf("%w: keys[%d]: its max_session is not below that of the ring", ErrDocument, i)
		}
		if kids[k.Kid] {
			return nil, fmt.Errorf("%w: keys[%d]: its kid is repeated", ErrDocument, i)
		}
		kids[k.Kid] = true
	}
	r := newRing(id, set.MaxSession, keys)
	r.derive()
	return r, nil
}

func parseKey(k jwk) (Key, error) {
	if k.Kty != ktyOct || k.Alg != algorithm {
		return Key{}, fmt.Errorf("kty must be %q and alg %q", ktyOct, algorithm)
	}
	if b, ok := jwe.AppendDecode(nil, k.Kid); !ok || len(b) != kidSize {
		return Key{}, fmt.Errorf("kid is not %d base64url characters", kidChars)
	}
	s, err := parseSecret(k.K)
	if err != nil {
		return Key{}, fmt.Errorf("k %w", err)
	}
	return Key{id: k.Kid, iat: k.IssuedAt, nbf: k.NotBefore, exp: k.Expires, revoked: k.Revoked, max: k.MaxSession, secret: s}, nil
}

func parseSecret(s string) (*secret, error) {
	b, err := decodeSecret(s)
	if err != nil {
		return nil, err
	}
	return newSecret(b), nil
}
