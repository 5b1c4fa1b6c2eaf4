package httpmw_test

import (
	"errors"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// slack is what docs/format.md and docs/concepts.md promise to clocks that are apart.
const slack = time.Hour

// What somebody with a key seals beyond what a replica could is no session: not as a cookie, not as a bearer token.
func TestBounds(t *testing.T) {
	const longest, idle = 24 * time.Hour, 2 * time.Hour // of the ring, of the list
	for name, change := range map[string]func(c *token.Session, beyond int64){
		"end":       func(c *token.Session, beyond int64) { c.End += beyond + int64((longest+slack)/time.Second) - 60 },
		"exp":       func(c *token.Session, beyond int64) { c.Expires += beyond + int64((idle+slack)/time.Second) - 60 },
		"iat":       func(c *token.Session, beyond int64) { c.IssuedAt += beyond + int64(slack/time.Second) },
		"auth_time": func(c *token.Session, beyond int64) { c.AuthTime += beyond + int64(slack/time.Second) },
		"end in the year 9999": func(c *token.Session, beyond int64) {
			if beyond > 0 {
				c.End = 253402300799
			}
		},
		"the largest number": func(c *token.Session, beyond int64) {
			if beyond > 0 {
				c.End, c.Expires = 1<<53-1, 1<<53-1
			}
		},
	} {
		for _, who := range []string{"ann", ""} {
			t.Run(name+" of "+who, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					f := newFixture(t, httpmw.Config{})
					now := time.Now()
					sealer := token.New(keys.Static(f.ring))
					for beyond, want := range map[int64]error{0: nil, 1: httpmw.ErrOutOfBounds} {
						c := token.Session{
							Audience: []byte("session"), ID: token.ID{1}, Subject: []byte(who), AuthTime: now.Unix(), Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 60, Checked: now.UnixMilli(), Term: 1}, End: now.Unix() + 60, Epoch: now.UnixMilli(),
						}
						change(&c, beyond)
						value, err := sealer.SealSession(nil, &c, now)
						if err != nil {
							t.Fatal(err)
						}
						b := newBrowser()
						name := sessionName
						if who == "" {
							name = anonName
						}
						b.jar[name] = string(value)
						_, err = f.look(b)
						if err != want || want != nil && !errors.Is(err, httpmw.ErrInvalid) {
							t.Errorf("%d s beyond: a cookie: %v, want %v", beyond, err, want)
						}
						if value, err = sealer.SealBearer(nil, &c, now); err != nil {
							t.Fatal(err)
						}
						if _, err := f.Check(t.Context(), string(value)); who != "" && err != want {
							t.Errorf("%d s beyond: a bearer token: %v, want %v", beyond, err, want)
						}
					}
					if n := f.Stats().Refused["out_of_bounds"]; n != 2 {
						t.Errorf("%d counted as out of bounds, want 2", n)
					}
				})
			})
		}
	}
}

// A renewal beyond what a replica gives does not count, and the session goes on without it.
func TestBoundsOfRenewals(t *testing.T) {
	for name, change := range map[string]func(c *token.Renewal, beyond int64){
		"exp": func(c *token.Renewal, beyond int64) { c.Expires += beyond + int64((20*time.Minute+slack)/time.Second) },
		"iat": func(c *token.Renewal, beyond int64) {
			c.IssuedAt += beyond + int64(slack/time.Second)
			c.Expires += int64(20 * time.Minute / time.Second)
		},
		"the largest numbers": func(c *token.Renewal, beyond int64) {
			if c.Expires += 1200; beyond > 0 {
				c.Expires = 1<<53 - 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newReplicaWith(t, keys.Generate(0), revlog.NewMemory(), revocation.Config{MaxIdle: 20 * time.Minute}, httpmw.Config{})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				time.Sleep(10 * time.Minute)
				now := time.Now()
				for beyond, counts := range map[int64]bool{0: true, 1: false} {
					c := token.Renewal{ID: sidOf(t, f, b), Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix(), Checked: now.UnixMilli(), Term: 1}}
					change(&c, beyond)
					value, err := token.New(keys.Static(f.ring)).SealRenewal(nil, &c, now)
					if err != nil {
						t.Fatal(err)
					}
					forged := b.copy()
					forged.jar[renewalName] = string(value)
					f.in(forged, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
						idle, _ := s.Deadlines()
						if left := idle.Sub(now); s.Subject() != "ann" || (left > 11*time.Minute) != counts {
							t.Errorf("%d s beyond: %q, %v; %v left", beyond, s.Subject(), s.Err(), left)
						}
					})
				}
			})
		})
	}
}

// sidOf returns the id of the session in a browser.
func sidOf(t *testing.T, f *fixture, b *browser) token.ID {
	t.Helper()
	var tok token.Session
	if err := token.New(keys.Static(f.ring)).OpenSession(nil, b.jar[sessionName], &tok, time.Now()); err != nil {
		t.Fatal(err)
	}
	return tok.ID
}

// A key leaked and was rotated out. What a thief forges under it without an end is not written anew under the next key,
// where revoking the key that leaked would not reach it.
func TestForgedSessionIsNotLaundered(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		leaked := keys.Generate(0)
		ring, err := leaked.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		f := newReplica(t, ring, revlog.NewMemory(), httpmw.Config{})
		now := time.Now()
		forged := token.Session{
			Audience: []byte("session"), ID: token.ID{1}, Subject: []byte("admin"), AuthTime: now.Unix(), Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 7200, Checked: now.UnixMilli(), Term: 1}, End: 253402300799, Epoch: now.UnixMilli(),
		}
		value, err := token.New(keys.Static(leaked)).SealSession(nil, &forged, now)
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser()
		b.jar[sessionName] = string(value)
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.LoggedIn() {
				t.Errorf("the forged session is taken for one of %q", s.Subject())
			}
			if err := s.Set(cart{Note: "tea"}); err != nil {
				t.Error(err)
			}
			if _, end := s.Deadlines(); end.After(now.Add(24 * time.Hour)) {
				t.Errorf("written anew, it ends at %v", end)
			}
		})
		if subject, _ := f.look(b); subject != "" {
			t.Errorf("laundered under the next key: %q", subject)
		}
	})
}

// A replica with a clock within an hour of the others' takes their sessions, and they its.
func TestClocksAnHourApart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		for _, ahead := range []time.Duration{0, 59 * time.Minute} {
			seconds := int64(ahead / time.Second)
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			f.mint(t, b, func(tok *token.Session) { // as the login there would have it
				tok.AuthTime, tok.IssuedAt, tok.Expires, tok.End = tok.AuthTime+seconds, tok.IssuedAt+seconds, tok.Expires+seconds, tok.End+seconds
			})
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Errorf("%v ahead: %q, %v", ahead, subject, err)
			}
		}
	})
}

// A replica that has not heard of a longer idle limit yet takes the sessions of those that have it.
func TestBoundsWhileIdleIsRaised(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		old := newFixture(t, httpmw.Config{})
		list, err := revocation.Open(t.Context(), old.store, old.ring, revocation.Config{MaxIdle: 12 * time.Hour, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		m, err := httpmw.New[cart](keys.Static(old.ring), list, httpmw.Config{Idle: 12 * time.Hour, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		next := &fixture{m, old.ring, old.store, list}
		b := newBrowser()
		time.Sleep(5 * time.Second)
		next.login(t, b, httpmw.Identity{Subject: "ann"})
		if subject, err := old.look(b.copy()); subject != "ann" || err != nil {
			t.Errorf("at a replica with the old limit: %q, %v", subject, err)
		}
	})
}

// Without a list its MaxIdle bounds all the same.
func TestBoundsWithoutList(t *testing.T) {
	ring := keys.Generate(0)
	list := revocation.Disabled(ring)
	m, err := httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for expires, want := range map[int64]error{now.Unix() + 60: nil, math.MaxInt32: httpmw.ErrOutOfBounds} {
		c := token.Session{Audience: []byte("session"), ID: token.ID{1}, Subject: []byte("ann"), AuthTime: now.Unix(), Validity: token.Validity{IssuedAt: now.Unix(), Expires: expires}, End: now.Unix() + 60}
		value, err := token.New(keys.Static(ring)).SealSession(nil, &c, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.CheckCookies(t.Context(), string(value), ""); err != want {
			t.Errorf("exp %d: %v, want %v", expires, err, want)
		}
	}
}

// A write over the renewal of a replica whose clock is as fast as may be stays within bounds.
func TestWriteAtTheEdgeOfTheBounds(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.mintRenewal(t, b, f.ring, func(renewal *token.Renewal) { renewal.IssuedAt += int64(slack / time.Second) })
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Error(err)
			}
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Subject() != "ann" || s.Value().Note != "x" {
				t.Errorf("%q, %v", s.Subject(), s.Err())
			}
		})
	})
}
