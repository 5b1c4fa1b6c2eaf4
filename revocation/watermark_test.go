package revocation_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R28: a replica knows watermarks exactly, long after they have left the recent entries, both a
// replica that read them and one that booted since. So it decides about a subject that logged in
// again without a question.
func TestR28WatermarksAreKnownExactly(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7")} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				shared := revlog.NewMemory()
				store, late := scriptedOver(shared), scriptedOver(shared)
				l := open(t, store)
				time.Sleep(2 * time.Minute)
				old := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				revoke(t, l, target)
				time.Sleep(3 * time.Second)
				again := login(t, l, 2, "ada", "tenant:7")
				time.Sleep(30 * time.Minute)
				booted := open(t, late)
				time.Sleep(time.Second)
				before := store.Confirms() + late.Confirms()
				for _, l := range []*revocation.List{l, booted} {
					for range 3 {
						wantVerdict(t, "from before", l.Replica().Decide(old), replica.Refuse, map[revlog.Scope]replica.Reason{
							revlog.ScopeSubject: replica.RevokedSubject, revlog.ScopeGroup: replica.RevokedGroup,
						}[target.Scope()])
						wantVerdict(t, "from after", l.Replica().Decide(again), replica.Accept, replica.None)
					}
				}
				if n := store.Confirms() + late.Confirms() - before; n != 0 {
					t.Errorf("the store was asked %d times", n)
				}
			})
		})
	}
}

// R28: with Options.Before, only sessions that began until then are revoked, and the replica asks
// no question about later ones.
func TestR28AWatermarkInThePastKeepsLaterSessions(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(2 * time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7")} {
			if _, err := l.Revoke(t.Context(), target, revocation.Options{Before: time.Now().Add(-time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(12 * time.Minute)
		before := store.Confirms()
		wantVerdict(t, "began later", l.Replica().Decide(q), replica.Accept, replica.None)
		if store.Confirms() != before {
			t.Error("the replica asked the store")
		}
	})
}
