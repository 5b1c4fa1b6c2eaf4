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

// The ways in which an answer can come from a state that this replica has not followed, or from a
// primary that takes no writes any more.
var behind = map[string]func(*revlog.Answer){
	"log time":     func(a *revlog.Answer) { a.Head.MS -= 60_000 },
	"entries":      func(a *revlog.Answer) { a.Head.N -= 2 },
	"other term":   func(a *revlog.Answer) { a.Head.Terms = []revlog.Term{{ID: 99, Start: a.Head.Born}} },
	"no heartbeat": func(a *revlog.Answer) { a.Heartbeat = within + time.Second },
}

// answerFrom makes the list stale, and answers its questions from an older state.
func (s scripted) answerFrom(change func(*revlog.Answer)) {
	s.Hook(func(s *revlogtest.Hooks) {
		in := s.Store
		silenceReads(s)
		s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
			a, err := in.Confirm(ctx, q)
			change(&a)
			return a, err
		}
	})
}

// R17: a revocation is never taken back. So a replica believes "revoked" whatever else is wrong
// with the answer, and still refuses when the store falls silent.
func TestR17RevokedIsRefusedHoweverFarBehind(t *testing.T) {
	for name, change := range behind {
		for _, target := range []revocation.Target{
			revocation.Session(sid(1)), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Key("kid-one"), revocation.Everyone(),
		} {
			t.Run(name+"/"+target.Scope().String(), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					store := script()
					there := open(t, store.Unwrap())
					here := open(t, store)
					q := login(t, here, 1, "ada", "tenant:7")
					q.Keys[0] = "kid-one"
					for i := range 3 {
						revoke(t, there, revocation.Session(sid(100+i)))
					}
					time.Sleep(time.Second)
					store.answerFrom(change)
					revoke(t, there, target)
					time.Sleep(within + time.Second)
					for _, when := range []string{"at once", "again"} {
						if v := verdict(t, here, q); v.Outcome != replica.Refuse {
							t.Errorf("%s: %v %v", when, v.Outcome, v.Reason)
						}
					}
					store.silence()
					other := session(login(t, there, 2, "bob"), 3)
					other.Keys[0] = "kid-two"
					verdict(t, here, other) // the question finds the store silent
					if s := here.Stats().State; s != "cut_off" {
						t.Fatalf("State = %q", s)
					}
					if v := verdict(t, here, q); v.Outcome != replica.Refuse {
						t.Errorf("cut off: %v %v", v.Outcome, v.Reason)
					}
				})
			})
		}
	}
}

// R10, R17: a store that went back does not count as an answer. But it does answer, so this replica
// is not cut off, and may not go on deciding by its old window.
func TestR17AStoreBehindThisReplicaDoesNotDecide(t *testing.T) {
	for name, change := range behind {
		if name == "no heartbeat" {
			continue // such a store counts as silent
		}
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				q := login(t, l, 1, "ada")
				for i := range 3 {
					revoke(t, l, revocation.Session(sid(100+i)))
				}
				time.Sleep(time.Second)
				store.answerFrom(change)
				time.Sleep(within + time.Second)
				wantVerdict(t, "a session that the window decides", verdict(t, l, q), replica.Undecided, replica.Silent)
				term := q.Term
				q.Term = 12345
				wantVerdict(t, "a session that it cannot decide", verdict(t, l, q), replica.Undecided, replica.Silent)
				if s, err := l.Replica().Begin(t.Context(), replica.Login{Subject: q.Subject}); !errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("Begin = %+v, %v, for a session that could not be decided", s, err) // R21
				}
				store.Recover()
				time.Sleep(time.Second)
				q.Term = term
				wantVerdict(t, "when the store is healthy again", verdict(t, l, q), replica.Accept, replica.None)
			})
		})
	}
}
