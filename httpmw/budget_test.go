package httpmw_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/keys"
)

// meteredRing is a ring that a test changes, whose keys may seal only a few times.
type meteredRing struct {
	ring  atomic.Pointer[keys.Ring]
	meter *keys.Meter
}

func (m *meteredRing) Ring() *keys.Ring              { return m.ring.Load() }
func (m *meteredRing) Refresh(context.Context) error { return nil }
func (m *meteredRing) Meter() *keys.Meter            { return m.meter }

// newMetered makes a replica whose keys may seal only a few times.
func newMetered(t *testing.T, l meter.Limits, c httpmw.Config) (*fixture, *meteredRing) {
	t.Helper()
	f := newFixture(t, c)
	ring := &meteredRing{meter: keys.MeterOf(meter.New(l))}
	ring.ring.Store(f.ring)
	f.Manager = must(httpmw.New[cart](ring, f.list, c))
	return f, ring
}

// When a key has sealed often, renewals stop: the session lives until its own deadline, and the
// application sees no error. Logins and changes of sessions go on until the key is spent. Then they
// return a clear error, and sessions are accepted still. A new key ends all that.
func TestABudgetThatRunsOut(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var out logs
		c := httpmw.Config{Idle: time.Hour, Logger: out.logger(slog.LevelInfo)}
		f, ring := newMetered(t, meter.Limits{Renewals: 3, All: 5}, c)
		b, idle := newBrowser(), newBrowser()
		request := func(b *browser, do func(r *http.Request, s *httpmw.Session[cart]) error) (cookies int, err error) {
			res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if !s.LoggedIn() || s.Err() != nil {
					err = errors.Join(errors.New("not logged in"), s.Err())
					return
				}
				err = do(r, s)
			})
			return len(setNames(res)), err
		}
		plain := func(*http.Request, *httpmw.Session[cart]) error { return nil }
		set := func(_ *http.Request, s *httpmw.Session[cart]) error { return s.Set(cart{Note: "x"}) }

		f.login(t, b, httpmw.Identity{Subject: "ann"})    // 1
		f.login(t, idle, httpmw.Identity{Subject: "bob"}) // 2
		time.Sleep(10 * time.Minute)
		if n, err := request(b, plain); n != 1 || err != nil { // 3
			t.Fatalf("the last renewal: %d cookies, %v", n, err)
		}
		until := time.Now().Add(time.Hour)
		for time.Until(until) > 11*time.Minute { // no renewal any more, and no error
			time.Sleep(10 * time.Minute)
			if n, err := request(b, plain); n != 0 || err != nil {
				t.Fatalf("without renewals: %d cookies, %v", n, err)
			}
		}
		if n := f.Stats(); n.Spared != 5 || n.Unsealed != 5 || n.Spent != 0 || n.Renewed != 1 {
			t.Errorf("%+v", n)
		}
		if n := out.Count("level=WARN", "sessions cannot be renewed", "renewals have stopped", "wafer keys rotate --now"); n != 5 {
			t.Errorf("the log says so %d times in 50 minutes of one request each 10 minutes", n)
		}
		if n, err := request(b, set); n != 1 || err != nil { // 4: a change goes on, and extends the session
			t.Fatalf("a change: %d cookies, %v", n, err)
		}
		time.Sleep(30 * time.Minute)
		fresh := newBrowser()
		f.login(t, fresh, httpmw.Identity{Subject: "cyd"}) // 5

		for range 3 {
			if n, err := request(b, set); n != 0 || !errors.Is(err, keys.ErrSpent) || !errors.Is(err, httpmw.ErrUnavailable) || !strings.Contains(err.Error(), "wafer keys rotate --now") {
				t.Errorf("a change with a spent key: %d cookies, %v", n, err)
			}
		}
		f.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Login(r.Context(), httpmw.Identity{Subject: "dan"}); !errors.Is(err, keys.ErrSpent) {
				t.Errorf("a login with a spent key: %v", err)
			}
		})
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0); !errors.Is(err, keys.ErrSpent) {
			t.Errorf("a bearer token with a spent key: %v", err)
		}
		if n, err := request(fresh, plain); n != 0 || err != nil {
			t.Errorf("a session of a spent key: %d cookies, %v", n, err)
		}
		if n := f.Stats(); n.Spent != 5 {
			t.Errorf("%+v", n)
		}
		if n := out.Count("level=ERROR", "no session can begin or change", "has sealed 2^32 times"); n != 1 {
			t.Errorf("the log says so %d times in one minute", n)
		}
		rotated := must(f.ring.Rotate(time.Now(), keys.Rotation{Immediate: true}))
		ring.ring.Store(rotated)
		time.Sleep(time.Second)
		if n, err := request(b, set); n != 1 || err != nil {
			t.Errorf("a change after the rotation: %d cookies, %v", n, err)
		}
		time.Sleep(10 * time.Minute)
		if n, err := request(b, plain); n != 1 || err != nil {
			t.Errorf("a renewal after the rotation: %d cookies, %v", n, err)
		}
		if _, err := f.look(idle); err != httpmw.ErrExpiredIdle {
			t.Errorf("a session that nobody used: %v", err)
		}
	})
}

// A key that has sealed half as often as it may is told in one line, unless another one is due to
// take over, as it is where the ring rotates by itself.
func TestATiredKeyIsTold(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var out logs
		f, ring := newMetered(t, meter.Limits{Tired: 2}, httpmw.Config{Logger: out.logger(slog.LevelInfo)})
		logins := func(n int, every time.Duration) {
			for range n {
				f.login(t, newBrowser(), httpmw.Identity{Subject: "ann"})
				time.Sleep(every)
			}
		}
		told := func() int { return out.Count("level=WARN", "wafer keys rotate", f.ring.Keys()[0].ID()) }
		logins(10, time.Second)
		if told() != 0 {
			t.Error("told before the ring could rotate")
		}
		waiting := must(f.ring.Rotate(time.Now(), keys.Rotation{After: time.Hour}))
		ring.ring.Store(waiting)
		logins(10, time.Minute)
		if told() != 0 {
			t.Error("told although another key is due")
		}
		ring.ring.Store(must(waiting.Cancel(time.Now())))
		logins(10, 6*time.Minute)
		if told() != 1 {
			t.Errorf("told %d times", told())
		}
		ring.ring.Store(must(f.ring.Rotate(time.Now(), keys.Rotation{Immediate: true})))
		logins(2, 6*time.Minute)
		if n := out.Count("level=WARN", "wafer keys rotate"); n != 1 {
			t.Errorf("%d lines, with one about a fresh key", n)
		}
	})
}

// Everything that is sealed is counted once: sessions, renewals, bearer tokens, and each cookie of a
// session that is spread over several.
func TestEverySealIsCounted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f, ring := newMetered(t, meter.Limits{}, httpmw.Config{MaxCookies: 3})
		kid := f.ring.Keys()[0].ID()
		counted := uint64(0)
		step := func(what string, least, most uint64, do func()) {
			t.Helper()
			do()
			n := f.Stats().Seals[kid]
			if got := n - counted; got < least || got > most {
				t.Errorf("%s: %d seals, want %d to %d", what, got, least, most)
			}
			if u := ring.meter.Use(kid); u.Seals != n {
				t.Errorf("%s: the meter counts %d, the Manager %d", what, u.Seals, n)
			}
			counted = n
		}
		b := newBrowser()
		step("login", 1, 1, func() { f.login(t, b, httpmw.Identity{Subject: "ann"}) })
		step("plain request", 0, 0, func() { f.look(b) })
		time.Sleep(10 * time.Minute)
		step("renewal", 1, 1, func() { f.look(b) })
		step("bearer token", 1, 1, func() { must(f.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0)) })
		cookies := 0
		step("three cookies", 3, 6, func() { // each is sealed empty before, to measure it
			cookies = len(setNames(f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if err := s.Set(cart{Note: strings.Repeat("x", 4200)}); err != nil {
					t.Error(err)
				}
			})))
		})
		if cookies < 3 {
			t.Errorf("%d cookies", cookies)
		}
	})
}

// Several Managers of one source count together, and each counts for itself.
func TestManagersShareAMeter(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f, ring := newMetered(t, meter.Limits{}, httpmw.Config{})
		other := must(httpmw.New[cart](ring, f.list, httpmw.Config{App: "desk", Logger: quiet()}))
		kid := f.ring.Keys()[0].ID()
		f.login(t, newBrowser(), httpmw.Identity{Subject: "ann"})
		for range 2 {
			must(other.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0))
		}
		if a, b, all := f.Stats().Seals[kid], other.Stats().Seals[kid], ring.meter.Use(kid).Seals; a != 1 || b != 2 || all != 3 {
			t.Errorf("%d and %d, %d together", a, b, all)
		}
		time.Sleep(6 * time.Second) // until the list tells of both
		replicas, err := f.list.Replicas(t.Context())
		if err != nil || len(replicas) != 1 || len(replicas[0].Keys) != 1 || replicas[0].Keys[0].Seals != 3 {
			t.Errorf("%+v, %v", replicas, err)
		}
	})
}
