package revocation_test

import (
	"context"
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

// crowd decides n sessions like q at once, and counts the outcomes.
func crowd(t *testing.T, l *revocation.List, q *replica.Query, n int) map[replica.Outcome]int {
	t.Helper()
	var all sync.WaitGroup
	verdicts := make([]replica.Verdict, n)
	for i := range verdicts {
		all.Go(func() {
			c := session(q, 0)
			c.Session[3], c.Session[4] = byte(i>>8)+1, byte(i)
			verdicts[i] = verdict(t, l, c)
		})
	}
	all.Wait()
	counts := map[replica.Outcome]int{}
	for _, v := range verdicts {
		counts[v.Outcome]++
	}
	return counts
}

// pause makes reads hang until resume is called, even if their ctx ends, as in a process that is
// stopped.
func (s scripted) pause() (resume func()) {
	gate := make(chan struct{})
	s.Hook(func(s *revlogtest.Hooks) {
		in, next := s.Store, s.Read
		if next == nil {
			next = in.Read
		}
		s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
			<-gate
			return next(ctx, c)
		}
	})
	return func() { close(gate) }
}

// away makes each answer of the store take d.
func (s scripted) away(d time.Duration) {
	s.Hook(func(s *revlogtest.Hooks) {
		in := s.Store
		wait := func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(d):
				return nil
			}
		}
		s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
			if err := wait(ctx); err != nil {
				return revlog.Page{}, err
			}
			return in.Read(ctx, c)
		}
		s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
			if err := wait(ctx); err != nil {
				return revlog.Answer{}, err
			}
			return in.Confirm(ctx, q)
		}
	})
}

// R18: if more sessions come than a replica may ask about at once, it accepts none of them without
// a question. After a pause, one read decides all of them.
func TestR18OneReadDecidesACrowdAfterAPause(t *testing.T) {
	for _, far := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 60 * time.Millisecond} {
		for _, early := range []bool{false, true} { // requests come before the hanging read ends
			t.Run(far.String()+map[bool]string{true: "/early"}[early], func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					store := script()
					here, there := open(t, store), open(t, store.Unwrap())
					q := login(t, here, 1, "ada", "tenant:7")
					clear := login(t, here, 2, "bob", "tenant:8")
					time.Sleep(time.Second)
					store.away(far)
					resume := store.pause()
					time.Sleep(time.Second)
					revoke(t, there, revocation.Group("tenant:7"))
					time.Sleep(within + time.Second)
					before := store.Confirms()
					if early {
						go func() { time.Sleep(time.Millisecond); resume() }()
					} else {
						resume()
					}
					if n := crowd(t, here, q, 300); n[replica.Refuse] != 300 {
						t.Errorf("of a revoked group: %v, want 300 refused", n)
					}
					if n := store.Confirms() - before; n > 1 {
						t.Errorf("%d questions", n)
					}
					if n := crowd(t, here, clear, 300); n[replica.Accept] != 300 {
						t.Errorf("of another group: %v, want 300 accepted", n)
					}
				})
			})
		}
	}
}

// R18: if no read helps, the requests above the limit wait for room.
func TestR18ACrowdWaitsForRoom(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		far                  time.Duration
		refused, undecided   int // of 300 sessions of a revoked group
		accepted, undecided2 int // of 300 sessions of another group
	}{
		{"near", time.Millisecond, 300, 0, 300, 0},
		{"100 ms away", 100 * time.Millisecond, 300, 0, 300, 0},
		{"too slow", 300 * time.Millisecond, 128, 172, 128, 172},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store.Unwrap())
				q := login(t, here, 1, "ada", "tenant:7")
				clear := login(t, here, 2, "bob", "tenant:8")
				time.Sleep(time.Second)
				store.away(tt.far)
				store.Hook(silenceReads)
				revoke(t, there, revocation.Group("tenant:7"))
				time.Sleep(within + time.Second)
				if n := crowd(t, here, q, 300); n[replica.Refuse] != tt.refused || n[replica.Undecided] != tt.undecided {
					t.Errorf("of a revoked group: %v, want %d refused and %d undecided", n, tt.refused, tt.undecided)
				}
				if n := crowd(t, here, clear, 300); n[replica.Accept] != tt.accepted || n[replica.Undecided] != tt.undecided2 {
					t.Errorf("of another group: %v, want %d accepted and %d undecided", n, tt.accepted, tt.undecided2)
				}
				if n := here.Stats().Confirms["crowded"]; n != uint64(tt.undecided+tt.undecided2) {
					t.Errorf("crowded: %d", n)
				}
			})
		})
	}
}

// If the store hangs, the requests that wait for room are decided like those that asked. The
// replica does not ask about them one after the other.
func TestACrowdBeforeASilentStoreIsCutOff(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Second)
		store.Hook(silenceReads)
		store.holdConfirms()
		time.Sleep(within + time.Second)
		before, start := store.Confirms(), time.Now()
		if n := crowd(t, l, q, 300); n[replica.Accept] != 300 {
			t.Errorf("%v, want 300 accepted from the window", n)
		}
		if n, d := store.Confirms()-before, time.Since(start); n != 64 || d > 600*time.Millisecond {
			t.Errorf("%d questions in %v", n, d)
		}
	})
}

// R17: right after a failover, a session that the replica must ask about waits until the replica
// has read from the new primary.
func TestR17BehindWaitsForTheRead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Second)
		reads := 0
		store.Hook(func(s *revlogtest.Hooks) {
			in := s.Store
			line := func(h *revlog.Head) {
				h.Terms = append(h.Terms[:1:1], revlog.Term{ID: 99, Start: h.Terms[0].Start, Opened: h.MS - 10_000})
			}
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				reads++
				p, err := in.Read(ctx, c)
				line(&p.Head)
				return p, err
			}
			s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				a, err := in.Confirm(ctx, q)
				line(&a.Head)
				return a, err
			}
		})
		synctest.Wait()
		q.Term = 99 // renewed by a replica that has read from the new primary
		start := time.Now()
		wantVerdict(t, "Confirm", verdict(t, l, q), replica.Accept, replica.None)
		if d := time.Since(start); d > 200*time.Millisecond || reads != 1 {
			t.Errorf("after %v and %d reads", d, reads)
		}
	})
}
