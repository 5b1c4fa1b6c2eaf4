package devices_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/revocation"
)

func TestTheOldestEnds(t *testing.T) {
	for _, max := range []int{1, 2, 5} {
		r := one(t, devices.Config{Max: max})
		var sids []string
		var browsers []*browser
		for i := range 8 {
			b := newBrowser(firefox)
			browsers, sids = append(browsers, b), append(sids, b.login(t, r, "ann"))
			living := sids[less(i+1, max):]
			await(t, r, fmt.Sprintf("at most %d: login %d", max, i), "ann", slices.Clone(living)...)
			for j, b := range browsers {
				if want := slices.Contains(living, sids[j]); (b.id(r) != "") != want {
					t.Errorf("at most %d, after login %d: session %d is accepted: %t", max, i, j, !want)
				}
			}
		}
		if n := r.Registry.Stats().Evicted; n != uint64(8-max) {
			t.Errorf("at most %d: %d were ended", max, n)
		}
	}
}

// less returns a-b, 0 if that is negative.
func less(a, b int) int { return max(a-b, 0) }

// A login that would make one too many fails if either store does. Nobody is logged out, nothing is
// left behind, and the next login keeps the limit.
func TestNoSessionTooManyInAnOutage(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, broken := range map[string]func(*replica, devices.Store){
		"the list of devices refuses writes": func(r *replica, _ devices.Store) {
			r.store.Fail(func(_ context.Context, call string) error {
				if call == "put" {
					return errDead
				}
				return nil
			})
		},
		"the list of devices hangs": func(r *replica, _ devices.Store) {
			r.store.Fail(func(ctx context.Context, _ string) error { return hang(ctx) })
		},
		"the list of devices wrote and did not say so": func(r *replica, rows devices.Store) {
			r.store.Replace(forgetful{rows})
		},
		"the revocations are not stored": func(r *replica, _ devices.Store) { r.log.Fail() },
	} {
		t.Run(name, func(t *testing.T) {
			rows := devices.NewMemory()
			r := fleet(t, 1, rows, devices.Config{Max: 2, Timeout: 300 * time.Millisecond}, httpmw.Config{})[0]
			a, b, c := newBrowser(firefox), newBrowser(firefox), newBrowser(firefox)
			first, second := a.login(t, r, "ann"), b.login(t, r, "ann")
			broken(r, rows)
			for range 3 {
				sid, err := c.tryLogin(r, httpmw.Identity{Subject: "ann"})
				if !errors.Is(err, devices.ErrUnavailable) || !errors.Is(err, httpmw.ErrUnavailable) || sid != "" || len(c.jar) > 0 {
					t.Fatalf("a login makes %q and returns %v, cookies %d", sid, err, len(c.jar))
				}
			}
			if b.id(r) != second || name != "the revocations are not stored" && a.id(r) != first {
				t.Error("somebody was logged out")
			}
			r.store.Replace(rows)
			r.store.Fail(nil)
			r.log.Recover()
			await(t, r, "the rows of logins that failed are gone", "ann", first, second)
			var third string
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				var err error
				if third, err = c.tryLogin(r, httpmw.Identity{Subject: "ann"}); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			if a.id(r) != "" || b.id(r) != second || c.id(r) != third {
				t.Error("not the oldest session ended")
			}
			await(t, r, "afterwards", "ann", second, third)
		})
	}
}

// forgetful writes and reports an error.
type forgetful struct{ devices.Store }

func (f forgetful) Put(ctx context.Context, owner string, d devices.Device, previous string, max int) ([]string, error) {
	f.Store.Put(ctx, owner, d, previous, max)
	return nil, errDead
}

// What a process left behind that died between its write and its revocations, the next login ends.
func TestALoginThatDiedHalfway(t *testing.T) {
	rows := devices.NewMemory()
	r := fleet(t, 1, rows, devices.Config{Max: 1}, httpmw.Config{})[0]
	a, b, c := newBrowser(firefox), newBrowser(firefox), newBrowser(firefox)
	a.login(t, r, "ann")
	ghost := devices.Device{ID: "AAAAAAAAAAAAAAAAAAAAAA", Began: time.Now(), Seen: time.Now(), Until: time.Now().Add(time.Hour)}
	if excess, err := rows.Put(t.Context(), r.list.Tag(revocation.Subject("ann")).String(), ghost, "", 1); err != nil || len(excess) != 1 {
		t.Fatal(excess, err)
	}
	second := b.login(t, r, "ann")
	await(t, r, "the next login", "ann", second)
	if a.id(r) != "" {
		t.Error("the oldest session is alive")
	}
	third := c.login(t, r, "ann")
	await(t, r, "one more", "ann", third)
}

// What goes on under another id adds no session: it needs neither the list of devices nor room in it.
func TestWhatGoesOnNeverFails(t *testing.T) {
	r := fleet(t, 1, devices.NewMemory(), devices.Config{Max: 1}, httpmw.Config{})[0]
	b := newBrowser(firefox)
	b.login(t, r, "ann")
	r.store.Fail(func(context.Context, string) error { return errDead })
	for name, do := range map[string]func(*session, context.Context) error{
		"login again": func(s *session, ctx context.Context) error {
			return s.Login(ctx, httpmw.Identity{Subject: "ann"})
		},
		"other groups":  func(s *session, ctx context.Context) error { return s.SetGroups(ctx, []string{"g"}) },
		"logout others": (*session).LogoutOthers,
	} {
		before := b.id(r)
		if err := b.try(r, do); err != nil || b.id(r) == "" || b.id(r) == before {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Another subject would be one more of its own.
	if _, err := b.tryLogin(r, httpmw.Identity{Subject: "bob"}); !errors.Is(err, devices.ErrUnavailable) || b.id(r) != "" {
		t.Errorf("another subject: %v, session %q", err, b.id(r))
	}
	r.store.Fail(nil)
}

// A change of a session's id that crosses the login that ends it does not save it.
func TestALoginThatCrossesAChangeOfID(t *testing.T) {
	r := one(t, devices.Config{Max: 1})
	a, b := newBrowser(firefox), newBrowser(firefox)
	a.login(t, r, "ann")
	b.login(t, r, "ann") // the row of a is gone, but say that a's replica does not know yet
	before := *a
	var all sync.WaitGroup
	for range 20 {
		a, b = newBrowser(firefox), newBrowser(firefox)
		a.login(t, r, "ann")
		all.Go(func() {
			a.try(r, func(s *session, ctx context.Context) error { return s.SetGroups(ctx, []string{"g"}) })
		})
		all.Go(func() { b.tryLogin(r, httpmw.Identity{Subject: "ann"}) })
		all.Wait()
		living := 0
		for _, b := range []*browser{a, b} {
			if b.id(r) != "" {
				living++
			}
		}
		if living != 1 {
			t.Fatalf("%d sessions are alive, want 1", living)
		}
	}
	if before.id(r) != "" {
		t.Error("the first session is alive")
	}
}

// A session that waits for its user to log in again is the one that the login continues. The login
// does not push another one out, which waits too and keeps its data.
func TestALoginThatWasRequiredIsNoNewDevice(t *testing.T) {
	r := one(t, devices.Config{Max: 2})
	a, b := newBrowser(firefox), newBrowser(iphone)
	laptop := a.login(t, r, "ann")
	phone := b.login(t, r, "ann")
	await(t, r, "both", "ann", laptop, phone)
	if _, err := r.list.RequireLogin(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	again := b.login(t, r, "ann")
	await(t, r, "after the login", "ann", laptop, again)
	a.at(r, func(_ context.Context, s *session) {
		if s.Locked() != "ann" {
			t.Errorf("the other device: %v", s.Err())
		}
	})
	if n := r.Registry.Stats().Evicted; n != 0 {
		t.Errorf("%d were ended", n)
	}
	c := a.login(t, r, "ben") // in the place of ann
	await(t, r, "ann has one left", "ann", again)
	await(t, r, "ben", "ben", c)
}
