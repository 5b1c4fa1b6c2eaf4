package httpmw_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

// A list or a ring that cannot do what was asked is 503, with Retry-After, and never a mistake of the application.
func TestFail(t *testing.T) {
	login := func(s *httpmw.Session[cart], r *http.Request) error {
		return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
	}
	set := func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) }
	logout := func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) }
	others := func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) }
	down := func(_ *testing.T, f *fixture) *fixture { f.store.Fail(); return f }
	long := func(t *testing.T, f *fixture) *fixture {
		down(t, f)
		time.Sleep(grace + within)
		return f
	}
	closed := func(_ *testing.T, f *fixture) *fixture { f.list.Close(); return f }
	worn := func(t *testing.T, f *fixture) *fixture { // no key of the ring is good
		made := fmt.Appendf(nil, `"nbf":%d`, f.ring.Keys()[0].NotBefore().Unix())
		doc := bytes.Replace(f.ring.PlaintextJWKSet(), made, fmt.Appendf(made, `,"revoked":%d`, time.Now().Unix()), 1)
		return newReplica(t, must(keys.Parse(doc)), f.store.Unwrap(), httpmw.Config{})
	}
	for name, row := range map[string]struct {
		when   func(*testing.T, *fixture) *fixture
		act    func(*httpmw.Session[cart], *http.Request) error
		status int
	}{
		"login over a session, silent": {down, login, 503},
		"login over a session, closed": {closed, login, 503},
		"login, silent past the grace": {long, login, 503},
		"login without a key":          {worn, login, 503},
		"set, silent past the grace":   {long, set, 503},
		"set without a key":            {worn, set, 503},
		"logout, silent":               {down, logout, 503},
		"logout, closed":               {closed, logout, 503},
		"logout others, silent":        {down, others, 503},
		"logout others, closed":        {closed, others, 503},
		"too large": {nil, func(s *httpmw.Session[cart], _ *http.Request) error {
			return s.Set(cart{Note: string(make([]byte, 5000))})
		}, 413},
		"nobody is who": {nil, func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Login(r.Context(), httpmw.Identity{})
		}, 500},
		"nobody is logged in": {nil, func(s *httpmw.Session[cart], r *http.Request) error {
			return errors.Join(logout(s, r), others(s, r))
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				if row.when != nil {
					f = row.when(t, f)
				}
				res := f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					err := row.act(s, r)
					if got := errors.Is(err, httpmw.ErrUnavailable); got != (row.status == 503) {
						t.Errorf("%v: unavailable %v", err, got)
					}
					f.Fail(w, r, err)
				})
				if retry := res.Header.Get("Retry-After"); res.StatusCode != row.status || retry != "" != (row.status == 503) {
					t.Errorf("%s, Retry-After %q", res.Status, retry)
				}
			})
		})
	}
}
