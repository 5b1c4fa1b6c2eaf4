package revocation_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R18: a token that is sent again and again causes only a few questions to the store.
func TestR18AMillionReplaysAskTheStoreAFewTimes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		times  int
		change func(t *testing.T, l *revocation.List, q *replica.Query)
		want   replica.Outcome
	}{
		{"revoked, older than the recent entries", replays, func(t *testing.T, l *revocation.List, q *replica.Query) {
			revoke(t, l, revocation.Session(sid(1)))
			time.Sleep(12 * time.Minute)
		}, replica.Refuse},
		{"checked in another term", replays, func(_ *testing.T, _ *revocation.List, q *replica.Query) {
			q.Term = 99
		}, replica.Accept},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				q := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				tt.change(t, l, q)
				before := store.Confirms()
				for i := range tt.times {
					c := *q
					v := l.Replica().Decide(&c)
					if v.Outcome != replica.Ask {
						t.Fatalf("replay %d: %v without a question: this test shows nothing", i, v.Outcome)
					}
					if v = l.Replica().Confirm(t.Context(), &c); v.Outcome != tt.want {
						t.Fatalf("replay %d: %v", i, v.Outcome)
					}
					if i%(tt.times/10) == 0 {
						time.Sleep(300 * time.Millisecond) // the view moves on
					}
				}
				if n := store.Confirms() - before; n > 10 || n == 0 {
					t.Errorf("%d questions for %d replays", n, tt.times)
				}
			})
		})
	}
}

// R18: one account has 100,000 sessions, all revoked, and somebody sends all of them again and
// again. The replica asks about each of them once.
func TestR18AHundredThousandRevokedSessions(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		n := min(100_000, replays)
		store := script()
		l := open(t, store)
		time.Sleep(2 * time.Second)
		q := login(t, l, 1, "mallory")
		number := func(i int) { q.Session = [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 9} }
		var all []revocation.Target
		for i := range n {
			number(i)
			all = append(all, revocation.Session(base64.RawURLEncoding.EncodeToString(q.Session[:])))
		}
		if _, err := l.RevokeMany(t.Context(), slices.Values(all), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := store.Confirms()
		for range 2 {
			for i := range n {
				number(i)
				if v := verdict(t, l, q); v.Outcome != replica.Refuse {
					t.Fatalf("%d: %v", i, v.Outcome)
				}
			}
			if asked := store.Confirms() - before; asked != n {
				t.Fatalf("%d questions about %d sessions", asked, n)
			}
		}
	})
}

// R18: a remembered revocation compares login times, so it does not apply to a later login.
func TestR18KnownRevokedComparesEpoch(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7")} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				l := open(t, script())
				q := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				revoke(t, l, target)
				time.Sleep(12 * time.Minute)
				if v := verdict(t, l, q); v.Outcome != replica.Refuse {
					t.Fatalf("%v", v.Outcome)
				}
				again := login(t, l, 2, "ada", "tenant:7")
				again.Term = 99 // so that the replica asks about it
				wantVerdict(t, "logged in again", verdict(t, l, again), replica.Accept, replica.None)
				wantVerdict(t, "the old one", verdict(t, l, q), replica.Refuse, map[revlog.Scope]replica.Reason{
					revlog.ScopeSubject: replica.RevokedSubject, revlog.ScopeGroup: replica.RevokedGroup,
				}[target.Scope()])
			})
		})
	}
}

// R18: a remembered "not revoked" is used only while the replica is in step, and not past a
// revocation.
func TestR18FoundClearDoesNotOutliveS(t *testing.T) {
	for _, target := range []revocation.Target{
		revocation.Session(sid(1)), revocation.Subject("ada"), revocation.Group("tenant:7"),
		revocation.Key("kid-one"), revocation.Everyone(),
	} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				shared := revlog.NewMemory()
				store := scriptedOver(shared)
				here, there := open(t, store), open(t, shared)
				q := login(t, here, 1, "ada", "tenant:7")
				q.Term = 99
				time.Sleep(time.Second)
				for range 3 {
					wantVerdict(t, "clear", verdict(t, here, q), replica.Accept, replica.None)
				}
				if n := store.Confirms(); n != 2 { // one of them for the login
					t.Fatalf("%d questions: the answer was not remembered", n)
				}
				revoke(t, there, target)
				time.Sleep(within)
				if v := verdict(t, here, q); v.Outcome != replica.Refuse {
					t.Errorf("after S: %v", v.Outcome)
				}
			})
		})
	}
	t.Run("stale", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			store := script()
			l := open(t, store)
			q := login(t, l, 1, "ada")
			q.Term = 99
			wantVerdict(t, "clear", verdict(t, l, q), replica.Accept, replica.None)
			store.Hook(silenceReads)
			time.Sleep(within + time.Second)
			before := store.Confirms()
			for range 3 {
				wantVerdict(t, "stale", verdict(t, l, q), replica.Accept, replica.None)
			}
			if n := store.Confirms() - before; n != 3 {
				t.Errorf("%d questions, want 3: an answer from before the silence was used", n)
			}
		})
	})
}

// holdConfirms makes questions wait until release is called, and counts the waiting ones.
func (s scripted) holdConfirms() (waiting *atomic.Int64, release func()) {
	gate := make(chan struct{})
	waiting = new(atomic.Int64)
	s.Hook(func(s *revlogtest.Hooks) {
		in := s.Store
		s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
			waiting.Add(1)
			defer waiting.Add(-1)
			select {
			case <-gate:
				return in.Confirm(ctx, q)
			case <-ctx.Done():
				return revlog.Answer{}, ctx.Err()
			}
		}
	})
	return waiting, func() { close(gate) }
}

// R18: requests with the same session at the same time share one answer.
func TestR18OneQuestionForManyWhoAsk(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada", "tenant:7")
		q.Term = 99
		before := store.Confirms()
		_, release := store.holdConfirms()
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		verdicts := make([]replica.Verdict, 64)
		for i := range verdicts {
			all.Go(func() {
				ctx := t.Context()
				if i == 0 {
					ctx = gone
				}
				c := *q
				verdicts[i] = l.Replica().Confirm(ctx, &c)
			})
			if i == 0 {
				synctest.Wait() // so that the request that is canceled is the one that asked
			}
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		release()
		all.Wait()
		if n := store.Confirms() - before; n != 1 {
			t.Errorf("%d store calls, want 1", n)
		}
		wantVerdict(t, "the canceled request", verdicts[0], replica.Undecided, replica.Silent)
		for i, v := range verdicts[1:] {
			wantVerdict(t, fmt.Sprint("goroutine ", i+1), v, replica.Accept, replica.None)
		}
		if s := l.Stats().State; s != "synced" {
			t.Errorf("State = %q: a canceled request says nothing about the store", s)
		}
	})
}

// R18: another question about the same session does not share that answer.
func TestR18OtherKeysAreAnotherQuestion(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		q.Term = 99
		waiting, release := store.holdConfirms()
		var all sync.WaitGroup
		for _, keys := range [][2]string{{"a"}, {"b"}, {"a", "b"}} {
			all.Go(func() {
				c := *q
				c.Keys = keys
				l.Replica().Confirm(t.Context(), &c)
			})
		}
		synctest.Wait()
		if n := waiting.Load(); n != 3 {
			t.Errorf("%d questions, want 3", n)
		}
		release()
		all.Wait()
	})
}

// R18: at most 64 questions are in flight. Further requests wait for one of them to end.
func TestR18AtMost64InFlight(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		q.Term = 99
		waiting, release := store.holdConfirms()
		var all sync.WaitGroup
		verdicts := make([]replica.Verdict, 100)
		for i := range verdicts {
			all.Go(func() { verdicts[i] = l.Replica().Confirm(t.Context(), session(q, byte(i+10))) })
		}
		synctest.Wait()
		if n := waiting.Load(); n != 64 {
			t.Errorf("%d in flight, want 64", n)
		}
		release()
		all.Wait()
		for i, v := range verdicts {
			wantVerdict(t, fmt.Sprint("session ", i), v, replica.Accept, replica.None)
		}
		if n := l.Stats().Confirms["crowded"]; n != 0 {
			t.Errorf("counted %d", n)
		}
		if s := l.Stats().State; s != "synced" {
			t.Errorf("State = %q", s)
		}
		wantVerdict(t, "the next request", verdict(t, l, q), replica.Accept, replica.None)
	})
}

// A store that hangs holds a request for half a second, not for ever.
func TestConfirmGivesUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		q.Term = 99
		store.holdConfirms()
		start := time.Now()
		wantVerdict(t, "Confirm", verdict(t, l, q), replica.Undecided, replica.Silent)
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("after %v", d)
		}
	})
}
