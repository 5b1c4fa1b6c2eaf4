package token_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/token"
)

const leastClaims = `{"aud":"shop","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"iat":2,"exp":3,"end":4}`

func TestHeadersFromElsewhere(t *testing.T) {
	s := testSealer(t)
	kid := testKID("a")
	rows := []struct{ name, header string }{
		{"as sealed here", testHeader("a", "session+jwt")},
		{"another order", `{"typ":"session+jwt","kid":"` + kid + `","enc":"A256GCM","alg":"dir"}`},
		{"a third order", `{"kid":"` + kid + `","alg":"dir","typ":"session+jwt","enc":"A256GCM"}`},
		{"white space", "\n{ \"alg\" : \"dir\" ,\r\n\t\"enc\":\"A256GCM\", \"kid\":\"" + kid + "\", \"typ\":\"session+jwt\" }\n"},
		{"escaped plus, as .NET writes it", `{"alg":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"session\u002Bjwt"}`},
		{"escapes wherever they may be", `{"\u0061lg":"d\u0069r","enc":"\u0041256GCM","kid":"` + kid + `","typ":"session+jwt"}`},
		{"384 bytes", testHeader("a", "session+jwt") + strings.Repeat(" ", 384-len(testHeader("a", "session+jwt")))},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if c, err := opened(s, mint(t, row.header, leastClaims)); err != nil || c.KeyID != kid {
				t.Errorf("%s: key %q, %v", row.header, c.KeyID, err)
			}
		})
	}
}

func TestHeadersRefused(t *testing.T) {
	s := testSealer(t)
	kid := testKID("a")
	with := func(members string) string {
		return `{"alg":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt",` + members + `}`
	}
	type row struct{ name, header string }
	rows := []row{
		{"empty", ""},
		{"empty object", "{}"},
		{"null", "null"},
		{"array", "[" + testHeader("a", "session+jwt") + "]"},
		{"string", `"dir"`},
		{"no alg", `{"enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`},
		{"no enc", `{"alg":"dir","kid":"` + kid + `","typ":"session+jwt"}`},
		{"no kid", `{"alg":"dir","enc":"A256GCM","typ":"session+jwt"}`},
		{"no typ", `{"alg":"dir","enc":"A256GCM","kid":"` + kid + `"}`},
		{"typ twice", with(`"typ":"session+jwt"`)},
		{"typ twice, once escaped", with(`"\u0074yp":"session+jwt"`)},
		{"alg twice", with(`"alg":"dir"`)},
		{"enc twice", with(`"enc":"A256GCM"`)},
		{"kid twice", with(`"kid":"` + kid + `"`)},
		{"another member", with(`"x":"y"`)},
		{"member in another case", with(`"ALG":"dir"`)},
		{"alg in another case", `{"ALG":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`},
		{"alg value in another case", `{"alg":"DIR","enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`},
		{"alg not a string", `{"alg":["dir"],"enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`},
		{"kid not a string", `{"alg":"dir","enc":"A256GCM","kid":1,"typ":"session+jwt"}`},
		{"kid null", `{"alg":"dir","enc":"A256GCM","kid":null,"typ":"session+jwt"}`},
		{"nested", with(`"jwk":{"kty":"oct"}`)},
		{"typ JWT", testHeader("a", "JWT")},
		{"typ empty", testHeader("a", "")},
		{"typ as a media type", testHeader("a", "application/session+jwt")},
		{"typ in another case", testHeader("a", "Session+JWT")},
		{"no closing brace", strings.TrimSuffix(testHeader("a", "session+jwt"), "}")},
		{"comma at the end", with("")},
		{"no comma", `{"alg":"dir" "enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`},
		{"bytes behind", testHeader("a", "session+jwt") + "x"},
		{"two objects", testHeader("a", "session+jwt") + testHeader("a", "session+jwt")},
		{"byte order mark", "\ufeff" + testHeader("a", "session+jwt")},
		{"raw control character", `{"alg":"dir","enc":"A256GCM","kid":"` + kid + "\",\"typ\":\"session+jwt\n\"}"},
		{"not UTF-8", `{"alg":"dir","enc":"A256GCM","kid":"` + kid + "\",\"typ\":\"session+jwt\xff\"}"},
		{"385 bytes", testHeader("a", "session+jwt") + strings.Repeat(" ", 385-len(testHeader("a", "session+jwt")))},
		{"1,000 opening braces", strings.Repeat("{", 1000)},
		{"200 opening brackets", strings.Repeat("[", 200)},
	}
	for _, member := range []string{
		`"zip":"DEF"`, `"zip":""`, `"crit":["exp"]`, `"crit":[]`, `"b64":true`, `"cty":"JWT"`,
		`"jku":"https://example.com"`, `"jwk":{}`, `"x5u":"https://example.com"`, `"x5c":[]`, `"x5t":"AA"`, `"x5t#S256":"AA"`,
		`"epk":{}`, `"apu":"AA"`, `"apv":"AA"`, `"iv":"AAAAAAAAAAAAAAAA"`, `"tag":"AAAAAAAAAAAAAAAAAAAAAA"`,
		`"p2s":"AA"`, `"p2c":2147483648`, `"iss":"x"`, `"sub":"x"`, `"aud":"x"`, `"url":"x"`, `"nonce":"x"`, `"__proto__":{}`,
	} {
		rows = append(rows, row{"member " + member, with(member)})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if c, err := opened(s, mint(t, row.header, leastClaims)); !errors.Is(err, token.ErrMalformed) {
				t.Errorf("%s: opens as %+v, %v", row.header, c, err)
			}
		})
	}
}

// Of all combinations of algorithms in the registry "JSON Web Signature and Encryption Algorithms",
// one is accepted.
func TestOneAlgorithm(t *testing.T) {
	algs := strings.Fields(`HS256 HS384 HS512 RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 none
		RSA1_5 RSA-OAEP RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512 A128KW A192KW A256KW dir ECDH-ES ECDH-ES+A128KW
		ECDH-ES+A192KW ECDH-ES+A256KW A128GCMKW A192GCMKW A256GCMKW PBES2-HS256+A128KW PBES2-HS384+A192KW
		PBES2-HS512+A256KW EdDSA ES256K Ed25519 Ed448 RS1 A128CBC A192CBC A256CBC A128CTR A192CTR A256CTR HS1
		ML-DSA-44 ML-DSA-65 ML-DSA-87 noNE NONE Dir DIR`)
	encs := strings.Fields(`A128CBC-HS256 A192CBC-HS384 A256CBC-HS512 A128GCM A192GCM A256GCM a256gcm A256GCMKW none`)
	s := testSealer(t)
	accepted := 0
	for _, alg := range append(algs, "") {
		for _, enc := range append(encs, "") {
			h := fmt.Sprintf(`{"alg":%q,"enc":%q,"kid":%q,"typ":"session+jwt"}`, alg, enc, testKID("a"))
			_, err := opened(s, mint(t, h, leastClaims))
			switch {
			case err == nil && alg == "dir" && enc == "A256GCM":
				accepted++
			case !errors.Is(err, token.ErrMalformed):
				t.Errorf("alg %q, enc %q: %v", alg, enc, err)
			}
		}
	}
	if accepted != 1 {
		t.Errorf("%d pairs of algorithms are accepted", accepted)
	}
}

// A kid is compared with those in the ring and used for nothing else. A kid that no ring could
// contain is malformed; any other is unknown.
func TestKidsRefused(t *testing.T) {
	s := testSealer(t)
	for _, kid := range []string{
		"", "A", testKID("a")[:10], testKID("a") + "A", testKID("a") + "=", testKID("a")[:10] + "B", "../../../..",
		"*", "?*?*?*?*?*?", "a\\u0000aaaaaaaaa", "aaaaaaaaaa\\n", "';DROP TAB;", "%2e%2e%2fetc", "ааааа", strings.Repeat("A", 200),
	} {
		h := `{"alg":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`
		if _, err := opened(s, mint(t, h, leastClaims)); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("kid %q: %v", kid, err)
		}
	}
	if _, err := opened(s, mint(t, testHeader("b", "session+jwt"), leastClaims)); !errors.Is(err, token.ErrUnknownKey) {
		t.Errorf("kid that the ring does not have: %v", err)
	}
}

// One key, one attempt: a token under one key of the ring that names another does not open.
func TestNoTrialDecryption(t *testing.T) {
	s := token.New(staticRing(t, testJWK("a", ""), testJWK("b", "")))
	if _, err := opened(s, mint(t, testHeader("a", "session+jwt"), leastClaims)); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(s, mint(t, testHeader("b", "session+jwt"), leastClaims)); !errors.Is(err, token.ErrTampered) {
		t.Errorf("sealed with a, says b: %v", err)
	}
}
