package backchannel_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// mac signs by HMAC with bytes that are public.
func mac(header, claims string, secret []byte) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return input + "." + b64(h.Sum(nil))
}

func publicPEM(t testing.TB, k crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

const (
	sid = "provider-session-8c1f"
	sub = "user-ada-4711"
)

// Every check of section 2.6, and the known attacks on JWTs: each token is refused, the reason is
// only in the log, and nothing is ended.
func TestForgedTokensAreRefused(t *testing.T) {
	good := newSigner(t, "rsa-1", "RS256")
	ec := newSigner(t, "ec-1", "ES256")
	ed := newSigner(t, "ed-1", "EdDSA")
	p384 := newSigner(t, "p384", "ES384")
	other := newSigner(t, "rsa-1", "ES256") // another party's key under a kid of ours
	small := signer{"small", "RS256", smallRSAKey()}
	twice := newSigner(t, "twice", "EdDSA")
	twin := newSigner(t, "twice", "EdDSA")
	encryption := newSigner(t, "enc-1", "EdDSA")
	encryptionJWK := encryption.jwk()
	encryptionJWK["use"] = "enc"
	bareP384 := p384.jwk() // says neither what it is for nor its algorithm
	delete(bareP384, "alg")
	delete(bareP384, "use")

	head := func(changes members) func() string {
		return func() string { return good.token(good.header().with(changes).json(), claims(sid, sub).json()) }
	}
	claim := func(changes members) func() string {
		return func() string { return good.token(good.header().json(), claims(sid, sub).with(changes).json()) }
	}
	raw := func(edit func(claims string) string) func() string {
		return func() string { return good.token(good.header().json(), edit(claims(sid, sub).json())) }
	}
	rawHead := func(edit func(header string) string) func() string {
		return func() string { return good.token(edit(good.header().json()), claims(sid, sub).json()) }
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	first := func(object, member string) string { return "{" + member + "," + object[1:] }
	last := func(object, member string) string { return object[:len(object)-1] + "," + member + "}" }

	rows := []struct {
		name   string
		token  func() string
		reason string
	}{
		{"none", func() string {
			return b64([]byte(`{"alg":"none","typ":"logout+jwt"}`)) + "." + b64([]byte(claims(sid, sub).json())) + "."
		}, "algorithm"},
		{"noNE", head(members{"alg": "noNE"}), "algorithm"},
		{"no algorithm", head(members{"alg": nil}), "algorithm"},
		{"rs256 in small letters", head(members{"alg": "rs256"}), "algorithm"},
		{"algorithm is a list", head(members{"alg": []string{"RS256"}}), "malformed"},
		{"HS256 with the public key as PEM", func() string {
			return mac(good.header().with(members{"alg": "HS256"}).json(), claims(sid, sub).json(), publicPEM(t, good.key.Public()))
		}, "algorithm"},
		{"HS256 with the JWK", func() string {
			return mac(good.header().with(members{"alg": "HS256"}).json(), claims(sid, sub).json(), []byte(members(good.jwk()).json()))
		}, "algorithm"},
		{"HMAC that says RS256", func() string {
			return mac(good.header().json(), claims(sid, sub).json(), publicPEM(t, good.key.Public()))
		}, "signature"},
		{"RS384, which is not among the allowed", func() string {
			return signer{"rsa-1", "RS384", good.key}.good(sid, sub)
		}, "algorithm"},
		{"PS256 by a key for RS256", func() string { return signer{"rsa-1", "PS256", good.key}.good(sid, sub) }, "unknown_key"},
		{"ES256 by the kid of an RSA key", other.goodFunc(), "unknown_key"},
		{"RS256 by the kid of an EC key", func() string { return signer{"ec-1", "RS256", good.key}.good(sid, sub) }, "unknown_key"},
		{"ES256 by a P-384 key", func() string { return signer{"p384", "ES256", p384.key}.good(sid, sub) }, "unknown_key"},
		{"RSA of 1024 bits", func() string {
			return b64([]byte(small.header().json())) + "." + b64([]byte(claims(sid, sub).json())) + "." + b64(make([]byte, 128))
		}, "unknown_key"},
		{"a key for encryption", encryption.goodFunc(), "unknown_key"},
		{"a kid that two keys have", twice.goodFunc(), "unknown_key"},
		{"no kid, and several keys that fit", func() string {
			return ed.token(ed.header().with(members{"kid": nil}).json(), claims(sid, sub).json())
		}, "unknown_key"},
		{"unknown kid", newSigner(t, "nobody", "EdDSA").goodFunc(), "unknown_key"},
		{"another key", signer{"ec-1", "ES256", other.key}.goodFunc(), "signature"},
		{"a key in the header", func() string {
			return other.token(other.header().with(members{"kid": "ec-1", "jwk": other.jwk()}).json(), claims(sid, sub).json())
		}, "signature"},
		{"a key set elsewhere", func() string {
			return other.token(other.header().with(members{"kid": "ec-1", "jku": "https://evil.example/keys"}).json(), claims(sid, sub).json())
		}, "signature"},
		{"claims exchanged", func() string {
			parts := strings.Split(good.good(sid, sub), ".")
			parts[1] = b64([]byte(claims(sid, "user-eve").json()))
			return strings.Join(parts, ".")
		}, "signature"},
		{"signature cut off", func() string { s := good.good(sid, sub); return s[:strings.LastIndex(s, ".")+1] }, "signature"},
		{"signature cut in half", func() string { s := good.good(sid, sub); return s[:len(s)-170] }, "signature"},
		{"DER signature", func() string {
			input := b64([]byte(ec.header().json())) + "." + b64([]byte(claims(sid, sub).json()))
			sum := sha256.Sum256([]byte(input))
			der, err := ec.key.Sign(nil, sum[:], crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			return input + "." + b64(der)
		}, "signature"},
		{"zero signature", func() string {
			return b64([]byte(ec.header().json())) + "." + b64([]byte(claims(sid, sub).json())) + "." + b64(make([]byte, 64))
		}, "signature"},

		{"typ of an ID token", head(members{"typ": "JWT"}), "type"},
		{"no typ", head(members{"typ": nil}), "type"},
		{"typ of an access token", head(members{"typ": "at+jwt"}), "type"},
		{"typ of a session", head(members{"typ": "session+jwt"}), "type"},
		{"typ is a number", head(members{"typ": 1}), "malformed"},
		{"crit", head(members{"crit": []string{"exp"}}), "malformed"},
		{"b64", head(members{"crit": []string{"b64"}, "b64": false}), "malformed"},
		{"kid is a number", head(members{"kid": 1}), "malformed"},
		{"kid of 257 bytes", head(members{"kid": strings.Repeat("k", 257)}), "malformed"},
		{"alg twice in the header", rawHead(func(h string) string { return first(h, `"alg":"none"`) }), "malformed"},

		{"other issuer", claim(members{"iss": "https://evil.example"}), "issuer"},
		{"issuer with a slash more", claim(members{"iss": issuer + "/"}), "issuer"},
		{"issuer in capitals", claim(members{"iss": strings.ToUpper(issuer)}), "issuer"},
		{"no issuer", claim(members{"iss": nil}), "issuer"},
		{"issuer is a list", claim(members{"iss": []string{issuer}}), "malformed"},
		{"other audience", claim(members{"aud": "another"}), "audience"},
		{"other audiences", claim(members{"aud": []string{"another", "shop "}}), "audience"},
		{"empty audience", claim(members{"aud": []string{}}), "audience"},
		{"no audience", claim(members{"aud": nil}), "audience"},
		{"audience holds null", raw(func(c string) string { return strings.Replace(c, `"aud":"shop"`, `"aud":["shop",null]`, 1) }), "malformed"},
		{"audience is an object", claim(members{"aud": members{client: true}}), "malformed"},

		{"expired", claim(members{"iat": in(-4 * time.Minute), "exp": in(-2 * time.Minute)}), "expired"},
		{"too old", claim(members{"iat": in(-10 * time.Minute)}), "expired"},
		{"issued in the future", claim(members{"iat": in(3 * time.Minute), "exp": in(4 * time.Minute)}), "time"},
		{"expires in an hour", claim(members{"exp": in(time.Hour)}), "time"},
		{"expires before it was issued", claim(members{"iat": in(0), "exp": in(-30 * time.Second)}), "time"},
		{"no exp", claim(members{"exp": nil}), "time"},
		{"no iat", claim(members{"iat": nil}), "time"},
		{"exp is text", claim(members{"exp": "2999999999"}), "malformed"},
		{"exp is null", raw(func(c string) string { return last(strings.Replace(c, `"exp"`, `"old"`, 1), `"exp":null`) }), "malformed"},
		{"exp beyond numbers", raw(func(c string) string { return last(strings.Replace(c, `"exp"`, `"old"`, 1), `"exp":1e999`) }), "malformed"},
		{"negative iat", claim(members{"iat": -1}), "malformed"},

		{"no events", claim(members{"events": nil}), "event"},
		{"events is an array", claim(members{"events": []string{event}}), "event"},
		{"other event", claim(members{"events": members{event + "s": members{}}}), "event"},
		{"event is null", raw(func(c string) string { return strings.Replace(c, event+`":{}`, event+`":null`, 1) }), "event"},
		{"event is true", claim(members{"events": members{event: true}}), "event"},
		{"event is an array", claim(members{"events": members{event: []int{}}}), "event"},
		{"nonce", claim(members{"nonce": "n-0S6_WzA2Mj"}), "nonce"},
		{"nonce is null", raw(func(c string) string { return last(c, `"nonce":null`) }), "nonce"},
		{"neither sid nor sub", claim(members{"sid": nil, "sub": nil}), "subject"},
		{"sid and sub are empty", claim(members{"sid": "", "sub": ""}), "subject"},
		{"sid is a number", claim(members{"sid": 7}), "malformed"},
		{"sub is null", raw(func(c string) string { return last(strings.Replace(c, `"sub"`, `"old"`, 1), `"sub":null`) }), "malformed"},
		{"no jti", claim(members{"jti": nil}), "jti"},
		{"jti of 513 bytes", claim(members{"jti": strings.Repeat("j", 513)}), "jti"},
		{"jti is a number", claim(members{"jti": 1}), "malformed"},

		{"sub twice", raw(func(c string) string { return last(c, `"sub":"user-eve"`) }), "malformed"},
		{"sub twice, once escaped", raw(func(c string) string { return last(c, `"s\u0075b":"user-eve"`) }), "malformed"},
		{"event twice", raw(func(c string) string { return strings.Replace(c, event+`":{}`, event+`":{},"`+event+`":{}`, 1) }), "malformed"},
		{"SUB for sub, no sid", raw(func(c string) string { return strings.NewReplacer(`"sub"`, `"SUB"`, `"sid"`, `"SID"`).Replace(c) }), "subject"},
		{"not UTF-8", raw(func(c string) string { return last(c, "\"name\":\"\xff\"") }), "malformed"},
		{"something behind the claims", raw(func(c string) string { return c + "{}" }), "malformed"},
		{"claims are an array", raw(func(c string) string { return "[" + c + "]" }), "malformed"},
		{"claims are null", raw(func(string) string { return "null" }), "malformed"},
		{"no claims", raw(func(string) string { return "" }), "malformed"},
		{"deep claims", raw(func(c string) string { return last(c, `"x":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000)) }), "malformed"},

		{"empty", func() string { return "" }, "request"},
		{"no dots", func() string { return "token" }, "malformed"},
		{"two parts", func() string { s := good.good(sid, sub); return s[:strings.LastIndex(s, ".")] }, "malformed"},
		{"four parts", func() string { return good.good(sid, sub) + "." }, "malformed"},
		{"encrypted", func() string {
			return b64([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT"}`)) + "." + b64(make([]byte, 256)) + "." + b64(make([]byte, 12)) + ".AAAA." + b64(make([]byte, 16))
		}, "malformed"},
		{"JSON serialization", func() string {
			parts := strings.Split(good.good(sid, sub), ".")
			return members{"protected": parts[0], "payload": parts[1], "signature": parts[2]}.json()
		}, "malformed"},
		{"padded", func() string { return good.good(sid, sub) + "==" }, "malformed"},
		{"line break within", func() string { s := good.good(sid, sub); return s[:20] + "\n" + s[20:] }, "malformed"},
		{"line break behind", func() string { return good.good(sid, sub) + "\r\n" }, "malformed"},
		{"space in front", func() string { return " " + good.good(sid, sub) }, "malformed"},
		{"too long", claim(members{"name": strings.Repeat("x", 15<<10)}), "malformed"},
		{"many dots", func() string { return strings.Repeat(".", 20<<10) }, "malformed"},
	}
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	var bodies []string
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p := newIDP()
			p.show(good.jwk(), ec.jwk(), ed.jwk(), bareP384, small.jwk(), twice.jwk(), twin.jwk(), encryptionJWK)
			var log logtest.Log
			r := newReceiver(t, list, p, func(c *backchannel.Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				c.OnLogout = func(_ context.Context, l backchannel.Logout) { t.Errorf("OnLogout: %v", l) }
			})
			token := row.token()
			resp := post(r, token)
			wantStatus(t, resp, http.StatusBadRequest)
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, resp.Header.Get("Content-Type")+string(body))
			var problem struct{ Error string }
			if err := json.Unmarshal(body, &problem); err != nil || problem.Error != "invalid_request" {
				t.Errorf("body %q", body)
			}
			if diff := cmp.Diff(map[string]uint64{row.reason: 1}, r.Stats().Refused); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			if requests, _ := r.Counts(); requests[row.reason] != 1 || len(requests) != 18 { // all are there from the start
				t.Errorf("Counts: %v", requests)
			}
			if needsKey := row.reason == "unknown_key" || row.reason == "signature"; needsKey != (p.hits.Load() == 1) {
				t.Errorf("the provider was asked %d times", p.hits.Load())
			}
			if revoked(t, list, sid, sub) || revoked(t, list, "", sub) {
				t.Fatal("a session was ended")
			}
			wantNoSecrets(t, log.String(), token)
		})
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Fatalf("the caller can tell refusals apart: %q, %q", b, bodies[0])
		}
	}
}

func (s signer) goodFunc() func() string { return func() string { return s.good(sid, sub) } }

// wantNoSecrets looks for a token, a session and users in a log that must not be empty.
func wantNoSecrets(t *testing.T, log string, token string) {
	t.Helper()
	if log == "" {
		t.Fatal("nothing was logged")
	}
	secrets := []string{sid, sub, "user-eve"}
	for _, part := range strings.Split(token, ".") {
		if len(part) > 12 {
			secrets = append(secrets, part)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %.20q:\n%s", secret, log)
		}
	}
}

// Errors of a request, before its token is read.
func TestBadRequests(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	token := key.good(sid, sub)
	const kind = "application/x-www-form-urlencoded"
	for _, row := range []struct {
		name, method, target, body string
		contentType                []string
		status                     int
	}{
		{"GET", "GET", "/?" + form(token), "", nil, http.StatusMethodNotAllowed},
		{"HEAD", "HEAD", "/", "", nil, http.StatusMethodNotAllowed},
		{"PUT", "PUT", "/", form(token), []string{kind}, http.StatusMethodNotAllowed},
		{"OPTIONS", "OPTIONS", "/", "", nil, http.StatusMethodNotAllowed},
		{"in the query", "POST", "/?" + form(token), "", []string{kind}, http.StatusBadRequest},
		{"no body", "POST", "/", "", []string{kind}, http.StatusBadRequest},
		{"no content type", "POST", "/", form(token), nil, http.StatusBadRequest},
		{"two content types", "POST", "/", form(token), []string{kind, kind}, http.StatusBadRequest},
		{"JSON", "POST", "/", `{"logout_token":"` + token + `"}`, []string{"application/json"}, http.StatusBadRequest},
		{"the token alone", "POST", "/", token, []string{"application/logout+jwt"}, http.StatusBadRequest},
		{"twice", "POST", "/", form(token) + "&" + form(token), []string{kind}, http.StatusBadRequest},
		{"other parameter", "POST", "/", "token=" + token, []string{kind}, http.StatusBadRequest},
		{"bad escape", "POST", "/", form(token) + "&a=%zz", []string{kind}, http.StatusBadRequest},
		{"huge", "POST", "/", form(token) + "&a=" + strings.Repeat("x", 1<<20), []string{kind}, http.StatusBadRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newIDP(key)
			r := newReceiver(t, list, p, nil)
			resp := send(r, row.method, row.target, row.body, row.contentType)
			wantStatus(t, resp, row.status)
			if row.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
			if got := r.Stats().Refused["request"]; row.status == http.StatusBadRequest && got != 1 {
				t.Errorf("counted %d", got)
			}
			if p.hits.Load() != 0 || revoked(t, list, sid, sub) {
				t.Error("it had consequences")
			}
		})
	}
}
