package revocation_test

import (
	"context"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R20: within a second after the store returns, every replica is in step, and revocations are
// acknowledged. Those made during the outage hold everywhere. This is so whether the store refused
// connections or did not answer.
func TestR20RevocationsWorkASecondAfterTheStoreReturns(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails func(context.Context) error
	}{
		{"refused", func(context.Context) error { return errSilent }},
		{"swallowed", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		for outage, replicas := range map[time.Duration]int{time.Second: 20, time.Minute: 20, time.Hour: 2} {
			t.Run(tt.name+" for "+outage.String(), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					store := script()
					var lists []*revocation.List
					for range replicas {
						lists = append(lists, open(t, store))
					}
					gone, kept := login(t, lists[0], 1, "ada"), login(t, lists[0], 2, "bob")
					time.Sleep(10 * time.Second)
					fail(store, tt.fails)
					time.Sleep(outage)
					go lists[1].Revoke(t.Context(), revocation.Session(sid(1)), revocation.Options{}) // its answer is not needed
					time.Sleep(outage)
					store.Recover()
					time.Sleep(time.Second)
					for i, l := range lists {
						if s := l.Stats(); s.State != "synced" || s.Outbox != 0 {
							t.Errorf("replica %d is %s, and %d revocations wait", i, s.State, s.Outbox)
						}
						wantVerdict(t, "a session revoked in the outage", verdict(t, l, gone), replica.Refuse, replica.RevokedSession)
						wantVerdict(t, "another session", verdict(t, l, kept), replica.Accept, replica.None)
						revoke(t, l, revocation.Session(sid(100+i)))
					}
				})
			})
		}
	}
}

// fail makes every call of the store end as f does.
func fail(s scripted, f func(context.Context) error) {
	s.Hook(func(s *revlogtest.Hooks) {
		s.Read = func(ctx context.Context, _ revlog.Cursor) (revlog.Page, error) { return revlog.Page{}, f(ctx) }
		s.Write = func(ctx context.Context, _ revlog.Write) (revlog.Written, error) { return revlog.Written{}, f(ctx) }
		s.Confirm = func(ctx context.Context, _ revlog.Question) (revlog.Answer, error) { return revlog.Answer{}, f(ctx) }
		s.Create = func(ctx context.Context, _ revlog.CreateOptions) (revlog.Head, error) { return revlog.Head{}, f(ctx) }
	})
}

// R17: a kept window says nothing any more once the window since has a gap, here because of an entry
// that nobody can read.
func TestR17AKeptWindowBeforeAGap(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada")
		time.Sleep(10 * time.Second)
		store.Hook(func(h *revlogtest.Hooks) { h.Store = revlog.NewMemory() })
		time.Sleep(10 * time.Second)
		wantVerdict(t, "after a loss", verdict(t, l, q), replica.Accept, replica.None)
		forged(t, store, revlog.Assertion{Scope: revlog.ScopeSession, Tag: l.Tag(revocation.Session(sid(1))), Version: 9, Effect: revlog.End.Byte()})
		time.Sleep(2 * time.Minute)
		next := *q
		next.Session = [16]byte{15: 7} // whatever the entry says
		wantVerdict(t, "after a gap", verdict(t, l, &next), replica.Refuse, replica.ListLost)
	})
}
