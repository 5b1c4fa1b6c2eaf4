package revocation_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func identity(l *revocation.List) replica.Login {
	return replica.Login{Subject: l.Tag(revocation.Subject("ada")), Groups: []revlog.Tag{l.Tag(revocation.Group("tenant:7"))}}
}

// R21: a revocation made while the password is checked ends the login, whether this replica knows
// the revocation by then, or the store, or neither.
func TestR21SinceHoldsWhileTheStoreIsSilent(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		for _, tt := range []struct {
			name    string
			revoked func(t *testing.T, here, there *revocation.List, store scripted)
			want    error
		}{
			{"read from the log before", func(t *testing.T, here, there *revocation.List, store scripted) {
				revoke(t, there, target)
				time.Sleep(8 * time.Second)
				store.silence()
			}, revocation.ErrRevoked},
			{"made here, and waiting for the store", func(t *testing.T, here, there *revocation.List, store scripted) {
				store.silence()
				if _, err := here.Revoke(t.Context(), target, revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
					t.Fatalf("Revoke = %v", err)
				}
			}, revocation.ErrRevoked},
			{"made here, and waiting for a store that answers", func(t *testing.T, here, there *revocation.List, store scripted) {
				store.Hook(func(s *revlogtest.Hooks) {
					s.Write = func(context.Context, revlog.Write) (revlog.Written, error) {
						return revlog.Written{}, errSilent
					}
				})
				if _, err := here.Revoke(t.Context(), target, revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
					t.Fatalf("Revoke = %v", err)
				}
				time.Sleep(8 * time.Second)
			}, revocation.ErrRevoked},
			{"made elsewhere, and unknown here", func(t *testing.T, here, there *revocation.List, store scripted) {
				store.silence()
				revoke(t, there, target)
			}, nil},
		} {
			t.Run(target.Scope().String()+", "+tt.name, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					shared := revlog.NewMemory()
					store := scriptedOver(shared)
					here, there := open(t, store), open(t, shared)
					time.Sleep(time.Minute)
					b := identity(here)
					b.Since = here.Now(t.Context()).LogTime()
					time.Sleep(3 * time.Second) // the password is checked, slowly
					tt.revoked(t, here, there, store)
					time.Sleep(time.Second)
					start, err := here.Replica().Begin(t.Context(), b)
					if !errors.Is(err, tt.want) {
						t.Fatalf("Begin = %+v, %v", start, err)
					}
					if err != nil {
						return
					}
					store.Recover()
					time.Sleep(within)
					q := token(here, 1, start, "ada", "tenant:7")
					for _, l := range []*revocation.List{here, there} {
						if v := verdict(t, l, q); v.Outcome != replica.Refuse {
							t.Errorf("when the store is back: %v %v", v.Outcome, v.Reason)
						}
					}
				})
			})
		}
	}
}

// A store that is busy with other logins is not silent. A login above the limit fails at once: it
// does not wait, and does not begin without an answer. Questions about sessions have a limit of
// their own.
func TestR21ACrowdOfLoginsDoesNotSkipTheStore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		asks := login(t, l, 1, "carol")
		b := identity(l)
		b.Since = l.Now(t.Context()).LogTime()
		time.Sleep(3 * time.Second)
		revoke(t, l, revocation.Subject("ada"))
		time.Sleep(3 * time.Second)
		gate := make(chan struct{})
		store.Hook(func(s *revlogtest.Hooks) {
			in := s.Store
			s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				if q.Session == (revlog.Tag{}) { // a login
					<-gate
				}
				return in.Confirm(ctx, q)
			}
		})
		others := replica.Login{Subject: l.Tag(revocation.Subject("bob"))}
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if _, err := l.Replica().Begin(context.WithoutCancel(t.Context()), others); err != nil {
					t.Errorf("one of 64: %v", err)
				}
			})
		}
		synctest.Wait()
		if s, err := l.Replica().Begin(t.Context(), others); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("one too many: Begin = %+v, %v", s, err)
		}
		if s, err := l.Replica().Begin(t.Context(), b); !errors.Is(err, revocation.ErrRevoked) {
			t.Errorf("of a subject that was revoked meanwhile: Begin = %+v, %v", s, err)
		}
		asks.Term++ // from a primary that this replica does not know
		if v := verdict(t, l, asks); v.Outcome != replica.Accept || l.Stats().Confirms["crowded"] != 2 {
			t.Errorf("a session that the replica must ask about: %+v, %v", v, l.Stats().Confirms)
		}
		close(gate)
		wg.Wait()
	})
}

// A store that went back lacks revocations that this replica has read.
func TestR21AStoreBehindThisReplicaLetsNobodyIn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		b := identity(l)
		b.Since = l.Now(t.Context()).LogTime()
		time.Sleep(3 * time.Second)
		before, err := store.Unwrap().Confirm(t.Context(), revlog.Question{List: l.Replica().ListID(), Subject: b.Subject})
		if err != nil {
			t.Fatal(err)
		}
		revoke(t, l, revocation.Subject("ada"))
		time.Sleep(8 * time.Second)
		store.Hook(func(s *revlogtest.Hooks) {
			silenceReads(s)
			s.Confirm = func(context.Context, revlog.Question) (revlog.Answer, error) { return before, nil }
		})
		if s, err := l.Replica().Begin(t.Context(), b); !errors.Is(err, revocation.ErrRevoked) {
			t.Errorf("Begin = %+v, %v", s, err)
		}
	})
}

// A login whose request was canceled does not begin without the store.
func TestR21ACanceledLoginDoesNotBegin(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		store.Hook(func(s *revlogtest.Hooks) {
			s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				<-ctx.Done()
				return revlog.Answer{}, ctx.Err()
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if s, err := l.Replica().Begin(ctx, identity(l)); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Begin = %+v, %v", s, err)
		}
	})
}

// A password check takes longer than the recent entries reach back. The replica keeps watermarks
// for longer, so a revocation made meanwhile still refuses the login.
func TestR21SinceReachesPastTheRecentEntries(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7")} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				shared := revlog.NewMemory()
				store := scriptedOver(shared)
				here, there := open(t, store), open(t, shared)
				time.Sleep(time.Minute)
				b := identity(here)
				b.Since = here.Now(t.Context()).LogTime()
				time.Sleep(3 * time.Second)
				revoke(t, there, target)
				time.Sleep(11 * time.Minute)
				revoke(t, there, revocation.Subject("another")) // drops recent entries that are too old
				time.Sleep(time.Second)
				store.silence()
				if s, err := here.Replica().Begin(t.Context(), b); !errors.Is(err, revocation.ErrRevoked) {
					t.Errorf("Begin = %+v, %v", s, err)
				}
			})
		})
	}
}

// R21: in an outage one login waits for the store. The others do not, however many come at once.
func TestR21LoginsDoNotQueueForASilentStore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		store.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, _ revlog.Cursor) (revlog.Page, error) {
				return revlog.Page{}, hang(ctx)
			}
			s.Confirm = func(ctx context.Context, _ revlog.Question) (revlog.Answer, error) {
				return revlog.Answer{}, hang(ctx)
			}
		})
		time.Sleep(2 * within)
		begin := func() {
			if _, err := l.Replica().Begin(t.Context(), identity(l)); err != nil {
				t.Errorf("Begin = %v", err)
			}
		}
		begin()
		began := time.Now()
		var all sync.WaitGroup
		for range 500 {
			all.Go(begin)
		}
		all.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("500 logins waited for %v", took)
		}
		store.Recover()
		time.Sleep(within)
		before := store.Confirms()
		begin()
		if n := store.Confirms() - before; n != 1 {
			t.Errorf("a store that answers again was asked %d times", n)
		}
	})
}

// In an outage, a watermark of this replica may be ahead of log time, which runs slower while it is
// ahead of the clock of the store. A session that began after that watermark would outlive
// revocations that another replica makes.
func TestR21AnAnonymousSessionIsNotAheadOfLogTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Second)
		heard := l.Replica().LogTime()
		store.silence()
		time.Sleep(10 * time.Minute)
		if _, err := l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{}); err == nil {
			t.Fatal("Revoke returned no error although the store is silent")
		}
		if s := l.Replica().Anonymous(); s.Epoch > heard+within.Milliseconds()+1 {
			t.Errorf("it begins %d ms after the log time that this replica knows", s.Epoch-heard)
		}
	})
}
