package token_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/token"
)

var update = flag.Bool("update", false, "write the vectors anew")

// TestVectorsAreReproducible makes every vector again, with the same nonces, and compares the
// bytes. With -update it writes them. A change of the format that old replicas would notice shows
// here.
func TestVectorsAreReproducible(t *testing.T) {
	made := make(map[string]bool)
	for _, v := range vectorTable(t) {
		made[v.file] = true
		t.Run(v.file, func(t *testing.T) {
			h := fnv.New64a()
			h.Write([]byte(v.file))
			cryptotest.SetGlobalRandom(t, h.Sum64())
			v.vector.token = v.make(t)
			if v.kind == "" {
				v.kind = "session"
			}
			if v.now == 0 {
				v.now = testSecond
			}
			if v.keys == nil {
				v.keys = []string{testJWK("a", "")}
			}
			path := filepath.Join(vectorDir, v.file+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(v.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.String(), string(b)); diff != "" {
				t.Errorf("made anew it differs (-made +file):\n%s", diff)
			}
		})
	}
	for _, v := range vectors(t) {
		if !made[v.file] {
			t.Errorf("%s is not made here", v.file)
		}
	}
}

type madeVector struct {
	vector
	make func(t *testing.T) string
}

func vectorTable(t *testing.T) []madeVector {
	session := func(change func(*token.Session)) func(*testing.T) string {
		return func(t *testing.T) string {
			c := fullSession()
			change(c)
			return sealed(t, testSealer(t), c, testTime)
		}
	}
	full := session(func(*token.Session) {})
	bearer := func(t *testing.T) string { return sealedBearer(t, testSealer(t), fullSession(), testTime) }
	renewal := func(t *testing.T) string { return sealedRenewal(t, testSealer(t), fullRenewal(), testTime) }
	canonical := func(change func(*token.Session)) string {
		c := fullSession()
		change(c)
		return string(token.AppendSession(nil, c))
	}
	fullClaims := canonical(func(*token.Session) {})
	renewalClaims := string(token.AppendRenewal(nil, fullRenewal()))
	minted := func(header, claims string) func(*testing.T) string {
		return func(t *testing.T) string { return mint(t, header, claims) }
	}
	h := testHeader("a", "session+jwt")
	withHeader := func(members string) func(*testing.T) string {
		return minted(strings.TrimSuffix(h, "}")+","+members+"}", fullClaims)
	}
	withClaims := func(old, with string) func(*testing.T) string {
		if !strings.Contains(fullClaims, old) {
			t.Fatalf("%s is not in the claims", old)
		}
		return minted(h, strings.Replace(fullClaims, old, with, 1))
	}
	parts := func(change func(p []string)) func(*testing.T) string {
		return func(t *testing.T) string {
			p := strings.Split(full(t), ".")
			change(p)
			return strings.Join(p, ".")
		}
	}
	flip := func(part int) func(*testing.T) string {
		return parts(func(p []string) {
			b, ok := jwe.AppendDecode(nil, p[part])
			if !ok {
				t.Fatal("not base64url")
			}
			b[len(b)/2] ^= 1
			p[part] = b64(b)
		})
	}
	sid := token.ID(bits("sid", 16)).String()
	until := fmt.Sprintf(`,"exp":%d`, testSecond+60)

	opens := func(file, about, claims string, make func(*testing.T) string) madeVector {
		return madeVector{vector{file: file, expect: "opens", about: about, claims: claims}, make}
	}
	fails := func(file, expect, about string, make func(*testing.T) string) madeVector {
		return madeVector{vector{file: file, expect: expect, about: about}, make}
	}
	as := func(kind string, v madeVector) madeVector { v.kind = kind; return v }
	with := func(v madeVector, now int64, keys ...string) madeVector { v.now, v.keys = now, keys; return v }

	least := func(c *token.Session) { *c = token.Session{Audience: []byte("shop"), ID: c.ID} }
	escapes := func(c *token.Session) { c.Subject = []byte("zoë \"Q\" \\ \x1f\u2028𝄞") }
	notJSON := func(c *token.Session) { c.Data = []byte(`1,"sub":"mallory","exp":9e9}`) }
	loaded := func(c *token.Session) { c.Loaded = c.Epoch + 20_000 }
	strong := func(c *token.Session) { c.Methods = methods("pwd", "otp", "mfa") }
	most := func(c *token.Session) { c.Methods = mostMethods() }
	withMethods := func(amr string) func(*testing.T) string { return withClaims(`,"ep"`, `,"amr":`+amr+`,"ep"`) }
	largest := func(c *token.Session) {
		c.AuthTime, c.Epoch, c.IssuedAt, c.Expires, c.End, c.Checked, c.Term = 1<<53-1, 1<<53-1, 1<<53-1, 1<<53-1, 1<<53-1, 1<<53-1, 1<<32-1
		c.Version, c.Loaded = 1<<53-1, 1<<53-1
		c.Subject = []byte(strings.Repeat("x", 256))
		for i := range c.GroupTags {
			c.GroupTags[i] = token.Tag(bits(fmt.Sprint("grp ", i), 16))
		}
		c.Groups = 8
	}
	elsewhere := strings.NewReplacer(`{"aud":"shop",`, `{ "iss":"https://example.com", "aud":[ "shop" ], `, `"alice"`, `"\u0061lice"`, `"iat"`, `"x":{"sub":["mallory",-1.5e3]},"iat"`).Replace(fullClaims)

	return []madeVector{
		opens("session", "everything that most sessions say, in the canonical form", fullClaims, full),
		opens("session-least", "nothing that can be left out", canonical(least), session(least)),
		opens("session-largest", "all bounds reached but those of methods", canonical(largest), session(largest)),
		opens("session-escapes", "a subject with escapes and beyond ASCII", canonical(escapes), session(escapes)),
		opens("session-not-remembered", "that it is not remembered is said, which the canonical form leaves out", canonical(func(c *token.Session) { c.Remembered = false }), withClaims(`"rem":true`, `"rem":false`)),
		opens("session-data-not-json", "data that is not one JSON value and would end the claims is data all the same", canonical(notJSON), session(notJSON)),
		opens("session-loaded", "when the data was last loaded, besides everything else", canonical(loaded), session(loaded)),
		opens("session-methods", "how the subject was authenticated, besides everything else", canonical(strong), session(strong)),
		opens("session-methods-most", "eight methods of 16 characters", canonical(most), session(most)),
		opens("session-methods-none", "that there are no methods is said, which the canonical form leaves out", fullClaims, withMethods(`[]`)),
		opens("session-methods-spelling", "methods with white space and escapes", canonical(strong), withMethods(` [ "pwd","\u006ftp" ,"mfa"]`)),
		as("bearer", opens("bearer-methods", "a bearer token with methods", canonical(strong), func(t *testing.T) string {
			c := fullSession()
			strong(c)
			return sealedBearer(t, testSealer(t), c, testTime)
		})),
		as("seen", opens("seen", "everything that most renewal tokens say", renewalClaims, renewal)),
		as("seen", opens("seen-loaded", "when the data of the session was last loaded, besides everything else", string(token.AppendRenewal(nil, loadedRenewal())), func(t *testing.T) string {
			return sealedRenewal(t, testSealer(t), loadedRenewal(), testTime)
		})),
		as("seen", opens("seen-least", "nothing that can be left out", `{"sid":"`+sid+`","iat":1,"exp":2}`, minted(testHeader("a", "seen+jwt"), `{"sid":"`+sid+`","iat":1,"exp":2}`))),
		as("bearer", opens("bearer", "a bearer token, which says what a session says", fullClaims, bearer)),
		as("bearer", opens("bearer-least", "nothing that can be left out", leastClaims, minted(testHeader("a", "bearer+jwt"), leastClaims))),
		as("bearer", opens("bearer-header-order", "the members of the header in another order", fullClaims, minted(`{"typ":"bearer+jwt","kid":"`+testKID("a")+`","enc":"A256GCM","alg":"dir"}`, fullClaims))),
		opens("header-order", "the members of the header in another order", fullClaims, minted(`{"typ":"session+jwt","kid":"`+testKID("a")+`","enc":"A256GCM","alg":"dir"}`, fullClaims)),
		opens("header-spelling", "a header with white space and escapes", fullClaims, minted(`{ "alg":"dir", "enc":"A256GCM", "kid":"`+testKID("a")+`", "typ":"session\u002Bjwt" }`, fullClaims)),
		opens("claims-spelling", "claims with white space, escapes, an audience in an array and members that are not known", fullClaims, minted(h, elsewhere)),
		with(opens("key-opening", "sealed with a key that has been replaced and is still good", fullClaims, full), testSecond+59, testJWK("a", until), testJWK("b", "")),

		with(fails("key-expired", "unknown key", "the key opens nothing from the second of its exp on", full), testSecond+60, testJWK("a", until), testJWK("b", "")),
		with(fails("key-unknown", "unknown key", "the ring does not have the kid", full), testSecond, testJWK("b", "")),
		with(fails("key-revoked", "revoked key", "the key was revoked", full), testSecond, testJWK("a", fmt.Sprintf(`,"revoked":%d`, testSecond)), testJWK("b", "")),
		with(fails("key-other", "tampered", "the kid of one key over what another one sealed", minted(testHeader("b", "session+jwt"), fullClaims)), testSecond, testJWK("a", ""), testJWK("b", "")),

		fails("kind-other", "malformed", "a good renewal token where a session is wanted", renewal),
		fails("kind-bearer", "malformed", "a good bearer token where a session is wanted", bearer),
		as("bearer", fails("kind-session", "malformed", "a good session token where a bearer token is wanted", full)),
		as("seen", fails("kind-bearer-seen", "malformed", "a good bearer token where a renewal token is wanted", bearer)),
		as("bearer", fails("kind-bearer-swapped", "tampered", "a session under the header of a bearer token", func(t *testing.T) string {
			_, rest, _ := strings.Cut(full(t), ".")
			return b64([]byte(testHeader("a", "bearer+jwt"))) + "." + rest
		})),
		fails("kind-swapped", "tampered", "a renewal token under the header of a session", func(t *testing.T) string {
			_, rest, _ := strings.Cut(renewal(t), ".")
			return b64([]byte(h)) + "." + rest
		}),
		fails("flip-iv", "tampered", "one bit of the IV changed", flip(2)),
		fails("flip-ciphertext", "tampered", "one bit of the ciphertext changed", flip(3)),
		fails("flip-tag", "tampered", "one bit of the tag changed", flip(4)),
		fails("swapped-tag", "tampered", "the tag of another token that says the same", func(t *testing.T) string {
			p, q := strings.Split(full(t), "."), strings.Split(full(t), ".")
			p[4] = q[4]
			return strings.Join(p, ".")
		}),

		fails("too-long", "too long", "one byte more than 4096", func(t *testing.T) string {
			return full(t) + strings.Repeat("A", token.MaxLength+1-len(full(t)))
		}),
		fails("dots", "malformed", "nothing but dots", func(*testing.T) string { return strings.Repeat(".", 100) }),
		fails("parts-four", "malformed", "the empty encrypted key left out", func(t *testing.T) string { return strings.Replace(full(t), "..", ".", 1) }),
		fails("parts-six", "malformed", "a dot behind the tag", func(t *testing.T) string { return full(t) + "." }),
		fails("encrypted-key", "malformed", "an encrypted key, which dir does not have", parts(func(p []string) { p[1] = b64(bits("key", 32)) })),
		fails("iv-short", "malformed", "an IV of 88 bits", parts(func(p []string) { p[2] = p[2][:15] })),
		fails("tag-short", "malformed", "a tag of 96 bits", parts(func(p []string) { p[4] = p[4][:16] })),
		fails("json-serialization", "malformed", "flattened JSON in place of the compact form", func(t *testing.T) string {
			p := strings.Split(full(t), ".")
			return `{"protected":"` + p[0] + `","iv":"` + p[2] + `","ciphertext":"` + p[3] + `","tag":"` + p[4] + `"}`
		}),
		fails("base64-padding", "malformed", "base64url with padding", parts(func(p []string) { p[4] += "==" })),
		fails("base64-line-feed", "malformed", "a line feed within the ciphertext", parts(func(p []string) { p[3] = p[3][:40] + "\n" + p[3][40:] })),
		fails("base64-line-feed-behind", "malformed", "a line feed behind the token", func(t *testing.T) string { return full(t) + "\n" }),
		fails("base64-trailing-bits", "malformed", "bits left over in the last character of the tag", parts(func(p []string) {
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			p[4] = p[4][:21] + string(alphabet[strings.IndexByte(alphabet, p[4][21])+1])
		})),
		fails("base64-alphabet", "malformed", "a slash in place of an underscore", parts(func(p []string) { p[3] = "/" + p[3][1:] })),

		fails("header-zip", "malformed", "compression", withHeader(`"zip":"DEF"`)),
		fails("header-crit", "malformed", "an extension that must be understood", withHeader(`"crit":["exp"],"exp":1`)),
		fails("header-jku", "malformed", "the address of a key", withHeader(`"jku":"https://example.com/keys"`)),
		fails("header-nested", "malformed", "a key in the header", withHeader(`"jwk":{"kty":"oct"}`)),
		fails("header-twice", "malformed", "a member twice", withHeader(`"kid":"`+testKID("a")+`"`)),
		fails("header-case", "malformed", "a member in another case", minted(strings.Replace(h, `"alg"`, `"ALG"`, 1), fullClaims)),
		fails("header-alg", "malformed", "another algorithm", minted(strings.Replace(h, `"dir"`, `"A256KW"`, 1), fullClaims)),
		fails("header-enc", "malformed", "another encryption", minted(strings.Replace(h, `"A256GCM"`, `"A128GCM"`, 1), fullClaims)),
		fails("header-typ", "malformed", "another type", minted(strings.Replace(h, `"session+jwt"`, `"JWT"`, 1), fullClaims)),
		fails("header-typ-missing", "malformed", "no type", minted(strings.Replace(h, `,"typ":"session+jwt"`, ``, 1), fullClaims)),

		fails("claims-twice", "malformed", "a member twice", withClaims(`"iat"`, `"sub":"mallory","iat"`)),
		fails("claims-case", "malformed", "a member in another case", withClaims(`"sub"`, `"SUB"`)),
		fails("claims-fold", "malformed", "a member that is another one under Unicode case folding", withClaims(`"sub"`, `"ſub"`)),
		fails("claims-missing", "malformed", "no absolute deadline", withClaims(fmt.Sprintf(`,"end":%d`, fullSession().End), ``)),
		fails("claims-negative", "malformed", "a negative number", withClaims(`"ln":3`, `"ln":-3`)),
		fails("claims-fraction", "malformed", "a number with a fraction", withClaims(`"ln":3`, `"ln":3.0`)),
		fails("claims-exponent", "malformed", "a number with an exponent", withClaims(`"ln":3`, `"ln":3e0`)),
		fails("claims-number-large", "malformed", "2^53", withClaims(fmt.Sprintf(`"exp":%d`, fullSession().Expires), `"exp":9007199254740992`)),
		fails("claims-rem-number", "malformed", "a number in place of true", withClaims(`"rem":true`, `"rem":1`)),
		fails("claims-rem-string", "malformed", "a string in place of true", withClaims(`"rem":true`, `"rem":"true"`)),
		fails("claims-rem-twice", "malformed", "remembered twice", withClaims(`"rem":true`, `"rem":true,"rem":true`)),
		fails("claims-ver-large", "malformed", "a version of 2^53", withClaims(`"ver":7`, `"ver":9007199254740992`)),
		fails("claims-sid-trailing-bits", "malformed", "a sid in another spelling", withClaims(sid, sid[:21]+"B")),
		fails("claims-aud-two", "malformed", "two audiences", withClaims(`"shop"`, `["shop","bank"]`)),
		fails("claims-sub-long", "malformed", "a subject of 257 bytes", withClaims(`"alice"`, `"`+strings.Repeat("a", 257)+`"`)),
		fails("claims-grp-nine", "malformed", "nine groups", withClaims(`"grp":[`, `"grp":[`+strings.Repeat(`"`+sid+`",`, 7))),
		fails("claims-ld-string", "malformed", "a string in place of a number", withClaims(`,"iat"`, `,"ld":"1","iat"`)),
		fails("claims-ld-twice", "malformed", "loaded twice", withClaims(`,"iat"`, `,"ld":1,"ld":1,"iat"`)),
		fails("claims-amr-string", "malformed", "a string in place of an array of methods", withMethods(`"pwd"`)),
		fails("claims-amr-number", "malformed", "a method that is a number", withMethods(`["pwd",2]`)),
		fails("claims-amr-nine", "malformed", "nine methods", withMethods(`["1","2","3","4","5","6","7","8","9"]`)),
		fails("claims-amr-long", "malformed", "a method of 17 characters", withMethods(`["aaaaaaaaaaaaaaaaa"]`)),
		fails("claims-amr-empty", "malformed", "an empty method", withMethods(`[""]`)),
		fails("claims-amr-space", "malformed", "a method with a space", withMethods(`["pass word"]`)),
		fails("claims-amr-quote", "malformed", "a method with a quotation mark", withMethods(`["a\"b"]`)),
		fails("claims-amr-same", "malformed", "the same method twice", withMethods(`["pwd","otp","pwd"]`)),
		fails("claims-amr-twice", "malformed", "methods twice", withMethods(`["pwd"],"amr":["mfa"]`)),
		fails("claims-not-utf8", "malformed", "a subject that is not UTF-8", withClaims(`"alice"`, "\"al\xffce\"")),
		fails("claims-data-early", "malformed", "data before claims, which makes them data", withClaims(`"iat"`, `"dat":1,"iat"`)),
		fails("claims-behind", "malformed", "something behind the claims", minted(h, fullClaims+"x")),
	}
}
