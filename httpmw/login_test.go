package httpmw_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// within is how long a revocation may take to be known everywhere, in these tests' lists.
const within = 2 * time.Second

func TestLoginBeginsANewSession(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	var before string
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "tea"}); err != nil {
			t.Fatal(err)
		}
		before = s.ID()
	})
	planted := b.copy()
	after := f.login(t, b, httpmw.Identity{Subject: "ann"})
	if before == after || len(after) != 22 {
		t.Errorf("session ids %q and %q", before, after)
	}
	// A copy of the planted anonymous session gives no access to the session after the login.
	if subject, err := f.look(planted); subject != "" || err != nil {
		t.Errorf("the planted session is %q, %v", subject, err)
	}
}

// Data is kept from an anonymous session and from one of the same subject, never from another's.
func TestDataAtLogin(t *testing.T) {
	for name, row := range map[string]struct {
		first, second string
		want          string
	}{
		"anonymous, then ann": {"", "ann", "tea"},
		"ann, then ann":       {"ann", "ann", "tea"},
		"ann, then bob":       {"ann", "bob", ""},
	} {
		for _, apart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in two requests %v", name, apart), func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				b := newBrowser()
				first := func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if row.first != "" {
						if err := s.Login(r.Context(), httpmw.Identity{Subject: row.first}); err != nil {
							t.Error(err)
						}
					}
					if err := s.Set(cart{Note: "tea"}); err != nil {
						t.Error(err)
					}
				}
				second := func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := s.Login(r.Context(), httpmw.Identity{Subject: row.second}); err != nil {
						t.Error(err)
					}
				}
				if apart {
					f.in(b, first)
					f.in(b, second)
				} else {
					f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						first(w, r, s)
						second(w, r, s)
					})
				}
				f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
					if diff := cmp.Diff(cart{Note: row.want}, s.Value()); diff != "" || s.Subject() != row.second {
						t.Errorf("%s has %s", s.Subject(), diff)
					}
				})
			})
		}
	}
}

// A login over a session ends that session for good: step-up leaves no weaker copy alive (R22).
func TestLoginOverALoginEndsTheFirst(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	old := b.copy()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	if subject, err := f.look(old); subject != "" || err != httpmw.ErrRevokedSession {
		t.Errorf("the first is %q, %v", subject, err)
	}
	if subject, _ := f.look(b); subject != "ann" {
		t.Errorf("the second is %q", subject)
	}
	// And a copy of the first cannot be continued.
	f.in(old, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.LogoutOthers(r.Context()); !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("LogoutOthers: %v", err)
		}
	})
}

// A session that would be too large for its cookies is refused before the one it is to follow has ended.
func TestLoginTooLarge(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	groups := strings.Split("a b c d e f g h", " ")
	for name, do := range map[string]func(s *httpmw.Session[cart], ctx context.Context) error{
		"login": func(s *httpmw.Session[cart], ctx context.Context) error {
			return s.Login(ctx, httpmw.Identity{Subject: "ann", Groups: groups})
		},
		"switch": func(s *httpmw.Session[cart], ctx context.Context) error { return s.SetGroups(ctx, groups) },
		"login with one group": func(s *httpmw.Session[cart], ctx context.Context) error {
			return s.Login(ctx, httpmw.Identity{Subject: "ann", Groups: groups[:1]})
		},
		"to one group": func(s *httpmw.Session[cart], ctx context.Context) error { return s.SetGroups(ctx, groups[:1]) },
	} {
		b := newBrowser()
		sid := f.login(t, b, httpmw.Identity{Subject: "ann"})
		var note cart
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			var tooLarge *httpmw.SizeError
			if err := s.Set(cart{Note: strings.Repeat("x", 5000)}); !errors.As(err, &tooLarge) {
				t.Fatal(err)
			}
			note.Note = strings.Repeat("x", 5000-tooLarge.Cut) // as large as can be
			if err := s.Set(note); err != nil {
				t.Fatal(err)
			}
			if err := do(s, r.Context()); !errors.Is(err, httpmw.ErrTooLarge) || s.ID() != sid {
				t.Errorf("%s: %v", name, err)
			}
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if diff := cmp.Diff(note, s.Value()); diff != "" || s.ID() != sid {
				t.Errorf("%s: the session is %q, %v", name, s.ID(), s.Err())
			}
		})
	}
}

func TestUnusableIdentities(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for name, id := range map[string]httpmw.Identity{
		"no subject":     {},
		"long subject":   {Subject: strings.Repeat("a", 257)},
		"not UTF-8":      {Subject: "\xff"},
		"nine groups":    {Subject: "ann", Groups: strings.Split("a b c d e f g h i", " ")},
		"nameless group": {Subject: "ann", Groups: []string{""}},
		"long group":     {Subject: "ann", Groups: []string{strings.Repeat("g", 257)}},
		"remember":       {Subject: "ann", Remember: true},
	} {
		t.Run(name, func(t *testing.T) {
			res := f.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				err := s.Login(r.Context(), id)
				if !errors.Is(err, httpmw.ErrIdentity) || s.LoggedIn() {
					t.Errorf("got %v", err)
				}
				if id.Subject != "" && len(id.Subject) > 8 && strings.Contains(err.Error(), id.Subject) {
					t.Error("the subject is in the error")
				}
			})
			if len(res.Header["Set-Cookie"]) != 0 {
				t.Error("a cookie was set")
			}
		})
	}
}

func TestLogout(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
	b, elsewhere := newBrowser(), newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	f.login(t, elsewhere, httpmw.Identity{Subject: "ann"})
	copied := b.copy()
	res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Logout(r.Context()); err != nil {
			t.Error(err)
		}
		if s.LoggedIn() || s.Err() != nil {
			t.Errorf("after logout: %v", s.Err())
		}
	})
	if diff := cmp.Diff([]string{sessionName, renewalName}, setNames(res)); diff != "" || !b.signedOut() {
		t.Errorf("jar %v, %s", b.jar, diff)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if subject, err := f.look(copied); subject != "" || err != httpmw.ErrRevokedSession {
		t.Errorf("the copy is %q, %v", subject, err)
	}
	await(t, "another replica refuses the copy", func() bool {
		_, err := other.look(copied)
		return err == httpmw.ErrRevokedSession
	})
	if subject, err := f.look(elsewhere); subject != "ann" || err != nil {
		t.Errorf("the other browser is %q, %v", subject, err)
	}
	// Logging out twice, or with nothing to log out of, is no error.
	for _, who := range []*browser{copied, newBrowser()} {
		f.in(who, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Logout(r.Context()); err != nil {
				t.Error(err)
			}
		})
		if !who.signedOut() {
			t.Errorf("jar %v", who.jar)
		}
	}
}

// A session that is none has no say about the others of its subject, and is told so.
func TestLogoutEverywhereOfADeadSession(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b, elsewhere := newBrowser(), newBrowser()
	sid := f.login(t, b, httpmw.Identity{Subject: "ann"})
	f.login(t, elsewhere, httpmw.Identity{Subject: "ann"})
	if _, err := f.list.Revoke(t.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		who *browser
		err error
	}{{b, httpmw.ErrRevokedSession}, {newBrowser(), httpmw.ErrNoLogin}} {
		f.in(row.who, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.LogoutEverywhere(r.Context()); err != row.err {
				t.Errorf("got %v, want %v", err, row.err)
			}
		})
		if !row.who.signedOut() {
			t.Errorf("jar %v", row.who.jar)
		}
	}
	if subject, err := f.look(elsewhere); subject != "ann" || err != nil {
		t.Errorf("the other browser is %q, %v", subject, err)
	}
}

// await fails the test if a condition does not come true in good time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestLogoutExpiresCookiesThatNeverOpened(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for _, name := range []string{sessionName, renewalName} {
		b := newBrowser()
		b.jar[name] = "junk"
		res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Logout(r.Context()); err != nil {
				t.Error(err)
			}
		})
		if !b.signedOut() || len(setNames(res)) != 2 {
			t.Errorf("%s: jar %v", name, b.jar)
		}
	}
	// And sends nothing to who has none.
	res := f.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if len(setNames(res)) != 0 {
		t.Error("a cookie was set for nobody")
	}
}

func TestLogoutOthers(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b, others, stranger := newBrowser(), newBrowser(), newBrowser()
	f.login(t, others, httpmw.Identity{Subject: "ann"})
	f.login(t, stranger, httpmw.Identity{Subject: "bob"})
	var loginTime, end time.Time
	before := ""
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := errors.Join(s.Login(r.Context(), httpmw.Identity{Subject: "ann", Groups: []string{"g"}}), s.Set(cart{Note: "tea"})); err != nil {
			t.Fatal(err)
		}
		before, loginTime = s.ID(), s.LoginTime()
		_, end = s.Deadlines()
	})
	old := b.copy()
	res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.LogoutOthers(r.Context()); err != nil {
			t.Fatal(err)
		}
		_, absolute := s.Deadlines()
		if s.ID() == before || s.Subject() != "ann" || !s.InGroup("g") || s.Value().Note != "tea" ||
			!s.LoginTime().Equal(loginTime) || !absolute.Equal(end) {
			t.Error("the session is another than it was")
		}
	})
	if diff := cmp.Diff([]string{sessionName}, setNames(res)); diff != "" {
		t.Error(diff)
	}
	for name, row := range map[string]struct {
		who     *browser
		subject string
		err     error
	}{
		"this":                {b, "ann", nil},
		"the other browser":   {others, "", httpmw.ErrRevokedSubject},
		"a copy of the old":   {old, "", httpmw.ErrRevoked},
		"somebody else there": {stranger, "bob", nil},
	} {
		if subject, err := f.look(row.who); subject != row.subject || !errors.Is(err, row.err) {
			t.Errorf("%s: %q, %v", name, subject, err)
		}
	}
	// It holds when the list knows it from the store, too.
	other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
	if subject, err := other.look(b); subject != "ann" || err != nil {
		t.Errorf("on another replica: %q, %v", subject, err)
	}
	if _, err := other.look(others); err != httpmw.ErrRevokedSubject {
		t.Errorf("on another replica the other browser: %v", err)
	}
}

// Logout everywhere, then an immediate login: the new session lives, all old ones are dead.
func TestLogoutEverywhereThenLogin(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for _, apart := range []bool{true, false} {
		t.Run(fmt.Sprintf("in two requests %v", apart), func(t *testing.T) {
			b, others := newBrowser(), newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			f.login(t, others, httpmw.Identity{Subject: "ann"})
			old := b.copy()
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.LogoutEverywhere(r.Context()); err != nil || s.LoggedIn() {
					t.Errorf("%v, logged in %v", err, s.LoggedIn())
				}
				if !apart {
					if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
						t.Error(err)
					}
				}
			})
			if apart {
				f.login(t, b, httpmw.Identity{Subject: "ann"})
			}
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Errorf("the new session is %q, %v", subject, err)
			}
			for _, dead := range []*browser{old, others} {
				if subject, err := f.look(dead); subject != "" || !errors.Is(err, httpmw.ErrRevoked) {
					t.Errorf("an old session is %q, %v", subject, err)
				}
			}
			other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
			if subject, err := other.look(b); subject != "ann" || err != nil {
				t.Errorf("on another replica the new session is %q, %v", subject, err)
			}
		})
	}
}

func TestSwitch(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	var loginTime, end time.Time
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := errors.Join(s.Login(r.Context(), httpmw.Identity{Subject: "ann", Groups: []string{"tenant:7", "beta"}}), s.Set(cart{Note: "tea"})); err != nil {
			t.Fatal(err)
		}
		loginTime = s.LoginTime()
		_, end = s.Deadlines()
	})
	old := b.copy()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		before := s.ID()
		if err := s.SetGroups(r.Context(), strings.Split("a b c d e f g h i", " ")); !errors.Is(err, httpmw.ErrIdentity) || s.ID() != before {
			t.Errorf("nine groups: %v", err)
		}
		if err := s.SetGroups(r.Context(), []string{"tenant:8"}); err != nil {
			t.Fatal(err)
		}
		_, absolute := s.Deadlines()
		if s.ID() == before || s.InGroup("tenant:7") || s.InGroup("beta") || !s.InGroup("tenant:8") ||
			s.Value().Note != "tea" || !s.LoginTime().Equal(loginTime) || !absolute.Equal(end) {
			t.Error("not the same session in another group")
		}
	})
	if subject, err := f.look(old); subject != "" || err != httpmw.ErrRevokedSession {
		t.Errorf("the old session is %q, %v", subject, err)
	}
	// Revoking the group it left does nothing to it; revoking the one it is in ends it.
	revoke := func(name string) {
		if _, err := f.list.Revoke(t.Context(), revocation.Group(name), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	revoke("tenant:7")
	if subject, err := f.look(b); subject != "ann" || err != nil {
		t.Errorf("after revoking the old group: %q, %v", subject, err)
	}
	revoke("tenant:8")
	if subject, err := f.look(b); subject != "" || err != httpmw.ErrRevokedGroup {
		t.Errorf("after revoking the new group: %q, %v", subject, err)
	}
}

// A login that raced with the revocation of its subject is refused if it says when it began (R21).
func TestLoginSince(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		login := func(since revocation.Instant) (err error) {
			f.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				err = s.Login(r.Context(), httpmw.Identity{Subject: "ann", Since: since})
			})
			return err
		}
		began := f.list.Now(t.Context())
		time.Sleep(time.Minute) // somebody types a password
		if _, err := f.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := login(began); !errors.Is(err, httpmw.ErrRevoked) || !errors.Is(err, revocation.ErrRevoked) {
			t.Errorf("a login that began before: %v", err)
		}
		time.Sleep(2 * within)
		if err := login(f.list.Now(t.Context())); err != nil {
			t.Errorf("a login that began after: %v", err)
		}
		if err := login(revocation.Instant{}); err != nil {
			t.Errorf("a login that does not say: %v", err)
		}
	})
}

// With the list disabled, logout clears the cookie and says nothing; what would need the list says so.
func TestDisabledList(t *testing.T) {
	ring := keys.Generate(0)
	m, err := httpmw.New[cart](keys.Static(ring), revocation.Disabled(ring), httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Manager: m, ring: ring}
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"g"}})
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.LogoutOthers(r.Context()); !errors.Is(err, revocation.ErrDisabled) || !s.LoggedIn() {
			t.Errorf("LogoutOthers: %v", err)
		}
		if err := s.SetGroups(r.Context(), []string{"h"}); err != nil || !s.InGroup("h") {
			t.Errorf("SetGroups: %v", err)
		}
	})
	copied := b.copy()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Logout(r.Context()); err != nil {
			t.Errorf("Logout: %v", err)
		}
	})
	if subject, _ := f.look(copied); !b.signedOut() || subject != "ann" {
		t.Errorf("jar %v, copy %q: the list is disabled", b.jar, subject)
	}
	f.in(copied, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.LogoutEverywhere(r.Context()); !errors.Is(err, revocation.ErrDisabled) || s.LoggedIn() {
			t.Errorf("LogoutEverywhere: %v", err)
		}
	})
	if !copied.signedOut() {
		t.Errorf("jar %v", copied.jar)
	}
}
