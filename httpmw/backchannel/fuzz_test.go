package backchannel_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/wafer-sessions/wafer/revocation"
)

// Whatever is posted: no panic, no other answer than the three there are, and 200 only for a token that the provider signed, byte for byte.
func FuzzReceive(f *testing.F) {
	key := newSigner(f, "1", "RS256")
	list := openList(f, revocation.NewMemory())
	f.Cleanup(func() { list.Close() })
	r := newReceiver(f, list, newIDP(key), nil)
	good := key.good(sid, sub)
	if resp := post(r, good); resp.StatusCode != http.StatusOK {
		f.Fatalf("the good token: %d", resp.StatusCode)
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
			if err != nil || values.Get("logout_token") != good {
				t.Errorf("accepted %q", body)
			}
		default:
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}
