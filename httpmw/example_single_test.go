package httpmw_test

import (
	"net/http"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
)

// signInHereOnly is a login that ends every other session of the user.
func signInHereOnly(sessions *httpmw.Manager[cart], w http.ResponseWriter, r *http.Request) {
	s := sessions.From(r.Context())
	err := s.Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Since: sessions.Now(r.Context())})
	if err == nil {
		err = s.LogoutOthers(r.Context())
	}
	if err != nil {
		s.Logout(r.Context()) // not signed in here either, or there might be two
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	}
}

func TestOneSessionForEachUser(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	signIn := func(b *browser) int {
		r := b.request()
		r.Form = map[string][]string{"user": {"ann"}}
		return b.send(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { signInHereOnly(f.Manager, w, r) })), r).StatusCode
	}
	loggedIn := func(b *browser) (ok bool) {
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { ok = s.LoggedIn() })
		return ok
	}
	laptop, phone := newBrowser(), newBrowser()
	for _, b := range []*browser{laptop, phone} {
		if code := signIn(b); code != http.StatusOK || !loggedIn(b) {
			t.Fatalf("signing in: %d, logged in: %t", code, loggedIn(b))
		}
	}
	if loggedIn(laptop) {
		t.Error("the laptop is still signed in")
	}
	if code := signIn(laptop); code != http.StatusOK || !loggedIn(laptop) || loggedIn(phone) {
		t.Errorf("signing in again: %d, laptop %t, phone %t", code, loggedIn(laptop), loggedIn(phone))
	}
}
