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

// deniedWatch holds the counts of the last look. The reader owns it.
type deniedWatch struct {
	at              time.Time
	denied, decided uint64
}

// denied counts a "not revoked" of the store if a filter of v matches q. Filters are wrong
// now and then. But if they are wrong too often, somebody may have deleted entries from the
// exact set.
func (l *Replica) denied(q *Query, v *view) {
	if l.doubtful(q, v) {
		l.counters.denied.Add(1)
		l.counters.wrongHit.Add(1)
	}
}

// doubtful reports whether a filter of v matches q, and nothing else in v says whether that
// is true.
func (l *Replica) doubtful(q *Query, v *view) bool {
	if !v.now.covers(q.Checked) {
		return false
	}
	s, _ := l.look(q, v.now)
	return s == maybe
}

// watchDenied looks once a minute whether the store denied more matches than filters get
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
