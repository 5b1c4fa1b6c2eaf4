package backchannel_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// No input causes a panic or an answer other than the three documented ones, and only a token that
// the provider signed, byte for byte, gets 200.
func FuzzReceive(f *testing.F) {
	// Every process of the fuzzer has the same key, so that the seeds are valid in all of them.
	key := signer{"1", "EdDSA", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	list := openList(f, revlog.NewMemory())
	r := newReceiver(f, list, newIDP(key), nil)
	good := key.good(sid, sub)
	if resp := post(r, good); resp.StatusCode != http.StatusOK {
		f.Fatalf("the good token: %d", resp.StatusCode)
	}
	// A list that keeps reading would confuse the fuzzer's coverage. The valid token was
	// acknowledged and stays so.
	if err := list.Close(); err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{
		form(good), form(good) + "&other=1", form(good) + "&" + form(good), "", "logout_token=", "logout_token=a.b.c", "logout_token=%", "&&&;",
		form(good[:len(good)-1]), form(good + "="), form(good + "\n"), form(good + ".x.y"),
		form(key.token(key.header().with(members{"kid": "2"}).json(), claims(sid, sub).json())),
		form(key.token(key.header().json(), claims(sid, sub).with(members{"nonce": "x"}).json())),
		form(key.token(key.header().json(), `{"iss":"a","iss":"b"}`)),
		form(key.token(key.header().json(), `[[[[{"a":`)),
		form(key.token(`{"alg":"none"}`, `{}`)),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		resp := postBody(r, body)
		switch resp.StatusCode {
		case http.StatusBadRequest, http.StatusServiceUnavailable:
		case http.StatusOK:
			values, err := url.ParseQuery(body)
			if err != nil || !signed(values.Get("logout_token"), key.key.Public().(ed25519.PublicKey)) {
				t.Errorf("accepted %q", body)
			}
		default:
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}

// signed verifies without the product: three parts, each in its only spelling, and a signature over
// the first two.
func signed(token string, key ed25519.PublicKey) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	var sig []byte
	for _, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || b64(b) != part {
			return false
		}
		sig = b
	}
	return ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), sig)
}
