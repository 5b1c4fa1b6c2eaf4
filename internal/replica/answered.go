package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// answeredLimit is how many revocations answered holds: 8 MB of them.
const answeredLimit = 1 << 17

// answered is what the store once said is revoked, as watermarks. Nothing is ever
// un-revoked, so it stays true, and nobody who sends revoked sessions again and again
// makes this replica ask again and again (R18). Of too many, the older half goes.
type answered struct {
	mu    sync.Mutex // of writers
	known atomic.Pointer[watermarks]
}

// of returns the watermark of k, 0 if the store never said one.
func (t *answered) of(k revlog.Key) int64 { return t.known.Load().of(k) }

func (t *answered) sees(k revlog.Key, epoch int64) finding { return upTo(t.of(k), epoch) }

// remember keeps the watermark of k, if it is higher than what is known: a store that
// is behind may know of less.
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

// answeredRevoked looks for q among what the store once said is revoked. Watermarks are
// compared, so that one who logged in again is not met by an older one.
func (l *Replica) answeredRevoked(q *Query) Reason {
	if l.answered.known.Load().count() == 0 {
		return None
	}
	_, why := l.match(q, global|listed, func(k revlog.Key) finding { return l.answered.sees(k, q.Epoch) })
	return why
}

// remember keeps what the store says is revoked.
func (l *Replica) remember(a revlog.Answer) {
	for _, e := range a.Found {
		l.answered.remember(e.Key(), e.W)
	}
}
