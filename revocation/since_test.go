package revocation_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R30: a login that begins after a revocation was acknowledged is accepted, at any replica and
// however soon. A login that began before it is refused.
func TestR30ALoginRightAfterARevocationElsewhereIsIn(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlog.NewMemory()
				here, there := open(t, store), open(t, store)
				b := identity(here)
				for i := range 100 {
					time.Sleep(time.Duration(i) * 7 * time.Millisecond)
					early := here.Now(t.Context()).LogTime()
					revoke(t, there, target)
					b.Since = here.Now(t.Context()).LogTime()
					start, err := here.Replica().Begin(t.Context(), b)
					if err != nil {
						t.Fatalf("right after the revocation: %v", err)
					}
					for _, l := range []*revocation.List{here, there} {
						wantVerdict(t, "at once", verdict(t, l, token(l, byte(i), start, "ada", "tenant:7")), replica.Accept, replica.None)
					}
					b.Since = early
					if s, err := here.Replica().Begin(t.Context(), b); !errors.Is(err, revocation.ErrRevoked) {
						t.Fatalf("begun before the revocation: %+v, %v", s, err)
					}
				}
			})
		})
	}
}

// R30: a call of Now does not use the answer to a question that was sent before the call. Many
// calls at once cost the store two questions.
func TestR30AMomentIsNotOlderThanTheCall(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store.Unwrap())
		b := identity(here)
		time.Sleep(time.Second)
		store.Hook(func(s *revlogtest.Hooks) {
			in := s.Store
			s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				a, err := in.Confirm(ctx, q)
				time.Sleep(100 * time.Millisecond) // on its way back
				return a, err
			}
		})
		before := store.Confirms()
		go here.Now(t.Context())
		time.Sleep(50 * time.Millisecond)
		revoke(t, there, revocation.Subject("ada"))
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				since := here.Now(t.Context()).LogTime()
				if w, _, err := there.Revoked(t.Context(), revocation.Subject("ada")); err != nil || w.UnixMilli() > since {
					t.Errorf("%v after Now, %v", w.Sub(time.UnixMilli(since)), err)
				}
			})
		}
		wg.Wait()
		if n := store.Confirms() - before; n != 2 {
			t.Errorf("%d questions", n)
		}
		store.Recover()
		b.Since = here.Now(t.Context()).LogTime()
		if _, err := here.Replica().Begin(t.Context(), b); err != nil {
			t.Error(err)
		}
	})
}

// R30: while the store is silent, Now is not later than log time, and only the first calls wait.
func TestR30NowWhileTheStoreIsSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		store.silence()
		time.Sleep(time.Minute)
		asked := store.Confirms()
		for range 10 {
			if since := l.Now(t.Context()).LogTime(); since > time.Now().Add(within).UnixMilli() || since < time.Now().Add(-time.Minute).UnixMilli() {
				t.Errorf("Now is %v from now", time.Until(time.UnixMilli(since)))
			}
		}
		if n := store.Confirms() - asked; n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// R21: a login fails if its own replica can see that the session would be revoked as soon as it
// begins.
func TestR21ALoginNeverBeginsRevoked(t *testing.T) {
	for name, play := range map[string]func(t *testing.T, here, there *revocation.List, store scripted) (want error){
		"the process was paused, and its connection broke": func(t *testing.T, here, there *revocation.List, store scripted) error {
			resume := store.pause()
			time.Sleep(20 * time.Second)
			revoke(t, there, revocation.Subject("ada"))
			time.Sleep(20 * time.Second)
			resume()
			store.breakOnce()
			return nil
		},
		"a connection broke": func(t *testing.T, here, there *revocation.List, store scripted) error {
			revoke(t, there, revocation.Subject("ada"))
			store.breakOnce()
			return nil
		},
		"a revocation made here waits for the store": func(t *testing.T, here, there *revocation.List, store scripted) error {
			store.Hook(func(s *revlogtest.Hooks) {
				s.Write = func(context.Context, revlog.Write) (revlog.Written, error) { return revlog.Written{}, errSilent }
			})
			if _, err := here.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err == nil {
				t.Error("no error")
			}
			return revocation.ErrUnavailable
		},
		"the store is silent": func(t *testing.T, here, there *revocation.List, store scripted) error {
			store.silence()
			if _, err := here.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err == nil {
				t.Error("no error")
			}
			return revocation.ErrUnavailable
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store.Unwrap())
				time.Sleep(time.Minute)
				want := play(t, here, there, store)
				b := identity(here)
				start, err := here.Replica().Begin(t.Context(), b)
				if !errors.Is(err, want) {
					t.Fatalf("Begin = %+v, %v, want %v", start, err, want)
				}
				if err != nil {
					return
				}
				for _, when := range []string{"at once", "later"} {
					for _, l := range []*revocation.List{here, there} {
						wantVerdict(t, when, verdict(t, l, token(l, 1, start, "ada", "tenant:7")), replica.Accept, replica.None)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// breakOnce makes the next question fail.
func (s scripted) breakOnce() {
	s.Hook(func(s *revlogtest.Hooks) {
		in := s.Store
		var once sync.Once
		s.Confirm = func(ctx context.Context, q revlog.Question) (_ revlog.Answer, err error) {
			once.Do(func() { err = errSilent })
			if err != nil {
				return revlog.Answer{}, err
			}
			return in.Confirm(ctx, q)
		}
	})
}
