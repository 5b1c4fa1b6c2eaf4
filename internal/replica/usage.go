package replica

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// measureEvery is how often a replica asks its store how much room that takes. It is for people
// and no decision uses it, so seldom is often enough.
const measureEvery = time.Minute

// measure asks the store how much room it takes. If it does not say, the answer before is forgotten:
// an old number would look like a new one.
func (l *Replica) measure(ctx context.Context, now time.Time) {
	m, ok := l.store.(revlog.Measurer)
	if !ok || now.Sub(l.measured) < measureEvery {
		return
	}
	l.measured = now
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	u, err := m.Usage(ctx)
	if err != nil {
		l.log.Debug("revocation: the store does not say how much room it takes", "error", err)
		l.usage.Store(nil)
		return
	}
	l.usage.Store(&u)
}

// forgetUsage forgets an answer that is too old, when the store cannot be asked.
func (l *Replica) forgetUsage(now time.Time) {
	if now.Sub(l.measured) >= measureEvery {
		l.usage.Store(nil)
	}
}
