package replica

import (
	"context"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The store keeps one entry that ends the sessions of a target slowly, and none takes its place
// before all of its sessions have ended (R37).

// soonest makes way for a revocation of k that is to end sessions slowly. If an earlier one is over,
// it ends everything up to that one's watermark. It returns [ErrUnderWay] if that one is not over.
func (l *Replica) soonest(ctx context.Context, v *view, k revlog.Key, now time.Time) error {
	if l.underWay(v, k, now) {
		return ErrUnderWay
	}
	for _, e := range l.slowly(v, k) {
		a := l.assert(k.Whole(), "", e.W, e.Until)
		w, err := l.append(ctx, v.head.ID, a, now)
		l.audit.revoked(ctx, recorded{all: []revlog.Assertion{a}, written: w}, err)
		if err != nil {
			return err
		}
	}
	return nil
}

// underWay reports whether sessions of k are being ended slowly.
func (l *Replica) underWay(v *view, k revlog.Key, now time.Time) bool {
	return slices.ContainsFunc(l.slowly(v, k), func(e revlog.Entry) bool {
		return l.clock.present(now) < e.W+e.Over().Milliseconds()
	})
}

// slowly returns the entries that end, or ended, sessions of k slowly, unless all of those have been
// ended at once.
func (l *Replica) slowly(v *view, k revlog.Key) []revlog.Entry {
	if k.Effect != revlog.EndSlowly || v == nil {
		return nil
	}
	whole := l.knownOf(k.Whole(), v)
	return slices.DeleteFunc([]revlog.Entry{v.globals[k], l.outbox.entry(k)}, func(e revlog.Entry) bool {
		return e.W == 0 || e.W <= whole
	})
}

// otherSlowly reports whether the store holds another entry in place of a, which was to end sessions
// slowly, or the same one from before sessions began that a was to end as well.
func (l *Replica) otherSlowly(a revlog.Assertion, r revlog.Result) bool {
	want := a.W
	if a.When == revlog.AtNow {
		want = r.Position.MS + l.Within().Milliseconds()
	}
	return a.Entry().Does() == revlog.EndSlowly && r.Held.Version != 0 && (r.Held.MAC != a.MAC || r.Held.W < want)
}

// overtaken ends at once what an entry was to end slowly if v, which holds it, reads another one in its
// place, as after somebody forged the end of its sessions. It goes through the outbox.
func (l *Replica) overtaken(v *view, read []revlog.Entry) {
	held := v.globals
	for _, e := range read {
		if e.Does() != revlog.EndSlowly {
			continue
		}
		old := held[e.Key()]
		held = held.with([]revlog.Entry{e}, 0)
		if old.W == 0 || old.MAC == e.MAC {
			continue
		}
		whole := e.Key().Whole()
		if w := min(old.W, e.W); l.knownOf(whole, v) < w {
			l.outbox.put(whole, sending{w: w, missed: true}) // if it is full, the entry stands
		}
	}
}

// hasten ends at once what entries of w that were written back were to end slowly, where the store
// holds another such entry in their place, as after it lost its data.
func (l *Replica) hasten(ctx context.Context, w revlog.Write, out revlog.Written) error {
	var all []revlog.Assertion
	for i, r := range out.Results {
		if a := w.Asserts()[i]; a.When == revlog.AsGiven && l.otherSlowly(a, r) {
			all = append(all, l.assert(a.Entry().Key().Whole(), "", a.W, a.Until))
		}
	}
	if len(all) == 0 {
		return nil
	}
	_, err := l.store.Write(ctx, revlog.Append{List: out.Head.ID, Floor: l.clock.highest(), Skew: l.Within(), Assertions: all, Request: newRequest()})
	return err
}
