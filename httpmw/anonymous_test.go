package httpmw_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func note(text string) act {
	return func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: text}) }
}

// shows returns what the browser's cookies amount to.
func (f *fixture) shows(b *browser) (subject, note string, err error) {
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		subject, note, err = s.Subject(), s.Value().Note, s.Err()
	})
	return
}

// An anonymous session cannot be revoked, so an answer with one that comes late must not count: it undoes no login and no
// logout, whichever replica gave it, whether it began the session or wrote to it, and whenever it did so.
func TestLateAnonymousAnswers(t *testing.T) {
	for _, what := range []string{"first", "writer"} {
		for _, when := range []string{"set before", "set after"} {
			for _, then := range []string{"login", "logout", "login, logout", "login, away"} {
				if what == "first" && then == "logout" {
					continue // nothing to log out of
				}
				for _, replicas := range []int{1, 2} {
					t.Run(strings.Join([]string{what, when, then, strconv.Itoa(replicas)}, "/"), func(t *testing.T) {
						bubble.Test(t, func(t *testing.T) {
							ring, store := keys.Generate(0), revlog.NewMemory()
							f := newReplica(t, ring, store, short)
							other := f
							if replicas == 2 {
								time.Sleep(70 * time.Millisecond) // read the list at other times
								other = newReplica(t, ring, store, short)
							}
							b := newBrowser()
							if what == "writer" {
								if err := f.does(b, note("early")); err != nil {
									t.Fatal(err)
								}
							}
							slow := b.copy()
							late := f.in(slow, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
								if when == "set before" {
									if err := s.Set(cart{Note: "late"}); err != nil {
										t.Error(err)
									}
								}
								if strings.HasPrefix(then, "login") {
									other.login(t, b, httpmw.Identity{Subject: "ann"})
								}
								if strings.HasSuffix(then, "logout") {
									if err := other.does(b, logout); err != nil {
										t.Error(err)
									}
								}
								time.Sleep(time.Second)
								if when == "set after" {
									if err := s.Set(cart{Note: "late"}); err != nil {
										t.Error(err)
									}
								}
							})
							b.take(late)
							if len(setNames(late)) != 1 || b.jar[anonName] == "" {
								t.Fatalf("the late answer set %v", setNames(late))
							}
							want, wantNote := "", ""
							var wantErr error
							switch then {
							case "login":
								if want = "ann"; what == "writer" {
									wantNote = "early"
								}
							case "login, away":
								time.Sleep(short.Idle)
								wantErr = httpmw.ErrExpiredIdle
							}
							for _, f := range []*fixture{f, other} {
								if subject, note, err := f.shows(b); subject != want || note != wantNote || err != wantErr {
									t.Errorf("%q with %q, %v", subject, note, err)
								}
							}
							// The next answer that sets a cookie takes the late one away.
							next := note("next")
							if then == "login, away" || strings.HasSuffix(then, "logout") {
								next = loginAs("bob")
							}
							if err := other.does(b, next); err != nil {
								t.Error(err)
							}
							if _, still := b.jar[anonName]; still {
								t.Error("the late cookie is still there")
							}
						})
					})
				}
			}
		}
	}
}

// A logout at a replica that is cut off counts as well: its view of the list stands still, but time does not.
func TestLateAnonymousAnswerAfterALogoutWhileCutOff(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		cut := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		cut.store.Fail()
		time.Sleep(10 * time.Minute)
		late := f.slow(newBrowser(), func(s *httpmw.Session[cart], _ *http.Request) {
			if err := s.Set(cart{Note: "late"}); err != nil {
				t.Error(err)
			}
		}, func() {
			if err := cut.does(b, logout); !errors.Is(err, revocation.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
		b.take(late)
		for i, f := range []*fixture{f, cut} {
			if _, note, err := f.shows(b); note != "" || err != nil {
				t.Errorf("replica %d: %q, %v", i, note, err)
			}
		}
		// What begins now counts everywhere.
		if err := cut.does(b, note("new")); err != nil {
			t.Error(err)
		}
		for i, f := range []*fixture{f, cut} {
			if _, note, err := f.shows(b); note != "new" || err != nil {
				t.Errorf("replica %d: %q, %v", i, note, err)
			}
		}
	})
}

// A renewal is an answer that sets a cookie, and takes away an anonymous cookie that does not count.
func TestRenewalDropsAnAnonymousCookie(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		late, b := newBrowser(), newBrowser()
		if err := f.does(late, note("late")); err != nil {
			t.Fatal(err)
		}
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		b.jar[anonName] = late.jar[anonName]
		time.Sleep(10 * time.Minute)
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		if diff := cmp.Diff([]string{sessionName, renewalName}, b.names()); diff != "" {
			t.Error(diff)
		}
	})
}

// What begins after a logout counts, at once and on every replica, and what a logout ended does not come back.
func TestAnonymousSessionAfterALogout(t *testing.T) {
	for _, within := range []bool{true, false} { // one request
		bubble.Test(t, func(t *testing.T) {
			ring, store := keys.Generate(0), revlog.NewMemory()
			f := newReplica(t, ring, store, httpmw.Config{})
			time.Sleep(70 * time.Millisecond)
			other := newReplica(t, ring, store, httpmw.Config{})
			b := newBrowser()
			if err := f.does(b, note("private")); err != nil {
				t.Fatal(err)
			}
			old := b.copy()
			for i, note := range []string{"one", "two", "three"} {
				if within {
					res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						if err := errors.Join(s.Logout(r.Context()), s.Set(cart{Note: note})); err != nil {
							t.Error(err)
						}
					})
					if diff := cmp.Diff([]string{anonName, sessionName}, setNames(res)); diff != "" {
						t.Error(diff)
					}
				} else {
					if err := other.does(b, logout); err != nil || !b.signedOut() {
						t.Errorf("%v, jar %v", err, b.jar)
					}
					if err := f.does(b, func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: note}) }); err != nil {
						t.Error(err)
					}
				}
				for _, f := range []*fixture{f, other} {
					if _, got, err := f.shows(b); got != note || err != nil {
						t.Errorf("%d: %q, %v", i, got, err)
					}
				}
				late := b.copy()
				late.jar[anonName] = old.jar[anonName]
				if _, got, err := other.shows(late); got != "" || err != nil {
					t.Errorf("%d: the old one is back with %q, %v", i, got, err)
				}
			}
		})
	}
}

// Begin, write, renew, grow into chunks, become a login, end: with a cookie of its own.
func TestLifeOfAnAnonymousSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{MaxCookies: 3, Idle: 20 * time.Minute})
		b := newBrowser()
		names := func(want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, b.names()); diff != "" {
				t.Error(diff)
			}
		}
		write := func(text string) {
			t.Helper()
			if err := f.does(b, note(text)); err != nil {
				t.Error(err)
			}
		}
		write("tea")
		names(anonName)
		time.Sleep(10 * time.Minute)
		f.look(b)
		names(anonName, renewalName)
		time.Sleep(15 * time.Minute) // lives by its renewal
		write(text(2600))
		names(anonName, anonName+".1", anonName+".2", renewalName)
		if _, note, err := f.shows(b); note != text(2600) || err != nil {
			t.Errorf("%d bytes, %v", len(note), err)
		}
		write(text(1950))
		names(anonName, anonName+".1", renewalName)
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		names(sessionName, sessionName+"-seen", sessionName+".1")
		if subject, note, err := f.shows(b); subject != "ann" || note != text(1950) || err != nil {
			t.Errorf("%q with %d bytes, %v", subject, len(note), err)
		}
		if err := f.does(b, logout); err != nil || !b.signedOut() {
			t.Errorf("%v, jar %v", err, b.names())
		}
		write(text(2600))
		if err := f.does(b, logout); err != nil || !b.signedOut() {
			t.Errorf("%v, jar %v", err, b.names())
		}
		write("tea")
		time.Sleep(30 * time.Minute)
		if _, _, err := f.shows(b); err != httpmw.ErrExpiredIdle {
			t.Errorf("unused for half an hour: %v", err)
		}
	})
}

// A session cookie that expired stays beside an anonymous session, so that the next login or logout ends its session:
// a login page may well keep something in an anonymous one.
func TestAnonymousSessionBesideAnExpiredOne(t *testing.T) {
	for name, do := range map[string]act{"login": loginAs("ann"), "logout": logout} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, short)
				owner, thief := stolen(t, f)
				refused := f.Stats().Refused["expired_idle"]
				if err := f.does(owner, note("where I was")); err != nil {
					t.Error(err)
				}
				if subject, note, err := f.shows(owner); subject != "" || note != "where I was" || err != nil {
					t.Errorf("%q with %q, %v", subject, note, err)
				}
				if n := f.Stats().Refused["expired_idle"] - refused; n != 2 {
					t.Errorf("counted %d", n)
				}
				if err := f.does(owner, do); err != nil {
					t.Error(err)
				}
				out(t, thief, f)
				if _, note, _ := f.shows(owner); note == "where I was" != (name == "login") {
					t.Errorf("afterwards it has %q", note)
				}
			})
		})
	}
}

// Everybody is logged out while a request runs that then begins an anonymous session: it begins after that.
func TestAnonymousSessionAfterEveryoneWasRevoked(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			time.Sleep(time.Second)
			if _, err := f.list.Revoke(r.Context(), revocation.Everyone(), revocation.Options{}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Error(err)
			}
		})
		if _, note, err := f.shows(b); note != "x" || err != nil {
			t.Errorf("%q, %v", note, err)
		}
	})
}

// A logout stands, whatever fails after it in the same request.
func TestLogoutBeforeALoginThatFails(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.store.Fail()
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.LogoutEverywhere(r.Context()); !errors.Is(err, revocation.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); !errors.Is(err, httpmw.ErrUndecided) {
				t.Errorf("got %v", err)
			}
		})
		if !b.signedOut() {
			t.Errorf("jar %v", b.names())
		}
	})
}
