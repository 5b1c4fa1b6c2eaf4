package httpmw_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// freezing is a ring at which the process stops once, just before it seals.
type freezing struct {
	keys.Source
	calls atomic.Int64 // until it stops; 0: never
	long  time.Duration
}

func (f *freezing) Ring() *keys.Ring {
	if f.calls.Load() > 0 && f.calls.Add(-1) == 0 {
		time.Sleep(f.long)
	}
	return f.Source.Ring()
}

// R23: a process decides, is frozen for longer than the idle limit, and seals. The limits of what it seals count from the
// decision: by now the list may have forgotten what was revoked meanwhile.
func TestR23LimitsCountFromTheDecision(t *testing.T) {
	c := httpmw.Config{Idle: 4 * time.Minute, Logger: quiet()}
	for name, act := range map[string]func(s *httpmw.Session[cart], r *http.Request) error{
		"renewal": func(*httpmw.Session[cart], *http.Request) error { return nil },
		"set":     func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) },
		"login": func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
		},
		"switch": func(s *httpmw.Session[cart], r *http.Request) error {
			return s.SetGroups(r.Context(), []string{"tenant:7"})
		},
	} {
		for calls := range 6 {
			t.Run(name, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					f := newFixture(t, c)
					ring := &freezing{Source: keys.Static(f.ring), long: 8 * time.Minute}
					f.Manager = must(httpmw.New[cart](ring, f.list, c))
					b := newBrowser()
					f.login(t, b, httpmw.Identity{Subject: "ann"})
					time.Sleep(2 * time.Minute)
					decided := time.Now()
					f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
						ring.calls.Store(int64(calls))
						act(s, r) // or is refused, because the session expired meanwhile
					})
					frozen := ring.calls.Swap(0) == 0 && calls > 0
					if got := time.Since(decided) > time.Minute; got != frozen {
						t.Fatalf("frozen %v, want %v", got, frozen)
					}
					if limit := f.sealed(t, b); limit.After(decided.Add(c.Idle)) {
						t.Errorf("sealed until %v after the decision", limit.Sub(decided))
					}
				})
			})
		}
	}
}

// sealed returns the idle limit of what a browser holds.
func (f *fixture) sealed(t *testing.T, b *browser) time.Time {
	t.Helper()
	if _, ok := b.jar[renewalName]; ok {
		return time.Unix(f.renewal(t, b).Expires, 0)
	}
	var s token.Session
	if err := token.New(keys.Static(f.ring)).OpenSession(make([]byte, 4096), b.jar[sessionName], &s, time.Now()); err != nil {
		t.Fatal(err)
	}
	return time.Unix(s.Expires, 0)
}
