package wafertest

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// Stale makes the store fail, and returns once the list is older than it may be. This is the first
// half hour of an outage: sessions that the list can decide from memory are accepted, but not as
// fresh, so httpmw.Requirements.FreshList answers 503. Logout returns revocation.ErrUnavailable; SetGroups
// and LogoutOthers return httpmw.ErrUndecided. With real time, Stale takes a second.
func (k *Kit[T]) Stale() {
	k.tb.Helper()
	k.store.Fail()
	k.await("stale", func() bool { return k.List.Stats().Age > within })
}

// Silent makes the store fail while it is needed for every session of a subject, as in a long
// outage. It returns once the list knows: Session.Err is httpmw.ErrUndecided, and Require answers
// 503.
func (k *Kit[T]) Silent() {
	k.tb.Helper()
	k.store.Fail()
	k.store.Hook(func(h *revlogtest.Hooks) {
		// as after RevokeMany
		h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
			s := k.store.Unwrap()
			if _, err := s.Write(ctx, revlog.Repair{List: c.List, Recheck: true}); err != nil {
				return revlog.Page{}, err
			}
			return s.Read(ctx, c)
		}
	})
	k.afterReads("silent")
}

// Recover ends Stale or Silent, and returns once the list has caught up. Revocations made meanwhile
// hold.
func (k *Kit[T]) Recover() {
	k.tb.Helper()
	k.store.Recover()
	k.afterReads("well")
	k.await("up to date", func() bool { s := k.List.Stats(); return s.Age <= within && s.Outbox == 0 })
}

// afterReads waits until the list has used an answer to a read that began after now.
func (k *Kit[T]) afterReads(what string) {
	k.tb.Helper()
	begun := k.store.Reads()
	k.await(what, func() bool { return k.store.Reads() >= begun+3 })
}

// await waits for the list, which reads its store a few times a second.
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
