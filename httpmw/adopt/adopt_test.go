package adopt_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

const oldSystem = "old:sid"

// adopter adopts from now on for an hour.
func (f *fixture) adopter(t testing.TB) *adopt.Adopter[cart] {
	t.Helper()
	now := time.Now()
	return must(adopt.New(f.Manager, adopt.Config{System: oldSystem, From: now, Until: now.Add(time.Hour)}))
}

// adopt presents a credential in a request of the browser and returns the id it became.
func (f *fixture) adopt(b *browser, a *adopt.Adopter[cart], p adopt.Predecessor, id httpmw.Identity, data cart) (sid string, err error) {
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		err = a.Adopt(r.Context(), s, p, id, data)
		sid = s.ID()
	})
	return sid, err
}

func TestAdoptContinuesTheSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var told []httpmw.EventKind
		f := newFixture(t, httpmw.Config{OnEvent: func(_ context.Context, e httpmw.Event) { told = append(told, e.Kind) }})
		a := f.adopter(t)
		saved := time.Now().Add(-3 * time.Hour)
		time.Sleep(time.Minute)

		b, p := newBrowser(), adopt.Predecessor{Credential: []byte("c1"), Saved: saved}
		sid, err := f.adopt(b, a, p, httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}}, cart{Note: "n"})
		if err != nil {
			t.Fatal(err)
		}
		if n := f.store.Confirms(); n != 1 {
			t.Errorf("the store was asked %d times, want 1", n)
		}
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			idle, absolute := s.Deadlines()
			got := []any{s.ID(), s.Subject(), s.LoginTime().Equal(saved), s.InGroup("tenant:7"), s.InGroup(adopt.Group(oldSystem)), s.Value().Note,
				time.Until(idle), absolute.Sub(saved)}
			want := []any{sid, "ada", true, true, true, "n", 2 * time.Hour, 24 * time.Hour}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			// Over a session that is logged in, nothing happens.
			if err := a.Adopt(r.Context(), s, p, httpmw.Identity{Subject: "eve"}, cart{}); err != nil || s.Subject() != "ada" {
				t.Errorf("adopting over a login: %v, subject %q", err, s.Subject())
			}
		})
		// The cookie is as good as any: no further question to the store.
		if n := f.store.Confirms(); n != 1 {
			t.Errorf("the store was asked %d times after the adoption, want 1", n)
		}
		if d := cmp.Diff([]httpmw.EventKind{adopt.Event}, told); d != "" {
			t.Error(d)
		}
	})
}

func TestAdoptedIDs(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	other := newFixture(t, httpmw.Config{})
	a := f.adopter(t)
	elsewhere := must(adopt.New(f.Manager, adopt.Config{System: "old:other", From: a.From, Until: a.Until}))
	app := must(httpmw.New[cart](keys.Static(f.ring), f.list, httpmw.Config{App: "shop"}))
	shop := must(adopt.New(app, a.Config))
	id := func(f *fixture, a *adopt.Adopter[cart], credential string, saved time.Time) string {
		t.Helper()
		sid, err := f.adopt(newBrowser(), a, adopt.Predecessor{Credential: []byte(credential), Saved: saved}, httpmw.Identity{Subject: "ada"}, cart{})
		if err != nil {
			t.Fatal(err)
		}
		return sid
	}
	first := id(f, a, "c1", time.Now())
	if again := id(f, a, "c1", time.Now()); again != first {
		t.Error("one credential gave two ids")
	}
	rows := []struct{ name, id string }{
		{"another credential", id(f, a, "c2", time.Now())},
		{"another system", id(f, elsewhere, "c1", time.Now())},
		{"another application", id(&fixture{app, f.ring, f.store, f.list}, shop, "c1", time.Now())},
		{"another ring", id(other, other.adopter(t), "c1", time.Now())},
	}
	for _, row := range rows {
		if row.id == first {
			t.Errorf("%s gave the same id", row.name)
		}
	}
}

// Whatever ended the adopted session, the credential does not bring it back, on any replica.
func TestAdoptCannotUndoARevocation(t *testing.T) {
	rows := []struct {
		name string
		end  func(r *http.Request, s *httpmw.Session[cart], l *revocation.List) error
		want error
	}{
		{"logout", func(r *http.Request, s *httpmw.Session[cart], _ *revocation.List) error { return s.Logout(r.Context()) }, httpmw.ErrRevokedSession},
		{"logout everywhere", func(r *http.Request, s *httpmw.Session[cart], _ *revocation.List) error {
			return s.LogoutEverywhere(r.Context())
		}, httpmw.ErrRevokedSubject},
		{"step-up", func(r *http.Request, s *httpmw.Session[cart], _ *revocation.List) error {
			return s.Login(r.Context(), httpmw.Identity{Subject: "ada"})
		}, httpmw.ErrRevokedSession},
		{"the others", func(r *http.Request, s *httpmw.Session[cart], _ *revocation.List) error {
			return s.LogoutOthers(r.Context())
		}, httpmw.ErrRevoked},
		{"switch", func(r *http.Request, s *httpmw.Session[cart], _ *revocation.List) error {
			return s.SetGroups(r.Context(), nil)
		}, httpmw.ErrRevokedSession},
		{"all of the old system", func(r *http.Request, s *httpmw.Session[cart], l *revocation.List) error {
			_, err := l.Revoke(r.Context(), revocation.Group(adopt.Group(oldSystem)), revocation.Options{})
			return err
		}, httpmw.ErrRevokedGroup},
		{"everyone", func(r *http.Request, s *httpmw.Session[cart], l *revocation.List) error {
			_, err := l.Revoke(r.Context(), revocation.Everyone(), revocation.Options{})
			return err
		}, httpmw.ErrRevokedEveryone},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ring, store := keys.Generate(0), revlog.NewMemory()
				one, two := newReplica(t, ring, store, httpmw.Config{}), newReplica(t, ring, store, httpmw.Config{})
				a := one.adopter(t)
				far := must(adopt.New(two.Manager, a.Config))
				p, id := adopt.Predecessor{Credential: []byte("c1"), Saved: time.Now()}, httpmw.Identity{Subject: "ada"}
				time.Sleep(time.Second)
				b := newBrowser()
				if _, err := one.adopt(b, a, p, id, cart{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				one.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if err := row.end(r, s, one.list); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(2 * time.Second)
				for name, replay := range map[string]func() (string, error){
					"this replica":    func() (string, error) { return one.adopt(newBrowser(), a, p, id, cart{}) },
					"another replica": func() (string, error) { return two.adopt(newBrowser(), far, p, id, cart{}) },
				} {
					if sid, err := replay(); sid != "" || !errors.Is(err, row.want) {
						t.Errorf("%s: session %q, %v, want %v", name, sid, err, row.want)
					}
				}
				// Nor just before the adopting ends, long after an entry of a shorter memory was forgotten.
				if row.name != "logout" && row.name != "logout everywhere" {
					return
				}
				time.Sleep(55 * time.Minute)
				if sid, err := two.adopt(newBrowser(), far, p, id, cart{}); sid != "" || !errors.Is(err, row.want) {
					t.Errorf("55 min later: session %q, %v, want %v", sid, err, row.want)
				}
			})
		})
	}
}

func TestAdoptAsksTheStore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		a := f.adopter(t)
		b, p, id := newBrowser(), adopt.Predecessor{Credential: []byte("c1"), Saved: time.Now()}, httpmw.Identity{Subject: "ada"}
		f.store.Fail() // this very moment: what the replica holds is fresh
		answered := b.get(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := f.From(r.Context())
			if err := a.Adopt(r.Context(), s, p, id, cart{}); !errors.Is(err, httpmw.ErrUndecided) {
				t.Errorf("adopt: %v", err)
			}
			if err := s.Set(cart{Note: "x"}); !errors.Is(err, httpmw.ErrUndecided) {
				t.Errorf("set: %v", err)
			}
			f.Require(http.NotFoundHandler()).ServeHTTP(w, r)
		})))
		if answered.StatusCode != 503 || len(answered.Cookies()) != 0 {
			t.Errorf("status %d, cookies %v", answered.StatusCode, setNames(answered))
		}
		if n := f.Stats().Refused["undecided"]; n != 1 {
			t.Errorf("counted %d undecided, want 1", n)
		}
		f.store.Recover()
		time.Sleep(5 * time.Second)
		if sid, err := f.adopt(b, a, p, id, cart{}); sid == "" || err != nil {
			t.Errorf("afterwards: %q, %v", sid, err)
		}
	})
}

// From zero means when the list began, at every replica, so the first one adopts at once.
func TestAdoptFromWhenTheListBegan(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		saved := time.Now()
		time.Sleep(time.Hour)
		ring, store := keys.Generate(0), revlog.NewMemory()
		until := time.Now().Add(2 * time.Hour)
		first := newReplica(t, ring, store, httpmw.Config{})
		p, id := adopt.Predecessor{Credential: []byte("c"), Saved: saved}, httpmw.Identity{Subject: "ada"}
		one := must(adopt.New(first.Manager, adopt.Config{System: oldSystem, Until: until}))
		b := newBrowser()
		sid, err := first.adopt(b, one, p, id, cart{})
		if sid == "" || err != nil {
			t.Fatalf("at the first moment: %v", err)
		}
		time.Sleep(time.Hour)
		later := newReplica(t, ring, store, httpmw.Config{})
		two := must(adopt.New(later.Manager, adopt.Config{System: oldSystem, Until: until}))
		if again, err := later.adopt(newBrowser(), two, p, id, cart{}); again != sid || err != nil {
			t.Errorf("another replica: %q, %v, want %q", again, err, sid)
		}
		first.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Logout(r.Context()); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(50 * time.Minute)
		if _, err := later.adopt(newBrowser(), two, p, id, cart{}); !errors.Is(err, httpmw.ErrRevokedSession) {
			t.Errorf("after the logout: %v", err)
		}
	})
}

// After the store lost its data nobody can know which old sessions were logged out before: they log in again. Those that were
// adopted live on, and those saved since are adopted.
func TestAdoptAfterALoss(t *testing.T) {
	for _, from := range []string{"zero", "given"} {
		t.Run(from, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlogtest.NewFaulty(revlog.NewMemory())
				f := newReplica(t, keys.Generate(0), store, httpmw.Config{})
				saved := time.Now()
				adoption := adopt.Config{System: oldSystem, Until: saved.Add(time.Hour)}
				if from == "given" {
					adoption.From = saved
				}
				a, id := must(adopt.New(f.Manager, adoption)), httpmw.Identity{Subject: "ada"}
				past := func(c string, at time.Time) adopt.Predecessor {
					return adopt.Predecessor{Credential: []byte(c), Saved: at}
				}
				time.Sleep(time.Minute)
				b := newBrowser()
				if _, err := f.adopt(b, a, past("adopted", saved), id, cart{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				store.Replace(revlog.NewMemory())
				time.Sleep(10 * time.Second)
				if _, err := f.adopt(newBrowser(), a, past("early", saved), id, cart{}); !errors.Is(err, httpmw.ErrUndecided) {
					t.Errorf("saved before, at first: %v", err)
				}
				if who, err := f.look(b); who != "ada" {
					t.Errorf("adopted before: %q, %v", who, err)
				}
				time.Sleep(2 * time.Minute)
				restarted := must(adopt.New(f.Manager, adoption)) // it must start
				for name, a := range map[string]*adopt.Adopter[cart]{"running": a, "restarted": restarted} {
					if _, err := f.adopt(newBrowser(), a, past("early", saved), id, cart{}); !errors.Is(err, httpmw.ErrListLost) {
						t.Errorf("%s, saved before: %v", name, err)
					}
					if _, err := f.adopt(newBrowser(), a, past("late", time.Now()), id, cart{}); err != nil {
						t.Errorf("%s, saved since: %v", name, err)
					}
				}
			})
		})
	}
}

// A process may start while the store is away. Nobody is adopted then, and the list's beginning counts once it is known.
func TestAdoptWhileTheListBoots(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, store := keys.Generate(0), revlogtest.NewFaulty(revlog.NewMemory())
		store.Fail()
		list := must(revocation.Open(t.Context(), store, ring, revocation.Config{StartWithoutStore: true, Logger: quiet()}))
		t.Cleanup(func() { list.Close() })
		m := must(httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Logger: quiet()}))
		f := &fixture{m, ring, store, list}
		until := time.Now().Add(time.Hour)
		a := must(adopt.New(m, adopt.Config{System: oldSystem, Until: until}))
		early := must(adopt.New(m, adopt.Config{System: oldSystem, From: time.Now(), Until: until}))
		p, id := adopt.Predecessor{Credential: []byte("c"), Saved: time.Now()}, httpmw.Identity{Subject: "ada"}
		time.Sleep(time.Minute)
		if _, err := f.adopt(newBrowser(), a, p, id, cart{}); !errors.Is(err, httpmw.ErrUndecided) {
			t.Errorf("while it boots: %v", err)
		}
		store.Recover()
		time.Sleep(2 * time.Minute)
		if _, err := f.adopt(newBrowser(), a, p, id, cart{}); err != nil {
			t.Errorf("once it has begun: %v", err)
		}
		p.Credential = []byte("another")
		if _, err := f.adopt(newBrowser(), early, p, id, cart{}); !errors.Is(err, httpmw.ErrListLost) {
			t.Errorf("from before it began: %v", err)
		}
	})
}

// A raised MaxIdle is as good as a list that began then.
func TestAdoptMindsWhenTheListBeganToRemember(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, store := keys.Generate(0), revlog.NewMemory()
		open := func(maxIdle time.Duration) *revocation.List {
			l := must(revocation.Open(t.Context(), store, ring, revocation.Config{MaxIdle: maxIdle, Logger: quiet()}))
			t.Cleanup(func() { l.Close() })
			return l
		}
		if err := open(time.Minute).Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		tooEarly := time.Now()
		time.Sleep(time.Minute)
		list := open(2 * time.Hour)
		m := must(httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Logger: quiet()}))
		f := &fixture{m, ring, nil, list}
		until := time.Now().Add(time.Hour)
		if _, err := adopt.New(m, adopt.Config{System: oldSystem, From: tooEarly, Until: until}); err == nil {
			t.Error("From before the list remembered so long is taken")
		}
		a := must(adopt.New(m, adopt.Config{System: oldSystem, Until: until}))
		time.Sleep(50 * time.Minute)
		p := adopt.Predecessor{Credential: []byte("c"), Saved: tooEarly}
		if _, err := f.adopt(newBrowser(), a, p, httpmw.Identity{Subject: "ada"}, cart{}); err != nil {
			t.Errorf("saved before: %v", err)
		}
	})
}

// The clock of the other system may be ahead: such a session is adopted as of now.
func TestAdoptFromAClockThatIsAhead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		p := adopt.Predecessor{Credential: []byte("c"), Saved: time.Now().Add(30 * time.Second)}
		if sid, err := f.adopt(newBrowser(), f.adopter(t), p, httpmw.Identity{Subject: "ada"}, cart{}); sid == "" || err != nil {
			t.Errorf("%q, %v", sid, err)
		}
	})
}

// What came beside a session ends with it: presented alone afterwards it is no session, on any replica.
func TestEndWith(t *testing.T) {
	type way struct {
		name string
		note func(*adopt.Adopter[cart], *http.Request, *httpmw.Session[cart], adopt.Predecessor)
	}
	endWith := func(a *adopt.Adopter[cart], _ *http.Request, s *httpmw.Session[cart], p adopt.Predecessor) {
		a.EndWith(s, p)
	}
	adopts := func(a *adopt.Adopter[cart], r *http.Request, s *httpmw.Session[cart], p adopt.Predecessor) {
		if err := a.Adopt(r.Context(), s, p, httpmw.Identity{Subject: "eve"}, cart{}); err != nil {
			panic(err)
		}
	}
	ends := map[string]func(*httpmw.Session[cart], context.Context) error{
		"logout":            (*httpmw.Session[cart]).Logout,
		"logout everywhere": (*httpmw.Session[cart]).LogoutEverywhere,
	}
	for _, way := range []way{{"EndWith", endWith}, {"Adopt", adopts}} {
		for name, end := range ends {
			t.Run(way.name+"/"+name, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					ring, store := keys.Generate(0), revlog.NewMemory()
					one, two := newReplica(t, ring, store, httpmw.Config{}), newReplica(t, ring, store, httpmw.Config{})
					a := one.adopter(t)
					far := must(adopt.New(two.Manager, a.Config))
					b := newBrowser()
					one.login(t, b, httpmw.Identity{Subject: "ada"})
					p := adopt.Predecessor{Credential: []byte("rewritten"), Saved: time.Now().Add(time.Second)}
					time.Sleep(2 * time.Second)
					one.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						way.note(a, r, s, p)
						if s.Subject() != "ada" {
							t.Errorf("the session is of %q", s.Subject())
						}
						if err := end(s, r.Context()); err != nil {
							t.Error(err)
						}
					})
					time.Sleep(2 * time.Second)
					if sid, err := two.adopt(newBrowser(), far, p, httpmw.Identity{Subject: "ada"}, cart{}); sid != "" || !errors.Is(err, httpmw.ErrRevoked) {
						t.Errorf("a copy afterwards: %q, %v", sid, err)
					}
				})
			})
		}
	}
}

// The end and the methods that the other system knows of go with the session.
func TestEndAndMethodsAreAdopted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		a, b := f.adopter(t), newBrowser()
		p := adopt.Predecessor{Credential: []byte("c"), Saved: time.Now().Add(-time.Minute)}
		until := time.Unix(time.Now().Unix(), 0).Add(10 * time.Minute)
		id := httpmw.Identity{Subject: "ada", Methods: []string{"pwd", "mfa"}, Until: until}
		if _, err := f.adopt(b, a, p, id, cart{}); err != nil {
			t.Fatal(err)
		}
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if _, end := s.Deadlines(); !end.Equal(until) || !slices.Equal(s.Methods(), id.Methods) {
				t.Errorf("it ends %v and has %q", end, s.Methods())
			}
		})
		time.Sleep(10 * time.Minute)
		if _, err := f.look(b); err != httpmw.ErrExpiredAbsolute {
			t.Errorf("at its end: %v", err)
		}
		if _, err := f.adopt(newBrowser(), a, p, id, cart{}); err != httpmw.ErrExpiredAbsolute {
			t.Errorf("adopted again: %v", err)
		}
	})
}

// An adopted session stays one when it is switched to other groups: what ends all of them ends it.
func TestASwitchedSessionStaysAdopted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b, p := newBrowser(), adopt.Predecessor{Credential: []byte("c"), Saved: time.Now()}
		if _, err := f.adopt(b, f.adopter(t), p, httpmw.Identity{Subject: "ada", Groups: []string{"tenant:7"}}, cart{}); err != nil {
			t.Fatal(err)
		}
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.SetGroups(r.Context(), strings.Split("12345678", "")); !errors.Is(err, httpmw.ErrIdentity) {
				t.Errorf("eight groups and ours: %v", err)
			}
			if err := s.SetGroups(r.Context(), []string{"tenant:8"}); err != nil {
				t.Fatal(err)
			}
			if s.InGroup("tenant:7") || !s.InGroup("tenant:8") || !s.InGroup(adopt.Group(oldSystem)) {
				t.Error("it is in other groups")
			}
		})
		if who, err := f.look(b); who != "ada" {
			t.Fatalf("%q, %v", who, err)
		}
		time.Sleep(time.Second)
		if _, err := f.list.Revoke(t.Context(), revocation.Group(adopt.Group(oldSystem)), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if who, err := f.look(b); who != "" || !errors.Is(err, httpmw.ErrRevokedGroup) {
			t.Errorf("after all of the old system were ended: %q, %v", who, err)
		}
	})
}

// No application puts a session into the group of adopted ones.
func TestTheGroupOfAdoptedSessionsIsReserved(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	groups := []string{"tenant:7", adopt.Group(oldSystem)}
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "eve", Groups: groups}); !errors.Is(err, httpmw.ErrIdentity) {
			t.Errorf("login: %v", err)
		}
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "eve"}); err != nil {
			t.Error(err)
		}
		if err := s.SetGroups(r.Context(), groups); !errors.Is(err, httpmw.ErrIdentity) || s.Subject() != "eve" {
			t.Errorf("switch: %v, and the session is of %q", err, s.Subject())
		}
	})
	if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "eve", Groups: groups}, cart{}, time.Minute); !errors.Is(err, httpmw.ErrIdentity) {
		t.Errorf("issue: %v", err)
	}
	p := adopt.Predecessor{Credential: []byte("c"), Saved: time.Now()}
	if _, err := f.adopt(newBrowser(), f.adopter(t), p, httpmw.Identity{Subject: "eve", Groups: groups}, cart{}); !errors.Is(err, httpmw.ErrIdentity) {
		t.Errorf("adopt: %v", err)
	}
}

func TestAdoptRefuses(t *testing.T) {
	ok, now := httpmw.Identity{Subject: "ada"}, time.Duration(0)
	rows := []struct {
		name   string
		wait   time.Duration
		ago    time.Duration
		cred   string
		id     httpmw.Identity
		data   cart
		want   error
		reason string
	}{
		{"absolute limit counts from Saved", now, 24 * time.Hour, "c", ok, cart{}, httpmw.ErrExpiredAbsolute, "expired_absolute"},
		{"no time", now, -1, "c", ok, cart{}, httpmw.ErrMalformed, "malformed"},
		{"from the future", now, -2 * time.Minute, "c", ok, cart{}, httpmw.ErrMalformed, "malformed"},
		{"no credential", now, now, "", ok, cart{}, httpmw.ErrMalformed, "malformed"},
		{"nobody", now, now, "c", httpmw.Identity{}, cart{}, httpmw.ErrIdentity, "data"},
		{"eight groups and ours", now, now, "c", httpmw.Identity{Subject: "ada", Groups: strings.Split("12345678", "")}, cart{}, httpmw.ErrIdentity, "data"},
		{"remembered without limits", now, now, "c", httpmw.Identity{Subject: "ada", Remember: true}, cart{}, httpmw.ErrIdentity, "data"},
		{"too large", now, now, "c", ok, cart{Note: strings.Repeat("x", 5000)}, httpmw.ErrTooLarge, "data"},
		{"after Until", time.Hour, now, "c", ok, cart{}, httpmw.ErrNoLogin, ""},
		{"before From", -time.Second, now, "c", ok, cart{}, httpmw.ErrNoLogin, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				from := time.Now().Add(max(-row.wait, 0))
				a := must(adopt.New(f.Manager, adopt.Config{System: oldSystem, From: from, Until: from.Add(time.Hour)}))
				time.Sleep(max(row.wait, 0))
				p := adopt.Predecessor{Credential: []byte(row.cred), Saved: time.Now().Add(-row.ago)}
				if row.ago == -1 {
					p.Saved = time.Time{}
				}
				b := newBrowser()
				if sid, err := f.adopt(b, a, p, row.id, row.data); sid != "" || !errors.Is(err, row.want) {
					t.Errorf("session %q, %v, want %v", sid, err, row.want)
				}
				if len(b.jar) != 0 {
					t.Errorf("cookies were set: %v", b.jar)
				}
				for reason, n := range f.Stats().Refused {
					if want := uint64(0); reason == row.reason && n != 1 || reason != row.reason && n != want {
						t.Errorf("counted %d of %s", n, reason)
					}
				}
			})
		})
	}
}

func TestAdoptLeavesTheCallersGroupsAlone(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	groups := []string{"tenant:7", "mine"}
	p := adopt.Predecessor{Credential: []byte("c"), Saved: time.Now()}
	if _, err := f.adopt(newBrowser(), f.adopter(t), p, httpmw.Identity{Subject: "ada", Groups: groups[:1]}, cart{}); err != nil {
		t.Fatal(err)
	}
	if groups[1] != "mine" {
		t.Errorf("groups %q", groups)
	}
}

func TestAdoptReplacesAnAnonymousSession(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	a, b := f.adopter(t), newBrowser()
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "mine"}); err != nil {
			t.Fatal(err)
		}
	})
	past := adopt.Predecessor{Credential: []byte("c"), Saved: time.Now().Add(-30 * 24 * time.Hour)}
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		// What cannot be adopted takes nothing away.
		if err := a.Adopt(r.Context(), s, past, httpmw.Identity{Subject: "ada"}, cart{}); !errors.Is(err, httpmw.ErrExpired) || s.Value().Note != "mine" {
			t.Errorf("%v, data %+v", err, s.Value())
		}
		past.Saved = time.Now()
		if err := a.Adopt(r.Context(), s, past, httpmw.Identity{Subject: "ada"}, cart{Note: "old"}); err != nil {
			t.Fatal(err)
		}
		if s.Subject() != "ada" || s.Value().Note != "old" {
			t.Errorf("%q, data %+v", s.Subject(), s.Value())
		}
	})
}

func TestAdoptWithADisabledList(t *testing.T) {
	ring := keys.Generate(0)
	m := must(httpmw.New[cart](keys.Static(ring), revocation.Disabled(ring), httpmw.Config{Logger: quiet()}))
	f := &fixture{Manager: m}
	// Nothing is remembered, so nothing limits how long.
	a := must(adopt.New(m, adopt.Config{System: oldSystem, From: time.Now(), Until: time.Now().Add(1000 * time.Hour)}))
	b := newBrowser()
	if sid, err := f.adopt(b, a, adopt.Predecessor{Credential: []byte("c"), Saved: time.Now()}, httpmw.Identity{Subject: "ada"}, cart{}); sid == "" || err != nil {
		t.Errorf("%q, %v", sid, err)
	}
	if subject, err := f.look(b); subject != "ada" || err != nil {
		t.Errorf("%q, %v", subject, err)
	}
}

func TestAdopterChecksItsSettings(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	from := time.Now()
	rows := []struct {
		name string
		a    adopt.Config
		want string // "": good
	}{
		{"good", adopt.Config{System: "s", From: from, Until: from.Add(2 * time.Hour)}, ""},
		{"no system", adopt.Config{From: from, Until: from.Add(time.Hour)}, "System"},
		{"NUL", adopt.Config{System: "a\x00b", From: from, Until: from.Add(time.Hour)}, "System"},
		{"long name", adopt.Config{System: strings.Repeat("s", 249), From: from, Until: from.Add(time.Hour)}, "System"},
		{"from when the list began", adopt.Config{System: "s", Until: from.Add(time.Hour)}, ""},
		{"before the list began", adopt.Config{System: "s", From: from.Add(-time.Minute), Until: from.Add(time.Hour)}, "If nothing was adopted before that, leave From zero"},
		{"longer than the list remembers, from when it began", adopt.Config{System: "s", Until: from.Add(2*time.Hour + 1e9)}, "give From"},
		{"no Until", adopt.Config{System: "s", From: from}, "Until"},
		{"empty", adopt.Config{System: "s", From: from, Until: from}, "Until"},
		{"longer than the list remembers", adopt.Config{System: "s", From: from, Until: from.Add(2*time.Hour + 1)}, "MaxIdle"},
	}
	for _, row := range rows {
		a, err := adopt.New(f.Manager, row.a)
		switch {
		case row.want == "" && (err != nil || a == nil):
			t.Errorf("%s: %v", row.name, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %v, want one that names %s", row.name, err, row.want)
		}
	}
}

func TestRetire(t *testing.T) {
	const old = "legacy"
	rows := []struct {
		name        string
		stored      bool // the browser has a session
		do          func(r *http.Request, f *fixture, s *httpmw.Session[cart]) error
		keep, drops bool
	}{
		{"nobody", false, nil, false, false},
		{"session was there", true, nil, false, true},
		{"session was there, kept", true, nil, true, false},
		{"session begins", false, func(_ *http.Request, _ *fixture, s *httpmw.Session[cart]) error { return s.Set(cart{}) }, false, true},
		{"session begins, kept", false, func(_ *http.Request, _ *fixture, s *httpmw.Session[cart]) error { return s.Set(cart{}) }, true, false},
		{"logout", true, func(r *http.Request, _ *fixture, s *httpmw.Session[cart]) error { return s.Logout(r.Context()) }, false, true},
		{"logout, kept", true, func(r *http.Request, _ *fixture, s *httpmw.Session[cart]) error { return s.Logout(r.Context()) }, true, true},
		{"logout of nobody", false, func(r *http.Request, _ *fixture, s *httpmw.Session[cart]) error { return s.Logout(r.Context()) }, true, true},
		{"session withheld", true, func(r *http.Request, f *fixture, s *httpmw.Session[cart]) error {
			if err := s.Set(cart{Note: "late"}); err != nil {
				return err
			}
			_, err := f.list.Revoke(r.Context(), revocation.Session(s.ID()), revocation.Options{})
			return err
		}, false, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f, b := newFixture(t, httpmw.Config{}), newBrowser()
			if row.stored {
				f.login(t, b, httpmw.Identity{Subject: "ada"})
			}
			res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				adopt.Retire(s, http.Cookie{Name: old, Path: "/old", Domain: "app.test", Value: "secret"}, row.keep)
				if row.do != nil {
					if err := row.do(r, f, s); err != nil {
						t.Error(err)
					}
				}
			})
			var got []string
			for _, line := range res.Header["Set-Cookie"] {
				if strings.HasPrefix(line, old+"=") {
					got = append(got, line)
				}
			}
			var want []string
			if row.drops {
				want = []string{"legacy=; Path=/old; Domain=app.test; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly"}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			if row.drops && res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Vary") != "Cookie" {
				t.Errorf("headers %v", res.Header)
			}
		})
	}
}
