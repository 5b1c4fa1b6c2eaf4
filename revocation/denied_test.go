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

// R17: somebody deletes revocations from the exact set. A replica cannot know which ones. But the
// store then denies more matches than filters can be wrong about, and the replica notices.
func TestR17TheStoreDeniesTooMuch(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		bubble.Test(t, func(t *testing.T) {
			store := script()
			l := open(t, store)
			time.Sleep(time.Minute)
			const n = 50
			var all []*replica.Query
			for i := range n {
				all = append(all, login(t, l, byte(i), "ada"))
				time.Sleep(10 * time.Millisecond)
				revoke(t, l, revocation.Session(sid(i)))
			}
			time.Sleep(12 * time.Minute)
			if deleted {
				store.Hook(func(s *revlogtest.Hooks) {
					s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
						a, err := s.Store.Confirm(ctx, q)
						a.Found = nil
						return a, err
					}
				})
			}
			for _, q := range all {
				verdict(t, l, q)
			}
			time.Sleep(2 * time.Minute)
			s := l.Stats()
			if got, want := s.Denied == n, deleted; got != want || (s.Anomalies["denied"] > 0) != want {
				t.Errorf("deleted %t: %d denied, anomalies %v", deleted, s.Denied, s.Anomalies)
			}
		})
	}
}
