package backchannel

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// algorithms are all supported algorithms, which are asymmetric, each with the keys it fits.
var algorithms = map[string]struct {
	jwa  jwa.SignatureAlgorithm
	fits func(public any) bool
}{
	"RS256": {jwa.RS256(), isRSA},
	"RS384": {jwa.RS384(), isRSA},
	"RS512": {jwa.RS512(), isRSA},
	"PS256": {jwa.PS256(), isRSA},
	"PS384": {jwa.PS384(), isRSA},
	"PS512": {jwa.PS512(), isRSA},
	"ES256": {jwa.ES256(), isEC(elliptic.P256())},
	"ES384": {jwa.ES384(), isEC(elliptic.P384())},
	"ES512": {jwa.ES512(), isEC(elliptic.P521())},
	"EdDSA": {jwa.EdDSA(), isEd25519},
}

// minRSA and maxRSA bound the bits of a modulus: RFC 7518 section 3.3, and the time that verifying
// one signature may take.
const minRSA, maxRSA = 2048, 8192

func isRSA(public any) bool {
	k, ok := public.(*rsa.PublicKey)
	return ok && k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA
}

func isEC(curve elliptic.Curve) func(any) bool {
	return func(public any) bool {
		k, ok := public.(*ecdsa.PublicKey)
		return ok && k.Curve == curve
	}
}

func isEd25519(public any) bool {
	k, ok := public.(ed25519.PublicKey)
	return ok && len(k) == ed25519.PublicKeySize
}

// A key is a public key of the provider. It is immutable.
type key struct {
	kid, alg string // "" if the provider does not say
	public   any
}

// fits reports whether the key may verify a token that claims to be signed with alg. The key
// decides what it is for, and never the token (RFC 8725 section 3.1).
func (k key) fits(alg string) bool {
	return (k.alg == "" || k.alg == alg) && algorithms[alg].fits(k.public)
}

// verify checks the signature with one key and one algorithm. The token's header influences
// neither.
func (t *logoutToken) verify(k key) error {
	if !k.fits(t.alg) {
		return reasonUnknownKey
	}
	if _, err := jws.Verify([]byte(t.compact), jws.WithKey(algorithms[t.alg].jwa, k.public)); err != nil {
		return reasonSignature
	}
	return nil
}

// maxKeys is how many keys a provider may have. A document with more is refused.
const maxKeys = 100

// parseKeys reads a JWK Set. It skips keys that cannot verify a logout token: those for other uses,
// symmetric keys, and unknown kinds. A key that cannot be read does not spoil the rest.
func parseKeys(document []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(document, &set) != nil || len(set.Keys) == 0 || len(set.Keys) > maxKeys {
		return nil, errMalformed
	}
	var keys []key
	for _, raw := range set.Keys {
		if k, ok := parseKey(raw); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errMalformed
	}
	return keys, nil
}

func parseKey(raw []byte) (k key, ok bool) {
	parsed, err := jwk.ParseKey(raw)
	if err != nil {
		return key{}, false
	}
	if use, there := parsed.KeyUsage(); there && use != "sig" {
		return key{}, false
	}
	public, err := jwk.PublicKeyOf(parsed)
	if err != nil || jwk.Export(public, &k.public) != nil {
		return key{}, false
	}
	k.kid, _ = parsed.KeyID()
	if alg, there := parsed.Algorithm(); there {
		k.alg = alg.String()
	}
	if !isRSA(k.public) && !isEd25519(k.public) {
		if _, ec := k.public.(*ecdsa.PublicKey); !ec {
			return key{}, false
		}
	}
	return k, true
}
