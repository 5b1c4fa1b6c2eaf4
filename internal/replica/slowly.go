package replica

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The store keeps one entry that ends the sessions of a target slowly, and none takes its place
// before all of its sessions have ended (R37).

// endsSlowly reports whether an entry that this replica knows ends q slowly, and why q has ended if its
// turn has come.
func (l *Replica) endsSlowly(q *Query, v *view, now time.Time) (ends bool, why Reason) {
	look := func(k revlog.Key) {
		k.Effect = revlog.EndSlowly
		for _, e := range [...]revlog.Entry{v.globals[k], l.outbox.entry(k)} {
			if e.W == 0 || e.W < q.Epoch {
				continue
			}
			ends = true
			if max(v.logTime(now, l.Within()), l.clock.present(now)) >= e.Out(q.tag) {
				why = revokedBy(k.Scope)
			}
		}
	}
	look(revlog.Key{Scope: revlog.ScopeEveryone})
	if q.listed() {
		for _, g := range q.groups() {
			look(revlog.Key{Scope: revlog.ScopeGroup, Tag: g})
		}
	}
	return ends, why
}

// knowsEnds reports whether v holds all entries in a that end sessions slowly.
func (v *view) knowsEnds(a revlog.Answer) bool {
	return !slices.ContainsFunc(a.Found, func(e revlog.Entry) bool {
		return e.Does() == revlog.EndSlowly && v.globals[e.Key()].Params != e.Params
	})
}

// oneAtATime lets one caller at a time revoke so that sessions end slowly, if those of k are not ending
// slowly already. The caller calls leave afterwards.
func (l *Replica) oneAtATime(ctx context.Context, v *view, k revlog.Key, now time.Time) (leave func(), _ error) {
	if err := l.slowing.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if l.underWay(v, k, now) {
		l.slowing.Release(1)
		return nil, ErrUnderWay
	}
	return func() { l.slowing.Release(1) }, nil
}

// makeWay makes way for a revocation of k that is to end sessions slowly: where an earlier one is over,
// it ends everything up to that one's watermark. If the store does not answer, the outbox does so, before
// it sends the later one.
func (l *Replica) makeWay(ctx context.Context, v *view, k revlog.Key, now time.Time) error {
	for _, e := range l.slowly(v, k) {
		a := l.assert(k.Whole(), "", e.W, e.Until)
		w, err := l.append(ctx, v.head.ID, a, now)
		l.audit.revoked(ctx, recorded{all: []revlog.Assertion{a}, written: w}, err)
		if err != nil {
			l.outbox.put(k.Whole(), sending{w: e.W, until: e.Until, missed: true})
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
// slowly. An entry of the same revocation, as it was sent before, has the same parameters.
func otherSlowly(a revlog.Assertion, r revlog.Result) bool {
	return a.Entry().Does() == revlog.EndSlowly && r.Held.Version != 0 && r.Held.Params != a.Params
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
		if old.W == 0 || old.Params == e.Params {
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
		if a := w.Asserts()[i]; a.When == revlog.AsGiven && otherSlowly(a, r) {
			all = append(all, l.assert(a.Entry().Key().Whole(), "", a.W, a.Until))
		}
	}
	if len(all) == 0 {
		return nil
	}
	_, err := l.store.Write(ctx, revlog.Append{List: out.Head.ID, Floor: l.clock.highest(), Skew: l.Within(), Assertions: all, Request: newRequest()})
	return err
}
