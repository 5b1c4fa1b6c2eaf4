package devices_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

func TestWhatIsListed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := one(t, devices.Config{})
		laptop, phone := newBrowser(firefox), newBrowser(iphone)
		l := laptop.login(t, r, "ann")
		began := time.Now()
		time.Sleep(time.Minute)
		p, err := phone.tryLogin(r, httpmw.Identity{Subject: "ann", Device: "Ann's phone"})
		if err != nil {
			t.Fatal(err)
		}
		newBrowser("").login(t, r, "bob")
		synctest.Wait()
		rows, err := r.List(t.Context(), "ann")
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		first, second := rows[0], rows[1]
		if first.ID != p || first.Label() != "Ann's phone" || first.Agent != "Safari on iPhone" || first.Seen.Before(began.Add(time.Minute)) {
			t.Errorf("the phone is %+v", first)
		}
		if second.ID != l || second.Name != "" || second.Label() != "Firefox on Linux" || second.LoginTime.Sub(began).Abs() > time.Second ||
			second.Began.Sub(began).Abs() > 2*time.Second || second.Until.Sub(began.Add(2*time.Hour)).Abs() > time.Second {
			t.Errorf("the laptop is %+v", second)
		}
		if rows, err := r.List(t.Context(), "bob"); err != nil || len(rows) != 1 || rows[0].Label() != "Unknown device" {
			t.Errorf("bob has %+v, %v", rows, err)
		}
	})
}

// The list follows a session through every change of its id, and forgets what ended. Names stay.
func TestTheListFollows(t *testing.T) {
	for _, max := range []int{0, 2} {
		r := one(t, devices.Config{Max: max})
		b, other := newBrowser(firefox), newBrowser(iphone)
		o := other.login(t, r, "ann")
		if _, err := b.tryLogin(r, httpmw.Identity{Subject: "ann", Device: "mine"}); err != nil {
			t.Fatal(err)
		}
		check := func(when string, others ...string) {
			t.Helper()
			await(t, r, when, "ann", append(others, b.id(r))...)
			rows, _ := r.List(t.Context(), "ann")
			for _, d := range rows {
				if d.ID == b.id(r) && d.Name != "mine" {
					t.Errorf("%s: the name is %q", when, d.Name)
				}
			}
		}
		do := func(what func(*session, context.Context) error) {
			t.Helper()
			if err := b.try(r, what); err != nil {
				t.Fatal(err)
			}
		}
		check("two logins", o)
		do(func(s *session, ctx context.Context) error { return s.SetGroups(ctx, []string{"g"}) })
		check("other groups", o)
		do(func(s *session, ctx context.Context) error {
			return s.Login(ctx, httpmw.Identity{Subject: "ann"})
		})
		check("logged in again", o)
		do((*session).LogoutOthers)
		check("others logged out")
		o = other.login(t, r, "ann")
		check("the other is back", o)
		do((*session).Logout)
		await(t, r, "after the logout", "ann", o)
		b.login(t, r, "ann")
		if err := b.try(r, func(s *session, ctx context.Context) error {
			return s.Login(ctx, httpmw.Identity{Subject: "bob"})
		}); err != nil {
			t.Fatal(err)
		}
		await(t, r, "another subject in the same browser", "ann", o)
		await(t, r, "another subject in the same browser", "bob", b.id(r))
		newBrowser("").login(t, r, "ann")
		if err := other.try(r, (*session).LogoutEverywhere); err != nil {
			t.Fatal(err)
		}
		await(t, r, "logged out everywhere", "ann")
	}
}

// What others revoked leaves the list: a subject and everyone at once, a session when it comes back.
func TestWhatOthersEnded(t *testing.T) {
	r := one(t, devices.Config{})
	revoke := func(target revocation.Target) {
		t.Helper()
		if _, err := r.list.Revoke(t.Context(), target, revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	a, b := newBrowser(firefox), newBrowser(iphone)
	first, second := a.login(t, r, "ann"), b.login(t, r, "ann")
	await(t, r, "two logins", "ann", first, second)
	revoke(revocation.Session(first))
	await(t, r, "nobody told the list", "ann", first, second)
	if a.id(r) != "" {
		t.Error("the revoked session is accepted")
	}
	await(t, r, "the browser came back", "ann", second)
	revoke(revocation.Subject("ann"))
	await(t, r, "the subject was revoked", "ann")
	third := a.login(t, r, "ann")
	await(t, r, "a login after that", "ann", third)
	revoke(revocation.Everyone())
	await(t, r, "everyone was revoked", "ann")
}

// Nobody ends a session of somebody else by its id.
func TestSignOut(t *testing.T) {
	r := one(t, devices.Config{})
	laptop, phone, mallory := newBrowser(firefox), newBrowser(iphone), newBrowser("")
	l, p, m := laptop.login(t, r, "ann"), phone.login(t, r, "ann"), mallory.login(t, r, "mallory")
	await(t, r, "logins", "ann", l, p)
	await(t, r, "logins", "mallory", m)
	for name, row := range map[string]struct{ subject, id string }{
		"a device of somebody else":    {"mallory", p},
		"a subject nobody knows":       {"", p},
		"a subject in capitals":        {"ANN", p},
		"a subject with a space":       {"ann ", p},
		"a subject with a zero behind": {"ann\x00", p},
		"no device":                    {"ann", ""},
		"an unknown device":            {"ann", "AAAAAAAAAAAAAAAAAAAAAA"},
		"garbage":                      {"ann", strings.Repeat("' OR 1=1 --", 1000)},
	} {
		if err := r.SignOut(t.Context(), row.subject, row.id); err != devices.ErrNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if laptop.id(r) != l || phone.id(r) != p || mallory.id(r) != m {
		t.Fatal("somebody was signed out")
	}
	r.log.Fail()
	if err := r.SignOut(t.Context(), "ann", p); !errors.Is(err, revocation.ErrUnavailable) {
		t.Errorf("while the revocations are not stored: %v", err)
	}
	r.log.Recover()
	await(t, r, "the row stays, to be tried again", "ann", l, p)
	if err := r.SignOut(t.Context(), "ann", p); err != nil {
		t.Fatal(err)
	}
	await(t, r, "signed out", "ann", l)
	if laptop.id(r) != l || phone.id(r) != "" || mallory.id(r) != m {
		t.Error("not the phone was signed out")
	}
}

func TestANameThatCannotBeShown(t *testing.T) {
	r := one(t, devices.Config{})
	for _, name := range []string{"two\nlines", "a\x00", "\xff", "\u202eenohp", "a\u2028b", strings.Repeat("x", 101)} {
		b := newBrowser("")
		if _, err := b.tryLogin(r, httpmw.Identity{Subject: "ann", Device: name}); !errors.Is(err, httpmw.ErrIdentity) {
			t.Errorf("%q: %v", name, err)
		}
	}
	await(t, r, "no login", "ann")
}

// A bearer token is a device only if it is given a name.
func TestBearerTokens(t *testing.T) {
	r := one(t, devices.Config{Max: 1})
	b := newBrowser("")
	sid := b.login(t, r, "ann")
	if _, err := r.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, "", 0); err != nil {
		t.Fatal(err)
	}
	await(t, r, "a token without a name", "ann", sid)
	token, err := r.Issue(t.Context(), httpmw.Identity{Subject: "ann", Device: "the app"}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Check(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	await(t, r, "a token with a name", "ann", s.ID())
	if b.id(r) != "" {
		t.Error("the browser is signed in beside it")
	}
}

// A session that begins while the others of its subject are taken from the list stays in it.
func TestALoginBesideALogoutOfOthers(t *testing.T) {
	r := one(t, devices.Config{Max: 5})
	a, b, c := newBrowser(firefox), newBrowser(firefox), newBrowser(iphone)
	a.login(t, r, "ann")
	b.login(t, r, "ann")
	var asked atomic.Bool
	third := make(chan struct{})
	r.store.Fail(func(_ context.Context, call string) error {
		if call == "list" && asked.CompareAndSwap(false, true) { // it is about to delete what it finds
			c.login(t, r, "ann")
			close(third)
		}
		return nil
	})
	if err := a.try(r, (*session).LogoutOthers); err != nil {
		t.Fatal(err)
	}
	first := a.id(r)
	select {
	case <-third:
	case <-time.After(time.Minute):
		t.Fatal("the list was not asked for")
	}
	await(t, r, "afterwards", "ann", first, c.id(r))
	if b.id(r) != "" || c.id(r) == "" {
		t.Error("not the sessions that began before are over")
	}
}

// What ends sessions one after another, or asks for something, leaves them in the list for now.
func TestWhatDoesNotEndYet(t *testing.T) {
	r := one(t, devices.Config{})
	b := newBrowser(firefox)
	sid := b.login(t, r, "ann")
	await(t, r, "a login", "ann", sid)
	if _, err := r.list.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Over: 2 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	await(t, r, "everyone, over a day", "ann", sid)
	if _, err := r.list.RequireLogin(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	await(t, r, "asked to log in again", "ann", sid)
}
