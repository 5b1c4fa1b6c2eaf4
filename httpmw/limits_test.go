package httpmw_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

func TestIdleLimit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(time.Hour - time.Second)
		if subject, err := f.look(b.copy()); subject != "ann" || err != nil {
			t.Errorf("a second before: %q, %v", subject, err)
		}
		time.Sleep(time.Second)
		res := f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Err(); s.LoggedIn() || err != httpmw.ErrExpiredIdle || !errors.Is(err, httpmw.ErrExpired) {
				t.Errorf("at the limit: %v", err)
			}
		})
		if len(setNames(res)) != 0 {
			t.Errorf("a dead cookie was cleared or renewed: %v", setNames(res))
		}
	})
}

func TestAbsoluteLimit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: 20 * time.Minute, Absolute: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		begun := time.Unix(time.Now().Unix(), 0)
		for range 59 {
			time.Sleep(time.Minute)
			f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				idle, absolute := s.Deadlines()
				if s.Subject() != "ann" || idle.After(absolute) || !absolute.Equal(begun.Add(time.Hour)) {
					t.Fatalf("after %v: %q, %v, idle limit %v, absolute %v", time.Since(begun), s.Subject(), s.Err(), idle, absolute)
				}
				// Writing extends a session no further than using it.
				if err := s.Set(cart{}); err != nil {
					t.Fatal(err)
				}
			})
		}
		time.Sleep(time.Minute)
		if _, err := f.look(b); err != httpmw.ErrExpiredAbsolute {
			t.Errorf("at the limit: %v", err)
		}
	})
}

// An active session lives on through renewals, which come when a tenth of the idle limit has passed, at least a
// minute, at most five, and never more than half of it.
func TestRenewal(t *testing.T) {
	for name, row := range map[string]struct {
		idle, threshold time.Duration
	}{
		"two hours":   {2 * time.Hour, 5 * time.Minute},
		"half hour":   {30 * time.Minute, 3 * time.Minute},
		"ten minutes": {10 * time.Minute, time.Minute},
		"five":        {5 * time.Minute, time.Minute},
		"one":         {time.Minute, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{Idle: row.idle})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				session := b.jar[sessionName]
				visit := func() []string {
					return setNames(f.in(b, func(w http.ResponseWriter, _ *http.Request, _ *httpmw.Session[cart]) {}))
				}
				for range 3 {
					time.Sleep(row.threshold - time.Second)
					if got := visit(); len(got) != 0 {
						t.Errorf("a second before the threshold: %v", got)
					}
					time.Sleep(time.Second)
					if diff := cmp.Diff([]string{renewalName}, visit()); diff != "" {
						t.Errorf("at the threshold: %s", diff)
					}
					if got := visit(); len(got) != 0 {
						t.Errorf("right after: %v", got)
					}
				}
				if b.jar[sessionName] != session {
					t.Error("renewal wrote the session itself")
				}
				// The limit counts from the last renewal, though the session token is older.
				time.Sleep(row.idle - time.Second)
				if subject, err := f.look(b.copy()); subject != "ann" || err != nil {
					t.Errorf("before the limit: %q, %v", subject, err)
				}
				time.Sleep(time.Second)
				if _, err := f.look(b); err != httpmw.ErrExpiredIdle {
					t.Errorf("at the limit: %v", err)
				}
			})
		})
	}
}

// A renewal answer is kept out of caches.
func TestRenewalIsNotCached(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(10 * time.Minute)
		res := f.in(b, func(w http.ResponseWriter, _ *http.Request, _ *httpmw.Session[cart]) {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable, no-transform")
			w.Header().Set("CDN-Cache-Control", "max-age=600")
		})
		want := http.Header{"Cache-Control": {"no-store, no-transform"}, "Cdn-Cache-Control": {"no-store"}, "Vary": {"Cookie"}}
		got := res.Header.Clone()
		got.Del("Set-Cookie")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Where the time of no key has come, because the clock is behind, sessions go on with
// the key that comes first.
func TestRenewalWithAKeyWhoseTimeHasNotCome(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		nbf := fmt.Sprintf(`"nbf":%d`, time.Now().Unix())
		later := fmt.Sprintf(`"nbf":%d`, time.Now().Add(24*time.Hour).Unix())
		doc := bytes.Replace(f.ring.PlaintextJWKSet(), []byte(nbf), []byte(later), 1)
		pending, err := keys.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		var out logs
		other := newReplica(t, pending, f.store.Unwrap(), httpmw.Config{Logger: out.logger(slog.LevelWarn)})
		time.Sleep(10 * time.Minute)
		for range 3 {
			res := other.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if s.Subject() != "ann" {
					t.Errorf("got %v", s.Err())
				}
				if err := s.Set(cart{}); err != nil {
					t.Errorf("Set: %v", err)
				}
			})
			if got := setNames(res); len(got) != 1 {
				t.Errorf("set %v", got)
			}
		}
		if n := other.Stats(); n.Unsealed != 0 || n.Early < 3 {
			t.Errorf("%d unsealed, %d early", n.Unsealed, n.Early)
		}
		if n := out.Count("the clock of this machine is behind"); n != 1 {
			t.Errorf("%d warnings", n)
		}
	})
}

// Parallel requests of one session share one renewal.
func TestParallelRequestsShareARenewal(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(10 * time.Minute)
		results := make(chan string, 20)
		for range cap(results) {
			tab := b.copy()
			go func() {
				f.look(tab)
				results <- tab.jar[renewalName]
			}()
		}
		distinct := map[string]bool{}
		for range cap(results) {
			distinct[<-results] = true
		}
		if len(distinct) != 1 || distinct[""] {
			t.Errorf("%d distinct renewals", len(distinct))
		}
		if n := f.Stats(); n.Renewed != 20 || n.Shared != 19 {
			t.Errorf("renewed %d, shared %d", n.Renewed, n.Shared)
		}
		// Later a new one is sealed.
		time.Sleep(10 * time.Second)
		tab := b.copy()
		if f.look(tab); distinct[tab.jar[renewalName]] {
			t.Error("a renewal was shared for longer than ten seconds")
		}
	})
}

// The reading rule, with every pair of tokens a browser may hold.
func TestReadingRule(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		first := b.copy()
		time.Sleep(30 * time.Minute)
		f.look(b) // renews
		renewed := b.copy()
		time.Sleep(20 * time.Minute)
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Error(err)
			}
		})
		written := b.copy()
		other := newBrowser()
		f.login(t, other, httpmw.Identity{Subject: "bob"})
		time.Sleep(10 * time.Minute)
		f.look(other) // renews

		limit := func(session, renewal string) (left time.Duration) {
			p := newBrowser()
			p.jar[sessionName] = session
			if renewal != "" {
				p.jar[renewalName] = renewal
			}
			f.in(p, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				if idle, _ := s.Deadlines(); !idle.IsZero() {
					left = time.Until(idle)
				}
			})
			return left.Round(time.Minute)
		}
		for name, row := range map[string]struct {
			session, renewal string
			left             time.Duration
		}{
			"session alone":                       {written.jar[sessionName], "", 50 * time.Minute},
			"session with an older renewal":       {written.jar[sessionName], renewed.jar[renewalName], 50 * time.Minute},
			"session with a newer renewal":        {first.jar[sessionName], renewed.jar[renewalName], 30 * time.Minute},
			"session whose exp has passed":        {first.jar[sessionName], "", 0},
			"renewal of another session":          {first.jar[sessionName], other.jar[renewalName], 0},
			"renewal of another, session is live": {written.jar[sessionName], other.jar[renewalName], 50 * time.Minute},
			"renewal that does not open":          {written.jar[sessionName], flip(renewed.jar[renewalName]), 50 * time.Minute},
			"renewal that is too long":            {written.jar[sessionName], renewed.jar[renewalName] + strings.Repeat("A", 2000), 50 * time.Minute},
		} {
			if got := limit(row.session, row.renewal); got != row.left {
				t.Errorf("%s: %v are left, want %v", name, got, row.left)
			}
		}
	})
}

// A renewal sealed with a revoked key does not count, though the session's own key is good.
func TestRenewalWithARevokedKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		rotated, err := f.ring.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		second := newReplica(t, rotated, f.store.Unwrap(), httpmw.Config{Idle: time.Hour})
		time.Sleep(30 * time.Minute)
		if subject, err := second.look(b); subject != "ann" || err != nil {
			t.Fatalf("after rotating: %q, %v", subject, err)
		}
		newest, ok := rotated.Sealing(time.Now())
		if !ok {
			t.Fatal("no key seals")
		}
		revoked, err := rotated.Revoke(time.Now(), newest.ID())
		if err != nil {
			t.Fatal(err)
		}
		third := newReplica(t, revoked, f.store.Unwrap(), httpmw.Config{Idle: time.Hour})
		if subject, err := third.look(b); subject != "ann" || err != nil {
			t.Errorf("within the session token's own limit: %q, %v", subject, err)
		}
		delete(b.jar, renewalName) // that look renewed it
		time.Sleep(31 * time.Minute)
		if _, err := third.look(b); err != httpmw.ErrExpiredIdle {
			t.Errorf("beyond it: %v", err)
		}
	})
}

// Replicas whose clocks differ do not shorten each other's renewals: iat never goes backwards.
func TestRenewalOfATokenFromAFastClock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		sealer := token.New(keys.Static(f.ring))
		var tok token.Session
		if err := sealer.OpenSession(nil, b.jar[sessionName], &tok, time.Now()); err != nil {
			t.Fatal(err)
		}
		tok.IssuedAt += 3600 // another replica, whose clock is an hour ahead, wrote it
		ahead, err := sealer.SealSession(nil, &tok, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b.jar[sessionName] = string(ahead)
		for range 12 {
			time.Sleep(10 * time.Minute)
			if subject, err := f.look(b); subject != "ann" {
				t.Fatalf("an active session ended: %v", err)
			}
		}
	})
}

func TestRemember(t *testing.T) {
	const idle, absolute = 3 * time.Hour, 10 * time.Hour
	bubble.Test(t, func(t *testing.T) {
		ring := keys.Generate(absolute)
		list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{MaxIdle: idle, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { list.Close() })
		m, err := httpmw.New[cart](keys.Static(ring), list, httpmw.Config{
			Idle: 10 * time.Minute, Absolute: time.Hour, Logger: quiet(),
			Remember: httpmw.Limits{Idle: idle, Absolute: absolute},
		})
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{Manager: m, ring: ring, list: list}
		remembered, forgotten := newBrowser(), newBrowser()
		if diff := cmp.Diff([]int{int(absolute.Seconds())}, ages(f.remember(t, remembered, true))); diff != "" {
			t.Errorf("remembered: %s", diff)
		}
		if diff := cmp.Diff([]int{0}, ages(f.remember(t, forgotten, false))); diff != "" {
			t.Errorf("not remembered: %s", diff)
		}
		begun := time.Unix(time.Now().Unix(), 0)
		time.Sleep(2 * time.Hour)
		if subject, err := f.look(forgotten); subject != "" || !errors.Is(err, httpmw.ErrExpired) {
			t.Errorf("not remembered: %q, %v", subject, err)
		}
		left := []int{int((absolute - 2*time.Hour).Seconds())}
		res := f.in(remembered, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			_, end := s.Deadlines()
			if s.Subject() != "ann" || !end.Equal(begun.Add(absolute)) {
				t.Errorf("remembered: %q, %v, until %v", s.Subject(), s.Err(), end)
			}
		})
		if diff := cmp.Diff([]string{renewalName}, setNames(res)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(left, ages(res)); diff != "" {
			t.Error(diff)
		}
		// A write keeps the session one to be remembered, and its cookie is given what is left of its life.
		res = f.in(remembered, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Error(err)
			}
			if limit, _ := s.Deadlines(); !limit.Equal(time.Unix(time.Now().Unix(), 0).Add(idle)) {
				t.Errorf("idle limit %v", limit)
			}
		})
		if diff := cmp.Diff(left, ages(res)); diff != "" {
			t.Error(diff)
		}
		// Logging in again without it ends that.
		if diff := cmp.Diff([]int{0}, ages(f.remember(t, remembered, false))); diff != "" {
			t.Error(diff)
		}
	})
}

func (f *fixture) remember(t *testing.T, b *browser, remember bool) *http.Response {
	return f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann", Remember: remember}); err != nil {
			t.Error(err)
		}
	})
}

// ages returns the Max-Age of each cookie of an answer, 0 for none.
func ages(res *http.Response) (ages []int) {
	for _, c := range res.Cookies() {
		ages = append(ages, c.MaxAge)
	}
	return ages
}

// Browsers keep no cookie for longer than 400 days, so none asks for more.
func TestLongestMaxAge(t *testing.T) {
	const absolute = 1000 * 24 * time.Hour
	ring := keys.Generate(absolute)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Remember: httpmw.Limits{Idle: time.Hour, Absolute: absolute}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Manager: m, ring: ring, list: list}
	if diff := cmp.Diff([]int{400 * 24 * 60 * 60}, ages(f.remember(t, newBrowser(), true))); diff != "" {
		t.Error(diff)
	}
}
