package revocation_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R13, R20: a replica refuses a revocation that it acknowledged, from then on and for ever: the
// revocation is in the outbox until it is in the view. 64 readers look for a moment in which it is
// in neither. Meanwhile a writer makes 10,000 entries a second, and the reader of the log stops
// between reading and applying.
func TestRaceAcknowledgedIsRefusedForEver(t *testing.T) {
	const (
		readers = 64
		rate    = 10_000
		length  = 1500 * time.Millisecond
	)
	store := script()
	l := open(t, store)
	q := login(t, l, 0, "ada", "tenant:7")

	var paused atomic.Bool
	gate := make(chan struct{}, 1)
	pauses := 0
	store.Hook(func(s *revlogtest.Hooks) {
		in := s.Store
		s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
			p, err := in.Read(ctx, c)
			if paused.Load() {
				<-gate // the page is read, but does not arrive yet
			}
			return p, err
		}
	})

	var acknowledged atomic.Int64
	var missed atomic.Pointer[replica.Verdict]
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n := acknowledged.Load(); n > 0 {
					pick := n - 1 // the newest one, which is most at risk, and others
					if r.IntN(2) == 0 {
						pick = r.Int64N(n)
					}
					one := session(q, 0)
					binary.BigEndian.PutUint64(one.Session[8:], uint64(pick+1))
					v := l.Replica().Decide(one)
					if v.Outcome == replica.Ask {
						v = l.Replica().Confirm(t.Context(), one)
					}
					if v.Outcome != replica.Refuse {
						missed.CompareAndSwap(nil, &v)
						return
					}
				}
				runtime.Gosched()
			}
		})
	}
	begun := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for done := int64(0); time.Since(begun) < length && missed.Load() == nil; {
		<-tick.C
		for due := int64(time.Since(begun) * rate / time.Second); done < due; done++ {
			if time.Since(begun) > length {
				break
			}
			if _, err := l.Revoke(t.Context(), revocation.Session(sid(int(done+1))), revocation.Options{}); err != nil {
				t.Fatal(err)
			}
			acknowledged.Store(done + 1)
		}
		switch { // paused for 60 ms, running for 40 ms
		case time.Since(begun).Milliseconds()%100 < 60:
			if !paused.Swap(true) {
				pauses++
			}
		case paused.Swap(false):
			select {
			case gate <- struct{}{}:
			default:
			}
		}
	}
	close(stop)
	all.Wait()
	paused.Store(false)
	select {
	case gate <- struct{}{}:
	default:
	}
	if v := missed.Load(); v != nil {
		t.Fatalf("an acknowledged revocation was missed: %v %v", v.Outcome, v.Reason)
	}
	n := acknowledged.Load()
	t.Logf("%d revocations, %d pauses", n, pauses)
	if n == 0 || pauses == 0 {
		t.Error("nothing was revoked, or the reader never stopped: this test shows nothing")
	}
	deadline := time.Now().Add(20 * time.Second)
	for l.Stats().Outbox > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d never left the outbox", l.Stats().Outbox)
		}
		runtime.Gosched()
	}
	for i := range n {
		one := session(q, 0)
		binary.BigEndian.PutUint64(one.Session[8:], uint64(i+1))
		if v := verdict(t, l, one); v.Outcome != replica.Refuse {
			t.Fatalf("revocation %d of %d, once the log is read: %v", i+1, n, v.Outcome)
		}
	}
}
