package adopt_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

// A credential of the other system holds the role that its user had. If it was taken away since, the
// session begins with the new one.
func TestAdoptLoadsDataAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		f.OnReload(func(_ context.Context, s *httpmw.Session[cart]) (cart, error) {
			return cart{Items: s.Value().Items, Note: "a reader"}, nil
		})
		a := f.adopter(t)
		p := adopt.Predecessor{Credential: []byte("c1"), Saved: time.Now().Add(-time.Minute)}
		time.Sleep(10 * time.Second)
		if _, err := f.list.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		b := newBrowser()
		if _, err := f.adopt(b, a, p, httpmw.Identity{Subject: "ada"}, cart{Items: []string{"tea"}, Note: "an admin"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if v := s.Value(); v.Note != "a reader" || len(v.Items) != 1 {
					t.Errorf("%+v, %v", v, s.Err())
				}
			})
			time.Sleep(10 * time.Minute)
		}
	})
}

// A session that waits for a login is not replaced by one of the other system, whoever's it is.
func TestAdoptLeavesASessionThatWaitsForALogin(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		a := f.adopter(t)
		p := adopt.Predecessor{Credential: []byte("c1"), Saved: time.Now().Add(-time.Minute)}
		b := newBrowser()
		sid := f.login(t, b, httpmw.Identity{Subject: "ada"})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "ada's"}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Second)
		if _, err := f.list.RequireLogin(t.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for _, subject := range []string{"ada", "eve"} {
			if _, err := f.adopt(b, a, p, httpmw.Identity{Subject: subject}, cart{}); !errors.Is(err, httpmw.ErrReauthenticate) {
				t.Errorf("%s: %v", subject, err)
			}
		}
		f.login(t, b, httpmw.Identity{Subject: "ada"})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Value().Note != "ada's" {
				t.Errorf("%+v, %v", s.Value(), s.Err())
			}
		})
	})
}
