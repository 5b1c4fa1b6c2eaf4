package replica

import (
	"context"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// InForce is what the list does to the sessions of one target.
type InForce struct {
	Effect revlog.Effect
	W      int64         // the watermark
	Over   time.Duration // of EndSlowly: all have ended at W plus Over
}

// InForce returns what is in force of the scope and the tag of k, by effect, from one question to the
// store. With an error, the store did not answer, and it is what this replica knows.
func (l *Replica) InForce(ctx context.Context, k revlog.Key) (all []InForce, err error) {
	if l.store == nil {
		return nil, ErrDisabled
	}
	v := l.view.Load()
	var a revlog.Answer
	if err = errBooting; v != nil {
		a, err = l.storedAbout(ctx, k, v)
	}
	for k.Effect = revlog.End; k.Effect <= revlog.Reload; k.Effect++ {
		f := InForce{Effect: k.Effect, W: max(a.W(k), l.knownOf(k, v))}
		switch {
		case k.Effect == revlog.EndSlowly:
			f.W, f.Over = l.slowest(k, v, a)
		case k.Effect != revlog.End && v != nil:
			f.W = max(f.W, l.askedUpTo(k, v))
		}
		if f.W > 0 {
			all = append(all, f)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrLookup, err)
	}
	return all, err
}

// slowest returns the watermark and the time of the newest entry of k, which ends sessions slowly,
// that this replica or a knows.
func (l *Replica) slowest(k revlog.Key, v *view, a revlog.Answer) (w int64, over time.Duration) {
	known := append(a.Found[:len(a.Found):len(a.Found)], l.outbox.entry(k))
	if v != nil {
		known = append(known, v.globals[k])
	}
	for _, e := range known {
		if e.Key() == k && e.W > w {
			w, over = e.W, e.Over()
		}
	}
	return w, over
}
