package replica

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// OpenByHand is [Open] without a reader that runs by itself: [Replica.Step] is one
// turn of it. Tests that simulate hours need it.
func OpenByHand(ctx context.Context, s revlog.Store, k Secrets, c Config) (*Replica, error) {
	l, err := newList(s, k, c)
	if err != nil {
		return nil, err
	}
	l.randomN = rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))).IntN // in a bubble, the same each time
	return l, l.boot(ctx, time.Now())
}

// Step is one turn of the reader of [OpenByHand].
func (l *Replica) Step(ctx context.Context) { l.step(ctx, time.Now()) }

// MACs returns what signs entries for those who have k.
func MACs(k Secrets) func(revlog.Entry) [8]byte {
	t, err := newTagger(k)
	if err != nil {
		panic(err)
	}
	return t.entryMAC
}

// ByKey compares keys, for those who need some order.
var ByKey = byKey
