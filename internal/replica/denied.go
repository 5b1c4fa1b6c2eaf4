package replica

import (
	"log/slog"
	"time"
)

const (
	deniedEvery = time.Minute
	deniedFew   = 10  // a minute may bring some whatever the share
	deniedShare = 200 // one in so many decisions: filters are wrong four times less often, at the far end of a full window
)

// deniedWatch is what the watch over denied hits saw last. The reader owns it.
type deniedWatch struct {
	at              time.Time
	denied, decided uint64
}

// denied counts q if a filter of v says that it may be revoked, which the store, that
// was asked, denies. Filters are wrong now and then; but if entries were deleted from
// the exact set, it is the store that is wrong.
func (l *Replica) denied(q *Query, v *view) {
	if !v.now.covers(q.Checked) {
		return
	}
	if s, _ := l.look(q, v.now); s == maybe {
		l.counters.denied.Add(1)
	}
}

// watchDenied looks once a minute whether the store denied more than filters can be
// wrong.
func (l *Replica) watchDenied(now time.Time) {
	w := &l.deniedWatch
	if now.Sub(w.at) < deniedEvery {
		return
	}
	denied, decided := l.counters.denied.Load(), l.counters.all()
	if d := denied - w.denied; !w.at.IsZero() && d > deniedFew+(decided-w.decided)/deniedShare {
		l.counters.anomalies.add("denied")
		l.seldom(slog.LevelError, "revocation: the store denies more revocations than filters can be wrong about: entries may have been deleted from it",
			"store", l.where(), "denied", d)
	}
	*w = deniedWatch{now, denied, decided}
}
