package token_test

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// The time of tokens that never change.
const testSecond = 1_760_000_000

var testTime = time.Unix(testSecond, 0)

// bits returns n bytes that look random and are the same each time.
func bits(label string, n int) []byte {
	sum := sha256.Sum256([]byte("wafer test " + label))
	return sum[:n]
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// testKID returns the kid of the key of a label.
func testKID(label string) string { return b64(bits("kid "+label, 8)) }

// testJWK returns the key of a label as a JWK, which seals from an hour before testTime. More
// members may follow, such as `,"exp":0`.
func testJWK(label, more string) string {
	return fmt.Sprintf(`{"kty":"oct","alg":"A256GCM","kid":%q,"k":%q,"iat":%d,"nbf":%d%s}`,
		testKID(label), b64(bits("key "+label, 32)), testSecond-3600, testSecond-3600, more)
}

// testRing returns the ring of the given JWKs.
func testRing(t testing.TB, jwks ...string) *keys.Ring {
	t.Helper()
	ring, err := keys.Parse(fmt.Appendf(nil, `{"ring":%q,"iat":%d,"max_session":86400,"list_key":%q,"keys":[%s]}`,
		b64(bits("ring", 16)), testSecond-3600, b64(bits("list key", 32)), strings.Join(jwks, ",")))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// testSealer returns a sealer under one key, "a".
func testSealer(t testing.TB) *token.Sealer {
	t.Helper()
	return token.New(staticRing(t, testJWK("a", "")))
}

// testAEAD returns A256GCM under the key of a label.
func testAEAD(t testing.TB, label string) cipher.AEAD {
	t.Helper()
	a, err := jwe.AEAD(bits("key "+label, 32))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// testHeader returns the header of a token under the key of a label, not encoded.
func testHeader(label, typ string) string {
	return fmt.Sprintf(`{"alg":"dir","enc":"A256GCM","kid":%q,"typ":%q}`, testKID(label), typ)
}

// mint seals any claims under any header with key "a", as other software with the key could.
func mint(t testing.TB, header, claims string) string {
	t.Helper()
	return string(jwe.Seal(nil, testAEAD(t, "a"), b64([]byte(header)), []byte(claims)))
}

// sealed returns the token of c.
func sealed(t testing.TB, s *token.Sealer, c *token.Session, now time.Time) string {
	t.Helper()
	compact, err := s.SealSession(nil, c, now)
	if err != nil {
		t.Fatal(err)
	}
	return string(compact)
}

// sealedRenewal returns the token of c.
func sealedRenewal(t testing.TB, s *token.Sealer, c *token.Renewal, now time.Time) string {
	t.Helper()
	compact, err := s.SealRenewal(nil, c, now)
	if err != nil {
		t.Fatal(err)
	}
	return string(compact)
}

// sealedBearer returns the bearer token of c.
func sealedBearer(t testing.TB, s *token.Sealer, c *token.Session, now time.Time) string {
	t.Helper()
	compact, err := s.SealBearer(nil, c, now)
	if err != nil {
		t.Fatal(err)
	}
	return string(compact)
}

// openedBearer returns the claims of a bearer token.
func openedBearer(s *token.Sealer, compact string) (token.Session, error) {
	var c token.Session
	err := s.OpenBearer(nil, compact, &c, testTime)
	return c, err
}

// opened returns the claims of a session token.
func opened(s *token.Sealer, compact string) (token.Session, error) {
	var c token.Session
	err := s.OpenSession(nil, compact, &c, testTime)
	return c, err
}

// openedRenewal returns the claims of a renewal token.
func openedRenewal(s *token.Sealer, compact string) (token.Renewal, error) {
	var c token.Renewal
	err := s.OpenRenewal(nil, compact, &c, testTime)
	return c, err
}

// fullSession has every claim but amr, which sessions did not always have.
func fullSession() *token.Session {
	return &token.Session{
		Audience:   []byte("shop"),
		ID:         token.ID(bits("sid", 16)),
		Subject:    []byte("alice"),
		SubjectTag: token.Tag(bits("stg", 16)),
		GroupTags:  [token.MaxGroups]token.Tag{token.Tag(bits("grp 0", 16)), token.Tag(bits("grp 1", 16))},
		Groups:     2,
		AuthTime:   testSecond - 60,
		Epoch:      1000*testSecond - 60_123,
		Validity:   token.Validity{IssuedAt: testSecond, Expires: testSecond + 7200, Checked: 1000*testSecond - 17, Term: 3},
		End:        testSecond + 86400 - 60,
		Remembered: true,
		Version:    7,
		Data:       []byte(`{"cart":["tea","cup"],"total":1250}`),
	}
}

// methods returns the methods of these names.
func methods(names ...string) (m [token.MaxMethods][]byte) {
	for i, name := range names {
		m[i] = []byte(name)
	}
	return m
}

// mostMethods returns as many methods as there may be, each as long as it may be.
func mostMethods() (m [token.MaxMethods][]byte) {
	for i := range m {
		m[i] = fmt.Appendf(nil, "%0*d", token.MaxMethod, i)
	}
	return m
}

// loadedRenewal has every claim.
func loadedRenewal() *token.Renewal {
	c := fullRenewal()
	c.Loaded = 1000*testSecond + 600_000
	return c
}

// fullRenewal has every claim but that of data that was loaded again.
func fullRenewal() *token.Renewal {
	return &token.Renewal{
		ID:       token.ID(bits("sid", 16)),
		Validity: token.Validity{IssuedAt: testSecond + 720, Expires: testSecond + 720 + 7200, Checked: 1000*testSecond + 719_990, Term: 3},
	}
}

// A swapSource is a source whose ring a test changes.
type swapSource struct {
	keys.Source
	ring atomic.Pointer[keys.Ring]
}

func swapping(r *keys.Ring) *swapSource {
	s := &swapSource{Source: keys.Static(r)}
	s.ring.Store(r)
	return s
}

func (s *swapSource) Ring() *keys.Ring { return s.ring.Load() }

// changed returns compact with a changed authentication tag.
func changed(compact string) string {
	i := len(compact) - 2
	c := byte('A')
	if compact[i] == c {
		c = 'B'
	}
	return compact[:i] + string(c) + compact[i+1:]
}

// staticRing returns a source of the ring of the given JWKs.
func staticRing(t testing.TB, jwks ...string) keys.Source {
	t.Helper()
	return keys.Static(testRing(t, jwks...))
}
