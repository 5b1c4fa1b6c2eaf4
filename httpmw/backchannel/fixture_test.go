package backchannel_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	issuer = "https://id.example/realms/shop"
	client = "shop"
	event  = "http://schemas.openid.net/event/backchannel-logout"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// A signer is one key of a provider. It does not sign with the library that the product verifies
// with.
type signer struct {
	kid, alg string
	key      crypto.Signer
}

func newSigner(t testing.TB, kid, alg string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, alg, key}
}

// rsaKey makes one key for all tests, because making one takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// smallRSAKey has a modulus of 1024 bits. crypto/rsa no longer makes such small keys. The modulus
// need not be a product of primes, because the key is refused for its size.
func smallRSAKey() *rsa.PrivateKey {
	n := make([]byte, 1024/8)
	rand.Read(n)
	n[0] |= 0x80
	n[len(n)-1] |= 1
	return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}}
}

// jwk is the public key as the provider shows it.
func (s signer) jwk() map[string]any {
	m := map[string]any{"kid": s.kid, "alg": s.alg, "use": "sig"}
	switch k := s.key.(type) {
	case *rsa.PrivateKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PrivateKey:
		point, err := k.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		m["kty"], m["crv"] = "EC", k.Curve.Params().Name
		m["x"], m["y"] = b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PrivateKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(k.Public().(ed25519.PublicKey))
	}
	return m
}

// sign signs bytes with the algorithm named, which may differ from that of the key.
func (s signer) sign(alg, input string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	var sum []byte
	if hash != 0 {
		h := hash.New()
		h.Write([]byte(input))
		sum = h.Sum(nil)
	}
	var sig []byte
	var err error
	switch k := s.key.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			sig, err = rsa.SignPSS(rand.Reader, k, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(nil, k, hash, sum)
		}
	case *ecdsa.PrivateKey:
		var r, v *big.Int
		r, v, err = ecdsa.Sign(rand.Reader, k, sum)
		if err == nil {
			size := (k.Curve.Params().BitSize + 7) / 8
			sig = append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...)
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(input))
	}
	if err != nil {
		panic(err)
	}
	return sig
}

type members map[string]any

// with returns a copy with changed members; nil removes one.
func (m members) with(changes members) members {
	c := maps.Clone(m)
	for name, v := range changes {
		if v == nil {
			delete(c, name)
		} else {
			c[name] = v
		}
	}
	return c
}

func (m members) json() string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (s signer) header() members { return members{"alg": s.alg, "kid": s.kid, "typ": "logout+jwt"} }

// token signs header and claims as they are.
func (s signer) token(header, claims string) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	return input + "." + b64(s.sign(s.alg, input))
}

// claims are those of a good token.
func claims(sid, sub string) members {
	now := time.Now()
	m := members{
		"iss": issuer, "aud": client, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": "id-" + rand.Text(),
		"events": members{event: members{}},
	}
	if sid != "" {
		m["sid"] = sid
	}
	if sub != "" {
		m["sub"] = sub
	}
	return m
}

func (s signer) good(sid, sub string) string {
	return s.token(s.header().json(), claims(sid, sub).json())
}

// An idp is a provider: a discovery document and a JWK Set, which can change and fail. It is also a
// RoundTripper, for tests without a network.
type idp struct {
	mu     sync.Mutex // owns the fields below
	issuer string     // of the discovery document
	host   string
	set    any
	serve  http.HandlerFunc // answers in place of all that

	hits atomic.Int64 // of the JWK Set
	gate chan struct{}
}

func newIDP(signers ...signer) *idp {
	p := &idp{issuer: issuer, host: "https://id.example"}
	p.rotate(signers...)
	return p
}

func (p *idp) rotate(signers ...signer) {
	all := []any{}
	for _, s := range signers {
		all = append(all, s.jwk())
	}
	p.show(all...)
}

func (p *idp) show(keys ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = members{"keys": keys}
}

// instead makes the provider answer as f does. nil restores it.
func (p *idp) instead(f http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve = f
}

func (p *idp) down() {
	p.instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
}

func (p *idp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	iss, host, set, serve := p.issuer, p.host, p.set, p.serve
	p.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/keys") {
		p.hits.Add(1)
	}
	switch {
	case serve != nil:
		serve(w, r)
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		io.WriteString(w, members{"issuer": iss, "jwks_uri": host + "/keys"}.json())
	case r.URL.Path == "/keys":
		json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.gate != nil {
		<-p.gate
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openList(t testing.TB, s revlog.Store) *revocation.List {
	t.Helper()
	list, err := revocation.Open(t.Context(), s, keys.Generate(0), revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// newReceiver makes a receiver over p, without a network.
func newReceiver(t testing.TB, l *revocation.List, p *idp, change func(*backchannel.Config)) *backchannel.Receiver {
	t.Helper()
	c := backchannel.Config{Issuer: issuer, ClientIDs: []string{client}, HTTPClient: &http.Client{Transport: p}, Logger: quiet()}
	if change != nil {
		change(&c)
	}
	r, err := backchannel.New(l, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func form(token string) string { return url.Values{"logout_token": {token}}.Encode() }

// post sends a token as a provider does.
func post(h http.Handler, token string) *http.Response { return postBody(h, form(token)) }

func postBody(h http.Handler, body string) *http.Response {
	return send(h, http.MethodPost, "/backchannel-logout", body, []string{"application/x-www-form-urlencoded"})
}

func send(h http.Handler, method, target, body string, contentType []string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header["Content-Type"] = contentType
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func wantStatus(t testing.TB, resp *http.Response, status int) {
	t.Helper()
	if resp.StatusCode != status {
		t.Fatalf("answered %d, want %d", resp.StatusCode, status)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
}

// revoked reports whether a session that was logged in with these claims would be refused.
func revoked(t testing.TB, l *revocation.List, sid, sub string) bool {
	t.Helper()
	for _, name := range backchannel.Groups(issuer, sid, sub) {
		_, ok, err := l.Revoked(t.Context(), revocation.Group(name))
		if ok { // holds, even if the store does not answer
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return false
}
