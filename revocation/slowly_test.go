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

// wantSlowly fails unless some of the sessions like q have ended at l, and by far not all.
func wantSlowly(t *testing.T, what string, l *revocation.List, q *replica.Query) {
	t.Helper()
	ended := 0
	for i := range 200 {
		if verdict(t, l, other(q, i)).Outcome == replica.Refuse {
			ended++
		}
	}
	if ended > 100 {
		t.Errorf("%s: %d of 200 have ended", what, ended)
	}
}

// R37: however long the store takes, whatever answer is lost and however often it is sent, a
// revocation that is to end sessions slowly ends them slowly.
func TestR37SentAgain(t *testing.T) {
	writes := func(s scripted, change func(in revlog.Store, ctx context.Context, w revlog.Write) (revlog.Written, error)) {
		s.Hook(func(h *revlogtest.Hooks) {
			in := h.Store
			h.Write = func(ctx context.Context, w revlog.Write) (revlog.Written, error) { return change(in, ctx, w) }
		})
	}
	for name, row := range map[string]struct {
		fault func(scripted)
		fails bool
	}{
		"a store that takes its time to answer": {func(s scripted) {
			writes(s, func(in revlog.Store, ctx context.Context, w revlog.Write) (revlog.Written, error) {
				out, err := in.Write(ctx, w)
				out.Replicas = 1
				time.Sleep(450 * time.Millisecond)
				return out, err
			})
		}, false},
		"a store that takes its time": {func(s scripted) {
			var mu sync.Mutex
			first := true
			writes(s, func(in revlog.Store, ctx context.Context, w revlog.Write) (revlog.Written, error) {
				mu.Lock()
				wait := first
				first = false
				mu.Unlock()
				if wait {
					time.Sleep(450 * time.Millisecond)
				}
				out, err := in.Write(ctx, w)
				out.Replicas = 1
				return out, err
			})
		}, false},
		"the answer is lost": {func(s scripted) {
			writes(s, func(in revlog.Store, ctx context.Context, w revlog.Write) (revlog.Written, error) {
				in.Write(ctx, w)
				return revlog.Written{}, errSilent
			})
		}, true},
		"too few store replicas": {func(s scripted) { s.replicated(0) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				store.replicated(1)
				l := openWith(t, store, revocation.Config{Ack: revlog.Ack{Replicas: 1}, NoCanary: true})
				elsewhere := open(t, store.Unwrap())
				time.Sleep(time.Minute)
				q := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				row.fault(store)
				_, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{Over: time.Hour})
				if errors.Is(err, revocation.ErrUnavailable) != row.fails || err != nil && !row.fails {
					t.Errorf("Revoke = %v", err)
				}
				time.Sleep(3 * time.Second)
				store.Recover()
				store.replicated(1)
				time.Sleep(3 * time.Second)
				for _, l := range []*revocation.List{l, elsewhere} {
					wantSlowly(t, "soon after", l, q)
				}
				if n := l.Stats().Outbox; n != 0 {
					t.Errorf("Outbox = %d", n)
				}
				time.Sleep(time.Hour)
				wantAllEnded(t, "after the hour", elsewhere, q)
			})
		})
	}
}

// R37: of two calls at once, one is made and the other one refused.
func TestR37TwoAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		store.Hook(func(h *revlogtest.Hooks) {
			in := h.Store
			h.Write = func(ctx context.Context, w revlog.Write) (revlog.Written, error) {
				time.Sleep(10 * time.Millisecond)
				return in.Write(ctx, w)
			}
		})
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = l.Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{Over: time.Hour})
			})
		}
		wg.Wait()
		if e := errors.Join(errs...); !errors.Is(e, revocation.ErrUnderWay) || errs[0] != nil && errs[1] != nil {
			t.Errorf("%v", errs)
		}
		time.Sleep(5 * time.Second)
		wantSlowly(t, "after both", l, q)
	})
}

// R37: sessions that wait for their end are not renewed. So they may not wait for longer than the
// list remembers: all of them would end at once.
func TestR37NoLongerThanTheListRemembers(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		over := l.Replica().LongestIdle()
		if _, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{Over: over + time.Minute}); !errors.Is(err, revocation.ErrTarget) {
			t.Errorf("for longer: %v", err)
		}
		if _, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{Over: over}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(over - over/20)
		accepted := 0
		for i := range 1000 {
			if verdict(t, l, other(q, i)).Outcome == replica.Accept {
				accepted++
			}
		}
		if accepted < 20 || accepted > 80 {
			t.Errorf("%d of 1000 are left when a twentieth of the time is", accepted)
		}
	})
}

// R37: if the store is silent when one is over and the next is to begin, the next is made as soon as
// the store is back, like any revocation.
func TestR37TheNextWhileTheStoreIsSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l, elsewhere := open(t, store), open(t, store.Unwrap())
		time.Sleep(time.Minute)
		first := login(t, l, 1, "ada", "tenant:7")
		slowly := revocation.Options{Over: 4 * time.Minute}
		if _, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), slowly); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		second := login(t, l, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		store.silence()
		if _, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), slowly); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatal(err)
		}
		store.Recover()
		time.Sleep(2 * time.Second)
		for _, l := range []*revocation.List{l, elsewhere} {
			wantSlowly(t, "of the second", l, second)
		}
		time.Sleep(4 * time.Minute)
		for _, l := range []*revocation.List{l, elsewhere} {
			wantAllEnded(t, "of the first", l, first)
			wantAllEnded(t, "of the second", l, second)
		}
	})
}

// R18: sessions of which something is asked, and sessions that have ended slowly, lead to few
// questions, also where the window cannot decide.
func TestR18WhatIsAskedIsRemembered(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		locked, slow, reload := login(t, l, 1, "ada"), login(t, l, 2, "bob", "tenant:7"), login(t, l, 3, "eve")
		time.Sleep(time.Second)
		if _, err := l.RequireLogin(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Reload(t.Context(), revocation.Subject("eve"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), revocation.Options{Over: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		asksAll(t, l)
		before := store.Confirms()
		for range 100 {
			wantAsks(t, "locked", l, locked, revlog.AsksLogin)
			wantAsks(t, "to be loaded", l, reload, revlog.AsksReload)
			for i := range 3 {
				wantAsks(t, "ending", l, other(slow, i), revlog.Ending)
			}
			time.Sleep(time.Second)
		}
		if n := store.Confirms() - before; n > 5 {
			t.Errorf("the store was asked %d times about 5 sessions", n)
		}
		time.Sleep(time.Hour)
		asksAll(t, l)
		before = store.Confirms()
		for range 100 {
			for i := range 3 {
				if v := verdict(t, l, other(slow, i)); v.Outcome != replica.Refuse {
					t.Fatalf("decided by %v", v.Outcome)
				}
			}
		}
		if n := store.Confirms() - before; n > 3 {
			t.Errorf("the store was asked %d times about 3 sessions", n)
		}
	})
}
