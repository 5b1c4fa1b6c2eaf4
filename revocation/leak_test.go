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
)

// Somebody with the key forges a session with the latest login time that a replica accepts. The
// last replica to read the revocation seals it again under another key.
func TestRevokeKeyReachesResealedSessions(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		here, there := open(t, store), open(t, store)
		honest := login(t, here, 1, "ada")
		var forged *replica.Query
		done := make(chan error)
		go func() {
			_, everyone, err := here.RevokeKey(t.Context(), "kid-one", revocation.Options{})
			if err == nil && !everyone.Changed {
				err = errors.New("everyone is not revoked")
			}
			done <- err
		}()
		for {
			q := *honest
			q.Session, q.Epoch = [16]byte{15: 2}, time.Now().Add(there.Replica().Within()).UnixMilli()
			if v := there.Replica().Decide(&q); v.Outcome == replica.Refuse {
				break
			} else if v.Outcome == replica.Accept {
				forged = &q
			}
			time.Sleep(50 * time.Millisecond)
		}
		if forged == nil {
			t.Fatal("the other replica never accepted the forged session")
		}
		forged.Keys[0] = "kid-two"
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(there.Replica().Within())
		for what, q := range map[string]*replica.Query{"a forged session, sealed again": forged, "a genuine session": honest} {
			if v := verdict(t, there, q); v.Outcome != replica.Refuse {
				t.Errorf("%s: %+v", what, v)
			}
		}
		again := login(t, there, 3, "ada")
		again.Keys[0] = "kid-two"
		if v := verdict(t, there, again); v.Outcome != replica.Accept {
			t.Errorf("a login afterwards: %+v", v)
		}
	})
}

// The receipts show how far RevokeKey came.
func TestRevokeKeyReportsHowFarItCame(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		ctx, cancel := context.WithTimeout(t.Context(), l.Replica().Within())
		defer cancel()
		key, everyone, err := l.RevokeKey(ctx, "kid-one", revocation.Options{})
		if key.Position == "" || everyone.Position != "" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cut short: %v, %v, %v", key, everyone, err)
		}
		if _, _, err := l.RevokeKey(t.Context(), "", revocation.Options{}); !errors.Is(err, revocation.ErrTarget) {
			t.Errorf("no key: %v", err)
		}
		key, everyone, err = l.RevokeKey(t.Context(), "kid-one", revocation.Options{})
		if key.Changed || !everyone.Changed || err != nil {
			t.Errorf("once more: %v, %v, %v", key, everyone, err)
		}
	})
}
