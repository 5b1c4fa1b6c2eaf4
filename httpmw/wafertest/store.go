package wafertest

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// Stale takes the store away, and returns when the list is older than it may be. From then on, as in the first half
// hour of an outage: sessions this list can decide are accepted, but not as fresh, so httpmw.Need.FreshList answers 503.
// Logout returns revocation.ErrUnavailable, SetGroups and LogoutOthers httpmw.ErrUndecided. With real time this takes a
// second.
func (k *Kit[T]) Stale() {
	k.tb.Helper()
	k.store.Fail()
	k.await("stale", func() bool { return k.List.Stats().Age > within })
}

// Silent takes the store away when it is needed most, and returns when the list knows: no session of a subject can be
// decided, as in a long outage. Session.Err is httpmw.ErrUndecided, and Require answers 503.
func (k *Kit[T]) Silent() {
	k.tb.Helper()
	k.store.Fail()
	k.store.Hook(func(h *revlogtest.Hooks) {
		h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) { // as after a revocation in bulk
			s := k.store.Unwrap()
			if _, err := s.Write(ctx, revlog.Repair{List: c.List, Recheck: true}); err != nil {
				return revlog.Page{}, err
			}
			return s.Read(ctx, c)
		}
	})
	k.afterReads("silent")
}

// Recover gives the store back after Stale or Silent, and returns when the list has caught up. Revocations that were
// asked for meanwhile hold.
func (k *Kit[T]) Recover() {
	k.tb.Helper()
	k.store.Recover()
	k.afterReads("well")
	k.await("up to date", func() bool { s := k.List.Stats(); return s.Age <= within && s.Outbox == 0 })
}

// afterReads waits until the list has used an answer that was given after now: it reads again only then.
func (k *Kit[T]) afterReads(what string) {
	k.tb.Helper()
	begun := k.store.Reads()
	k.await(what, func() bool { return k.store.Reads() >= begun+3 })
}

// await waits for the list, which looks at its store a few times a second.
func (k *Kit[T]) await(what string, done func() bool) {
	k.tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			k.tb.Fatalf("wafertest: the list did not become %s; was it closed?", what)
		}
	}
}
