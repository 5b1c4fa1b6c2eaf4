package httpmw_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

type act func(s *httpmw.Session[cart], r *http.Request) error

func logout(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) }
func everywhere(s *httpmw.Session[cart], r *http.Request) error {
	return s.LogoutEverywhere(r.Context())
}
func logoutOthers(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) }
func loginAs(subject string) act {
	return func(s *httpmw.Session[cart], r *http.Request) error {
		return s.Login(r.Context(), httpmw.Identity{Subject: subject})
	}
}

// does runs one call within a request of the browser.
func (f *fixture) does(b *browser, do act) (err error) {
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) { err = do(s, r) })
	return err
}

// sends is does for cookies in the order given.
func (f *fixture) sends(do act, pairs ...string) (err error) {
	r := newBrowser().request()
	r.Header["Cookie"] = []string{strings.Join(pairs, "; ")}
	newBrowser().send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		err = do(f.From(r.Context()), r)
	})), r)
	return err
}

// short makes sessions expire soon: simulated hours take time as well, since every replica polls its list.
var short = httpmw.Config{Idle: 6 * time.Minute}

// stolen logs ann in and has a thief use a copy for longer than her idle limit, while her own browser sleeps.
func stolen(t *testing.T, f *fixture) (owner, thief *browser) {
	owner = newBrowser()
	f.login(t, owner, httpmw.Identity{Subject: "ann"})
	thief = owner.copy()
	use(t, f, thief)
	if _, err := f.look(owner); err != httpmw.ErrExpiredIdle {
		t.Fatalf("the owner comes back to %v", err)
	}
	return owner, thief
}

// use has a browser use its session for longer than the idle limit.
func use(t *testing.T, f *fixture, b *browser) {
	for range 30 {
		time.Sleep(short.Idle / 24)
		if subject, err := f.look(b); subject != "ann" {
			t.Fatalf("it is %q, %v", subject, err)
		}
	}
}

// out fails the test unless a browser is out two seconds later, on every replica.
func out(t *testing.T, b *browser, replicas ...*fixture) {
	t.Helper()
	time.Sleep(within)
	for i, f := range replicas {
		if subject, err := f.look(b); subject != "" || !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("on replica %d it is %q, %v", i, subject, err)
		}
	}
}

// An idle limit is one copy's, and a sign-out ends the session: also when the copy of the one who signs out has expired,
// and that of a thief has not.
func TestLogoutOfAnExpiredCopyEndsTheSession(t *testing.T) {
	for name, row := range map[string]struct {
		do   act
		want error
	}{
		"logout":       {logout, nil},
		"everywhere":   {everywhere, httpmw.ErrExpiredIdle},
		"login":        {loginAs("ann"), nil},
		"login of bob": {loginAs("bob"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, short)
				other := newReplica(t, f.ring, f.store.Unwrap(), short)
				owner, thief := stolen(t, f)
				elsewhere := newBrowser()
				f.login(t, elsewhere, httpmw.Identity{Subject: "ann"})
				if err := f.does(owner, row.do); err != row.want {
					t.Errorf("got %v, want %v", err, row.want)
				}
				out(t, thief, f, other)
				if subject, err := f.look(elsewhere); subject != "ann" {
					t.Errorf("the owner's phone is %q, %v", subject, err)
				}
			})
		})
	}
}

func TestLogoutWithoutTheRenewalCookie(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, short)
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		use(t, f, b)
		copied := b.copy()
		delete(b.jar, renewalName)
		if err := f.does(b, logout); err != nil {
			t.Error(err)
		}
		out(t, copied, f)
	})
}

// A session that has come to its end can be used by nobody, and is not written to the list.
func TestLogoutPastTheEndWritesNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: short.Idle, Absolute: short.Idle})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		anonymous := newBrowser()
		time.Sleep(2*short.Idle + slack) // and what clocks may be apart
		if err := f.does(anonymous, func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) }); err != nil {
			t.Error(err)
		}
		before := len(f.store.Writes())
		for _, who := range []*browser{b, anonymous} {
			if err := f.does(who, logout); err != nil {
				t.Error(err)
			}
		}
		if n := len(f.store.Writes()) - before; n != 0 {
			t.Errorf("wrote %d times", n)
		}
	})
}

// Each ended session is told of, for a table of devices.
func TestLogoutTellsOfEverySessionItEnds(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var ended []string
		f := newFixture(t, httpmw.Config{Idle: short.Idle, OnEvent: func(_ context.Context, e httpmw.Event) {
			if e.Kind == httpmw.EventLogout {
				ended = append(ended, e.Subject)
			}
		}})
		ann, bob := newBrowser(), newBrowser()
		f.login(t, ann, httpmw.Identity{Subject: "ann"})
		time.Sleep(2 * short.Idle)
		f.login(t, bob, httpmw.Identity{Subject: "bob"})
		if err := f.sends(logout, sessionName+"="+ann.jar[sessionName], sessionName+"="+bob.jar[sessionName]); err != nil {
			t.Error(err)
		}
		if strings.Join(ended, " ") != "ann bob" {
			t.Errorf("told of %q", ended)
		}
	})
}

// Success means that the store has it: as long as it has not, every further logout of the session says so.
func TestLogoutAgainDuringAnOutage(t *testing.T) {
	for name, first := range map[string]func(f *fixture, b *browser) error{
		"logged out here": func(f *fixture, b *browser) error { return f.does(b, logout) },
		"everywhere":      func(f *fixture, b *browser) error { return f.does(b, everywhere) },
		"by an administrator": func(f *fixture, b *browser) error {
			_, err := f.list.Revoke(context.Background(), revocation.Group("g"), revocation.Options{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"g"}})
				copied := b.copy()
				f.store.Fail()
				if err := first(f, b); !errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("at first: %v", err)
				}
				for range 2 { // each request, and within one
					f.in(copied.copy(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						for range 2 {
							if err := s.Logout(r.Context()); !errors.Is(err, revocation.ErrUnavailable) {
								t.Errorf("again: %v", err)
							}
						}
					})
				}
				f.store.Recover()
				if err := f.does(copied.copy(), logout); err != nil {
					t.Errorf("with the store back: %v", err)
				}
				out(t, copied, other)
			})
		})
	}
}

// What this replica makes of a session by itself, here because its clock is ahead, is nothing to the others.
func TestLogoutAtAReplicaThatRefusesByItself(t *testing.T) {
	for name, row := range map[string]struct {
		change func(tok *token.Session) // to what a replica reads by whose clock it is later
		err    error
	}{
		"idle limit":     {func(tok *token.Session) { tok.Expires = time.Now().Add(-time.Minute).Unix() }, httpmw.ErrExpiredIdle},
		"absolute limit": {func(tok *token.Session) { tok.End = time.Now().Add(-50 * time.Minute).Unix() }, httpmw.ErrExpiredAbsolute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				copied := b.copy()
				f.mint(t, b, row.change)
				if _, err := f.look(b); err != row.err {
					t.Fatalf("got %v", err)
				}
				f.store.Fail()
				if err := f.does(b.copy(), logout); !errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("while the store is silent: %v", err)
				}
				f.store.Recover()
				if err := f.does(b.copy(), logout); err != nil {
					t.Error(err)
				}
				out(t, copied, f)
			})
		})
	}
}

// A login over an expired cookie goes ahead in an outage. The session of that cookie ends when the store is back.
func TestLoginOverAnExpiredCopyDuringAnOutage(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, short)
		other := newReplica(t, f.ring, f.store.Unwrap(), short)
		owner, thief := stolen(t, f)
		f.store.Fail()
		if err := f.does(owner, loginAs("ann")); err != nil {
			t.Errorf("the login: %v", err)
		}
		if subject, err := f.look(owner); subject != "ann" || err != nil {
			t.Errorf("the owner is %q, %v", subject, err)
		}
		out(t, thief, f)
		f.store.Recover()
		time.Sleep(2 * within)
		out(t, thief, f, other)
		if subject, err := f.look(owner); subject != "ann" || err != nil {
			t.Errorf("afterwards the owner is %q, %v", subject, err)
		}
	})
}

// LogoutOthers is an error, and changes nothing here, unless every session that it had to end is ended.
func TestLogoutOthersWithDuplicatesDuringAnOutage(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		first, last := newBrowser(), newBrowser()
		f.login(t, first, httpmw.Identity{Subject: "bob"})
		time.Sleep(time.Second)
		sid := f.login(t, last, httpmw.Identity{Subject: "ann"})
		f.store.Fail()
		err := f.sends(func(s *httpmw.Session[cart], r *http.Request) error {
			err := s.LogoutOthers(r.Context())
			if s.ID() != sid || s.Err() != nil {
				t.Errorf("the session is %q, %v", s.ID(), s.Err())
			}
			return err
		}, sessionName+"="+first.jar[sessionName], sessionName+"="+last.jar[sessionName])
		if !errors.Is(err, httpmw.ErrUndecided) || !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// A revoked cookie cannot log its subject out, also where nobody can know yet that it was revoked.
func TestLogoutEverywhereOfAnUndecidedSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		thief, victim := newBrowser(), newBrowser()
		sid := f.login(t, thief, httpmw.Identity{Subject: "ann"})
		if _, err := f.list.Revoke(t.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		f.login(t, victim, httpmw.Identity{Subject: "ann"})
		time.Sleep(30 * time.Minute)
		fresh := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		fresh.store.Fail()
		time.Sleep(2 * within)
		err := fresh.does(thief, func(s *httpmw.Session[cart], r *http.Request) error {
			if s.Err() != httpmw.ErrUndecided {
				t.Fatalf("at a replica that has just started it is %v", s.Err())
			}
			return s.LogoutEverywhere(r.Context())
		})
		if !errors.Is(err, httpmw.ErrUndecided) || !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		fresh.store.Recover()
		time.Sleep(3 * within)
		if subject, err := f.look(victim); subject != "ann" || err != nil {
			t.Errorf("the victim is %q, %v", subject, err)
		}
	})
}

// The application may use the session while it is told that its cookie was refused.
func TestFromWithinARefusal(t *testing.T) {
	var f *fixture
	told := 0
	f = newFixture(t, httpmw.Config{OnEvent: func(ctx context.Context, e httpmw.Event) {
		if e.Kind != httpmw.EventRefused {
			return
		}
		told++
		for _, s := range []*httpmw.Session[cart]{f.From(ctx), f.From(e.Request.Context())} {
			if s.LoggedIn() || s.Err() != httpmw.ErrMalformed {
				t.Errorf("told of %v", s.Err())
			}
		}
		if err := f.From(ctx).Set(cart{Note: "refused"}); err != nil {
			t.Error(err)
		}
	}})
	b := newBrowser()
	b.jar[sessionName] = "junk"
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if s.Value().Note != "refused" {
			t.Errorf("the session has %q", s.Value().Note)
		}
	})
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// While the store is silent, somebody who signs in and out again and again ends his own sessions, and takes nobody's
// place among the logouts that wait for the store.
func TestLogoutsOfOneSubjectTakeFewPlaces(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		ada, mallory := newBrowser(), newBrowser()
		f.login(t, ada, httpmw.Identity{Subject: "ada"})
		var all []*browser
		for range 100 {
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "mallory"})
			all = append(all, b)
		}
		f.login(t, mallory, httpmw.Identity{Subject: "mallory"})
		f.store.Fail()
		out := func(b *browser) (err error) {
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) { err = s.Logout(r.Context()) })
			return err
		}
		for _, b := range all {
			if err := out(b); !errors.Is(err, revocation.ErrUnavailable) || errors.Is(err, revocation.ErrOutboxFull) {
				t.Fatalf("logout: %v", err)
			}
		}
		if n := f.list.Stats().Outbox; n != 65 {
			t.Errorf("%d of 100 logouts wait, want 64 and one of the subject", n)
		}
		if _, err := f.look(mallory); !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("another session of that subject: %v", err)
		}
		copied := ada.copy()
		if err := out(ada); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("somebody else's logout: %v", err)
		}
		if _, err := f.look(copied); !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("a copy of somebody else's cookie: %v", err)
		}
	})
}
