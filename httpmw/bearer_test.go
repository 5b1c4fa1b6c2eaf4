package httpmw_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

func TestIssueAndCheck(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var events []httpmw.Event
		f := newFixture(t, httpmw.Config{OnEvent: func(_ context.Context, e httpmw.Event) { events = append(events, timeless(t, e)) }})
		bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Groups: []string{"robots"}}, cart{Note: "tea"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Check(t.Context(), bearer)
		if err != nil {
			t.Fatal(err)
		}
		if s.Subject() != "ann" || !s.LoggedIn() || !s.InGroup("robots") || s.Value().Note != "tea" || s.Err() != nil {
			t.Errorf("%q, %v", s.Subject(), s.Err())
		}
		idle, absolute := s.Deadlines()
		if want := time.Unix(time.Now().Unix(), 0).Add(time.Hour); !idle.Equal(want) || !absolute.Equal(want) {
			t.Errorf("limits %v and %v, want %v", idle, absolute, want)
		}
		want := []httpmw.Event{{Kind: httpmw.EventLogin, Session: s.ID(), Subject: "ann"}}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Error(diff)
		}
		// What would need an answer to carry it is refused.
		for name, err := range map[string]error{
			"Set":          s.Set(cart{}),
			"Update":       s.Update(func(*cart) error { return nil }),
			"Login":        s.Login(t.Context(), httpmw.Identity{Subject: "bob"}),
			"SetGroups":    s.SetGroups(t.Context(), nil),
			"LogoutOthers": s.LogoutOthers(t.Context()),
		} {
			if err != httpmw.ErrCommitted {
				t.Errorf("%s: %v", name, err)
			}
		}
		time.Sleep(time.Hour - time.Second)
		if _, err := f.Check(t.Context(), bearer); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := f.Check(t.Context(), bearer); err != httpmw.ErrExpiredAbsolute {
			t.Errorf("at its end: %v", err)
		}
	})
}

func TestBearerTokensAreRevoked(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	issue := func() (string, *httpmw.Session[cart]) {
		bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Check(t.Context(), bearer)
		if err != nil {
			t.Fatal(err)
		}
		return bearer, s
	}
	one, s := issue()
	two, _ := issue()
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := f.Check(t.Context(), one); err != httpmw.ErrRevokedSession {
		t.Errorf("after its logout: %v", err)
	}
	s, err := f.Check(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LogoutEverywhere(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := f.Check(t.Context(), two); err != httpmw.ErrRevokedSubject {
		t.Errorf("after logout everywhere: %v", err)
	}
	three, _ := issue()
	if _, err := f.Check(t.Context(), three); err != nil {
		t.Errorf("one issued afterwards: %v", err)
	}
}

// CheckCookies takes the cookies of a browser, however they came.
func TestCheckCookies(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(50 * time.Minute)
		f.look(b)
		time.Sleep(50 * time.Minute)
		if _, err := f.CheckCookies(t.Context(), b.jar[sessionName], ""); err != httpmw.ErrExpiredIdle {
			t.Errorf("without its renewal: %v", err)
		}
		if s, err := f.CheckCookies(t.Context(), b.jar[sessionName], b.jar[renewalName]); err != nil || s.Subject() != "ann" {
			t.Errorf("with it: %v", err)
		}
		if _, err := f.CheckCookies(t.Context(), "", ""); err != httpmw.ErrNoLogin {
			t.Errorf("nothing: %v", err)
		}
		if _, err := f.CheckCookies(t.Context(), "out.1", ""); err != httpmw.ErrNoLogin {
			t.Errorf("the marker of a logout: %v", err)
		}
		if _, err := f.CheckCookies(t.Context(), "junk", "junk"); err != httpmw.ErrMalformed {
			t.Errorf("junk: %v", err)
		}
		f.mint(t, b, func(tok *token.Session) {
			tok.Checked = time.Now().Add(time.Minute).UnixMilli()
			tok.Expires += 3600
		})
		f.store.Fail()
		if s, err := f.CheckCookies(t.Context(), b.jar[sessionName], ""); err != httpmw.ErrUndecided || s != nil {
			t.Errorf("undecided: %v", err)
		}
	})
}

// A token is sealed for one purpose: a cookie does not work as a bearer token, nor a bearer token
// as a cookie.
func TestPurposes(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.Check(t.Context(), b.jar[sessionName]); err != httpmw.ErrMalformed || s != nil {
		t.Errorf("a cookie as a bearer token: %v", err)
	}
	if s, err := f.CheckCookies(t.Context(), bearer, ""); err != httpmw.ErrMalformed || s != nil {
		t.Errorf("a bearer token as the value of a cookie: %v", err)
	}
	c := newBrowser()
	c.jar[sessionName] = bearer
	if subject, err := f.look(c); subject != "" || err != httpmw.ErrMalformed {
		t.Errorf("a bearer token as a cookie: %q, %v", subject, err)
	}
	c = b.copy()
	c.jar[renewalName] = bearer
	if subject, err := f.look(c); subject != "ann" || err != nil {
		t.Errorf("a bearer token as the renewal cookie: %q, %v", subject, err)
	}
	if s, err := f.Check(t.Context(), bearer); err != nil || s.Subject() != "robot" {
		t.Errorf("as it is meant: %v", err)
	}
}

// Any visitor can have the cookie of an anonymous session. It passes no check.
func TestAnonymousSessionsPassNoCheck(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "tea"}); err != nil {
			t.Error(err)
		}
	})
	if s, err := f.CheckCookies(t.Context(), b.jar[sessionName], ""); err != httpmw.ErrNoLogin || s != nil {
		t.Errorf("its cookie: %v", err)
	}
	// A bearer token without a subject, which Issue does not make, but other programs that hold the
	// key could.
	now := time.Now()
	anonymous := token.Session{Audience: []byte("session"), ID: token.ID{1}, Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 60}, End: now.Unix() + 60}
	bearer, err := token.New(keys.Static(f.ring)).SealBearer(nil, &anonymous, now)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.Check(t.Context(), string(bearer)); err != httpmw.ErrNoLogin || s != nil {
		t.Errorf("a bearer token of nobody: %v", err)
	}
}

func TestUnusableTokens(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for name, row := range map[string]struct {
		id  httpmw.Identity
		ttl time.Duration
	}{
		"no subject": {httpmw.Identity{}, 0},
		"remember":   {httpmw.Identity{Subject: "ann", Remember: true}, 0},
		// It is not renewed, so the list would forget what revoked it before it ends.
		"beyond MaxIdle": {httpmw.Identity{Subject: "ann"}, 2*time.Hour + time.Second},
		"negative":       {httpmw.Identity{Subject: "ann"}, -time.Hour},
	} {
		if got, err := f.Issue(t.Context(), row.id, cart{}, row.ttl); !errors.Is(err, httpmw.ErrIdentity) || got != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, size := range []int{3000, 5000, 1 << 20} {
		_, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{Note: strings.Repeat("x", size)}, 0)
		var tooLarge *httpmw.SizeError
		if !errors.As(err, &tooLarge) || tooLarge.Max != token.MaxLength {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{Note: strings.Repeat("x", size-tooLarge.Cut)}, 0); err != nil {
			t.Errorf("%d bytes, cut as told: %v", size, err)
		}
	}
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		since := f.list.Now(t.Context())
		time.Sleep(time.Minute)
		if _, err := f.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Since: since}, cart{}, 0); !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("a token whose password check began before the revocation: %v", err)
		}
		f.store.Fail()
		time.Sleep(grace + time.Minute)
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{}, 0); !errors.Is(err, httpmw.ErrUndecided) {
			t.Errorf("past the grace: %v", err)
		}
	})
}

// A bearer token is no cookie of another application, and the other way round.
func TestBearerAudience(t *testing.T) {
	shop := newFixture(t, httpmw.Config{App: "shop"})
	desk := newReplica(t, shop.ring, shop.store.Unwrap(), httpmw.Config{App: "desk"})
	bearer, err := shop.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, cart{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Check(t.Context(), bearer); err != httpmw.ErrWrongAudience {
		t.Errorf("got %v", err)
	}
}
