package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// answeredLimit is how many watermarks answered holds, in 8 MB.
const answeredLimit = 1 << 17

// answered holds what the store has answered is revoked, as watermarks. Nothing is ever
// un-revoked, so these answers stay true. A client that sends revoked sessions again and
// again does not make this replica ask again and again (R18). When answered is full, it
// drops the older half.
type answered struct {
	mu    sync.Mutex // of writers
	known atomic.Pointer[watermarks]
}

// of returns the watermark of k, or 0 if the store has never answered one.
func (t *answered) of(k revlog.Key) int64 { return t.known.Load().of(k) }

func (t *answered) sees(k revlog.Key, epoch int64) finding { return upTo(t.of(k), epoch) }

// remember keeps w as the watermark of k if it is higher than the one known: a store that
// is behind may answer with a lower one.
func (t *answered) remember(k revlog.Key, w int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.known.Load()
	if known == nil {
		known = newWatermarks(answeredLimit)
	}
	known, _ = known.raise(k, w, time.Now().UnixMilli(), 0)
	t.known.Store(known)
}

// forget drops everything.
func (t *answered) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known.Store(nil)
}

// answeredRevoked looks for a revocation of q in what the store has answered. It compares
// watermarks, so an older revocation does not refuse a user who has logged in again.
func (l *Replica) answeredRevoked(q *Query) Reason {
	if l.answered.known.Load().count() == 0 {
		return None
	}
	_, why := l.match(q, global|listed, func(k revlog.Key) finding { return l.answered.sees(k, q.Epoch) })
	return why
}

// remember keeps what the store answered is revoked.
func (l *Replica) remember(a revlog.Answer) {
	for _, e := range a.Found {
		l.answered.remember(e.Key(), e.W)
	}
}
