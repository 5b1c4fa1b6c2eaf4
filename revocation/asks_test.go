package revocation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

type asking func(*revocation.List, context.Context, revocation.Target, revocation.Options) (revocation.Receipt, error)

// other returns a session like q with another id, one of many.
func other(q *replica.Query, n int) *replica.Query {
	next := *q
	next.Session = [16]byte{1, byte(n >> 8), byte(n)}
	return &next
}

// wantAllEnded fails unless l refuses a hundred sessions like q.
func wantAllEnded(t *testing.T, what string, l *revocation.List, q *replica.Query) {
	t.Helper()
	for i := range 100 {
		if v := verdict(t, l, other(q, i)); v.Outcome != replica.Refuse {
			t.Fatalf("%s: decided by %v", what, v.Outcome)
		}
	}
}

// wantAsks fails unless l accepts q, asks this of it, and lets it be renewed only if it asks nothing.
func wantAsks(t *testing.T, what string, l *revocation.List, q *replica.Query, want revlog.Asks) {
	t.Helper()
	again := *q
	v := verdict(t, l, &again)
	if v.Outcome != replica.Accept || v.Asks != want {
		t.Errorf("%s: %v (%v), asks %b, want accept, asks %b", what, v.Outcome, v.Reason, v.Asks, want)
	}
	if v.Renew != (want == 0) || v.Extend != (want&^revlog.Ending == 0) {
		t.Errorf("%s: asks %b, renew %t, extend %t", what, v.Asks, v.Renew, v.Extend)
	}
}

// R36: what is asked of a session is asked by every replica that has read it, by one that boots, and
// by one that has to ask the store, until it is done; and of no session that began since.
func TestR36WhatIsAskedOfASession(t *testing.T) {
	for name, row := range map[string]struct {
		ask  asking
		asks revlog.Asks
	}{
		"require login": {(*revocation.List).RequireLogin, revlog.AsksLogin},
		"reload":        {(*revocation.List).Reload, revlog.AsksReload},
	} {
		for _, target := range []revocation.Target{
			revocation.Session(sid(1)), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone(),
		} {
			t.Run(name+"/"+target.Scope().String(), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					store := revlog.NewMemory()
					l, elsewhere := open(t, store), open(t, store)
					time.Sleep(time.Minute)
					q, anonymous := login(t, l, 1, "ada", "tenant:7"), *login(t, l, 9, "eve")
					anonymous.Subject = revlog.Tag{}
					time.Sleep(time.Second)
					wantAsks(t, "before", elsewhere, q, 0)
					if _, err := row.ask(l, t.Context(), target, revocation.Options{}); err != nil {
						t.Fatal(err)
					}
					wantAsks(t, "at once, here", l, q, row.asks)
					time.Sleep(time.Second)
					wantAsks(t, "elsewhere", elsewhere, q, row.asks)
					wantAsks(t, "anonymous", elsewhere, &anonymous, 0)
					if target.Scope() == revlog.ScopeSession {
						time.Sleep(11 * time.Minute) // the recent entries no longer have it
					}
					wantAsks(t, "later", elsewhere, q, row.asks)
					booted := open(t, store)
					time.Sleep(time.Second)
					wantAsks(t, "by a replica that has booted", booted, q, row.asks)

					switch next := *q; row.asks {
					case revlog.AsksLogin:
						wantAsks(t, "after a login", booted, login(t, l, 2, "ada", "tenant:7"), 0)
					case revlog.AsksReload:
						loaded, _, err := l.Replica().Loading(t.Context(), &next)
						if err != nil {
							t.Fatal(err)
						}
						next.Loaded = loaded
						wantAsks(t, "loaded, here", l, &next, 0)
						wantAsks(t, "loaded, elsewhere", booted, &next, 0)
						if _, err := row.ask(l, t.Context(), target, revocation.Options{}); err != nil {
							t.Fatal(err)
						}
						time.Sleep(time.Second)
						wantAsks(t, "asked again", booted, &next, row.asks)
					}
				})
			})
		}
	}
}

// R36: an entry that asks something neither hides a revocation nor is hidden by one.
func TestR36AskingHidesNoRevocation(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Session(sid(1)), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlog.NewMemory()
				l, elsewhere := open(t, store), open(t, store)
				time.Sleep(time.Minute)
				q := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				revoke(t, l, target)
				time.Sleep(time.Minute)
				for _, ask := range []asking{(*revocation.List).RequireLogin, (*revocation.List).Reload} {
					if _, err := ask(l, t.Context(), target, revocation.Options{}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				for _, l := range []*revocation.List{l, elsewhere, open(t, store)} {
					if v := verdict(t, l, q); v.Outcome != replica.Refuse {
						t.Errorf("decided by %v", v.Outcome)
					}
				}
			})
		})
	}
}

// R36: entries that ask something of others lead to no question and no allocation.
func TestR36AskingCostsOthersNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		for i := range 300 {
			for _, target := range []revocation.Target{revocation.Session(sid(100 + i)), revocation.Subject(sid(i)), revocation.Group(sid(i))} {
				if _, err := l.Reload(t.Context(), target, revocation.Options{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(11 * time.Minute)
		before := store.Confirms()
		for i := range 100 {
			wantAsks(t, "another", l, other(q, i), 0)
		}
		if n := store.Confirms() - before; n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		if n := testing.AllocsPerRun(100, func() { l.Replica().Decide(q) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// R36: while the store is away, a replica asks what it was told to ask, and a session that was loaded
// then is loaded again once the store is back. Nothing is lost.
func TestR36AnOutage(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l, elsewhere := open(t, store), open(t, store.Unwrap())
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada")
		store.Fail()
		time.Sleep(time.Minute)
		if _, err := l.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatal(err)
		}
		if v := verdict(t, l, q); v.Outcome != replica.Accept || v.Asks != revlog.AsksReload {
			t.Errorf("%+v", v)
		}
		loaded, _, err := l.Replica().Loading(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		store.Recover()
		time.Sleep(5 * time.Second)
		next := *q
		next.Loaded = loaded
		wantAsks(t, "loaded during the outage", elsewhere, &next, revlog.AsksReload)
		if next.Loaded, _, err = elsewhere.Replica().Loading(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		wantAsks(t, "loaded since", l, &next, 0)
	})
}

// R36: a login whose password was checked before its user had to log in again does not count, and
// what it loaded before a Reload is loaded again.
func TestR36ALoginThatWasUnderWay(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		time.Sleep(time.Minute)
		begin := func(since revocation.Instant) (replica.Start, error) {
			return l.Replica().Begin(t.Context(), replica.Login{Subject: l.Tag(revocation.Subject("ada")), Since: since.LogTime()})
		}
		since := l.Now(t.Context())
		time.Sleep(time.Second)
		if _, err := l.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		s, err := begin(since)
		if err != nil {
			t.Fatal(err)
		}
		q := &replica.Query{Session: [16]byte{1}, Subject: l.Tag(revocation.Subject("ada")), Epoch: s.Epoch, Loaded: s.Loaded, Checked: s.Checked, Term: s.Term}
		wantAsks(t, "loaded before", l, q, revlog.AsksReload)
		if _, err := l.RequireLogin(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := begin(since); !errors.Is(err, revocation.ErrRevoked) {
			t.Errorf("a login from before: %v", err)
		}
		if _, err := begin(l.Now(t.Context())); err != nil {
			t.Errorf("a login from after: %v", err)
		}
	})
}

func TestAsksForNoKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		for _, ask := range []asking{(*revocation.List).RequireLogin, (*revocation.List).Reload} {
			if _, err := ask(l, t.Context(), revocation.Key("k"), revocation.Options{}); !errors.Is(err, revocation.ErrTarget) {
				t.Error(err)
			}
			if _, err := ask(l, t.Context(), revocation.Everyone(), revocation.Options{Over: time.Hour}); !errors.Is(err, revocation.ErrTarget) {
				t.Error(err)
			}
		}
		for _, row := range []struct {
			target revocation.Target
			over   time.Duration
		}{
			{revocation.Session(sid(1)), time.Hour}, {revocation.Subject("ada"), time.Hour}, {revocation.Key("k"), time.Hour},
			{revocation.Everyone(), -time.Second}, {revocation.Everyone(), time.Microsecond}, {revocation.Everyone(), 25 * time.Hour},
		} {
			if _, err := l.Revoke(t.Context(), row.target, revocation.Options{Over: row.over}); !errors.Is(err, revocation.ErrTarget) {
				t.Errorf("%v over %v: %v", row.target, row.over, err)
			}
		}
	})
}

// R37: the sessions of a tenant end one after another, evenly, at the same moment at every replica,
// and not one that began since.
func TestR37SessionsEndOneAfterAnother(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Group("tenant:7"), revocation.Everyone()} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlog.NewMemory()
				l, elsewhere := open(t, store), open(t, store)
				time.Sleep(time.Minute)
				first := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				if _, err := l.Revoke(t.Context(), target, revocation.Options{Over: 4 * time.Minute}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				late := login(t, l, 200, "ada", "tenant:7")
				const n = 400
				out := func() (gone int) {
					for i := range n {
						a, b := verdict(t, l, other(first, i)), verdict(t, elsewhere, other(first, i))
						if a.Outcome != b.Outcome || a.Outcome == replica.Accept && (a.Asks != revlog.Ending || a.Renew || !a.Extend) {
							t.Fatalf("%+v, %+v", a, b)
						}
						if a.Outcome == replica.Refuse {
							gone++
						}
					}
					return gone
				}
				if gone := out(); gone > n/50 {
					t.Errorf("at once, %d of %d have ended", gone, n)
				}
				elsewhere = open(t, store)
				for quarter := 1; quarter <= 3; quarter++ {
					time.Sleep(time.Minute)
					if gone := out(); gone < quarter*n/4-n/10 || gone > quarter*n/4+n/10 {
						t.Errorf("after %d quarters, %d of %d have ended", quarter, gone, n)
					}
				}
				time.Sleep(time.Minute + 3*time.Second)
				if gone := out(); gone != n {
					t.Errorf("in the end, %d of %d have ended", gone, n)
				}
				wantAsks(t, "began since", elsewhere, late, 0)
			})
		})
	}
}

// R37: nothing but an end at once takes the place of one that is under way. When it is over, another
// may follow, and what it ended stays ended.
func TestR37OneAtATime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		l, elsewhere := open(t, store), open(t, store)
		time.Sleep(time.Minute)
		first := login(t, l, 1, "ada", "tenant:7")
		slowly := revocation.Options{Over: 4 * time.Minute}
		if _, err := l.Revoke(t.Context(), revocation.Everyone(), slowly); err != nil {
			t.Fatal(err)
		}
		for _, l := range []*revocation.List{l, elsewhere} { // the second has not read it yet
			if _, err := l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Over: 2 * time.Hour}); !errors.Is(err, revocation.ErrUnderWay) {
				t.Errorf("a second one: %v", err)
			}
		}
		time.Sleep(4*time.Minute + 3*time.Second)
		second := login(t, l, 1, "ada")
		if _, err := elsewhere.Revoke(t.Context(), revocation.Everyone(), slowly); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for _, l := range []*revocation.List{l, elsewhere, open(t, store)} {
			wantAllEnded(t, "what the first one ended", l, first)
		}
		revoke(t, l, revocation.Everyone())
		time.Sleep(time.Second)
		wantAllEnded(t, "after all were ended", elsewhere, second)
	})
}

// R37: a replica whose list was lost meets another entry in the new list. What its own was to end
// slowly ends then, and does not come back.
func TestR37AfterALoss(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		if _, err := l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Over: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		store.Fail()
		time.Sleep(5 * time.Second)
		emptied := revlog.NewMemory()
		elsewhere := open(t, emptied)
		if _, err := elsewhere.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Over: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		store.Hook(func(h *revlogtest.Hooks) { h.Store = emptied })
		store.Recover()
		time.Sleep(10 * time.Second)
		for _, l := range []*revocation.List{l, elsewhere} {
			for i := range 100 {
				again := other(q, i)
				if v := verdict(t, l, again); v.Outcome == replica.Accept {
					t.Fatalf("decided by %v", v.Outcome)
				}
			}
		}
	})
}

// R37: a second one in the same moment, with the same words, is not the first one if somebody logged in
// between them.
func TestR37TheSameWordsAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		l, elsewhere := open(t, store), open(t, store)
		time.Sleep(time.Minute)
		slowly := revocation.Options{Over: time.Hour}
		if _, err := l.Revoke(t.Context(), revocation.Group("tenant:7"), slowly); err != nil {
			t.Fatal(err)
		}
		login(t, l, 1, "ada", "tenant:7")
		if _, err := elsewhere.Revoke(t.Context(), revocation.Group("tenant:7"), slowly); !errors.Is(err, revocation.ErrUnderWay) {
			t.Errorf("%v", err)
		}
	})
}

// R36: data that was loaded ahead of log time, as before the store lost it, is loaded again: what is
// asked from now on would seem to be done.
func TestR36LoadedAheadOfLogTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada")
		q.Loaded = time.Now().Add(10 * time.Hour).UnixMilli()
		if v := verdict(t, l, q); v.Outcome != replica.Accept || v.Asks != revlog.AsksReload || v.Renew {
			t.Errorf("%+v", v)
		}
		loaded, _, err := l.Replica().Loading(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		q.Loaded = loaded
		wantAsks(t, "loaded again", l, q, 0)
		if _, err := l.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		wantAsks(t, "asked for", l, q, revlog.AsksReload)
	})
}

// R36: a session was last checked by a primary that is no more, and so the store is asked about it. Its
// data is loaded once, and the session is renewed.
func TestR36LoadedAfterANewPrimary(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Minute)
		next := promote(t, store)
		q.Checked = next.Start + 1
		time.Sleep(time.Minute)
		if _, err := l.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wantAsks(t, "before", l, q, revlog.AsksReload)
		loaded, term, err := l.Replica().Loading(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		q.Loaded, q.LoadedTerm = loaded, term
		if v := verdict(t, l, q); v.Outcome != replica.Accept || v.Asks != 0 || !v.Renew {
			t.Errorf("loaded: %+v", v)
		}
	})
}

// R27, R36: a store that may have forgotten what ended a session does not decide about it, also if
// something is asked of it.
func TestR27AStoreThatForgotAsksNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		if _, err := l.Reload(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		asksAll(t, l)
		store.Hook(func(h *revlogtest.Hooks) {
			in := h.Store
			h.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				a, err := in.Confirm(ctx, q)
				a.Now += (12 * time.Hour).Milliseconds() // its clock jumped after the last read
				return a, err
			}
		})
		wantVerdict(t, "forgotten", verdict(t, l, q), replica.Undecided, replica.Silent)
	})
}
