package revocation_test

import (
	"context"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// Began returns since when a list has kept revocations for as long as Open asked for, through
// longer retentions and losses.
func TestBegan(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, store := revlogtest.Secrets(1), script()
		open := func(maxIdle time.Duration) *revocation.List {
			t.Helper()
			l, err := revocation.Open(t.Context(), store, ring, revocation.Config{MaxIdle: maxIdle})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return l
		}
		want := func(what string, l *revocation.List, want time.Time, wantLost bool) {
			t.Helper()
			time.Sleep(time.Second) // simulated: until it has read the head
			at, lost := l.Replica().Began()
			if d := at.Sub(want); d < 0 || d > time.Second || lost != wantLost { // a loss is seen at the next read
				t.Errorf("%s: began %v after the expected time, lost %v", what, d, lost)
			}
		}
		begun := time.Now()
		short := open(5 * time.Minute)
		want("a new list", short, begun, false)
		time.Sleep(time.Minute)
		want("opened again", open(5*time.Minute), begun, false)
		raised := time.Now()
		long := open(10 * time.Minute)
		want("raised", long, raised, false)
		want("with the earlier retention", short, begun, false)
		time.Sleep(time.Minute)
		want("and again", open(10*time.Minute), raised, false)

		emptied := time.Now()
		store.flush()
		want("after a loss, at a replica that had read the list", long, emptied, true)
		want("after a loss, at a replica that opens later", open(10*time.Minute), emptied, true)
		time.Sleep(time.Minute)
		again := time.Now()
		longest := open(20 * time.Minute)
		want("a longer retention after a loss", longest, again, true)
		time.Sleep(20 * time.Minute)
		want("long after a loss", longest, again, false)
	})
	at, lost := revocation.Disabled(revlogtest.Secrets(1)).Replica().Began()
	if !at.IsZero() || lost {
		t.Errorf("disabled: %v, %v", at, lost)
	}
}

// R11: a list that another replica created may happen to be complete from the very time that this
// one would have given it. That says nothing about the store's clock.
func TestR11AListOfAnotherReplicaSaysNothingOfTheClock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		memory := revlog.NewMemory()
		store.Replace(memory)
		store.Hook(func(h *revlogtest.Hooks) {
			h.Create = func(ctx context.Context, f revlog.CreateOptions) (revlog.Head, error) {
				other := f
				other.ID = revlog.ListID{7}
				memory.SetClock(func() time.Time { return time.UnixMilli(f.Floor) })
				if _, err := memory.Create(ctx, other); err != nil {
					return revlog.Head{}, err
				}
				memory.SetClock(time.Now)
				head, err := memory.Create(ctx, f)
				if err == nil && head.Born != f.Floor {
					t.Errorf("complete from %d, and the floor is %d", head.Born, f.Floor)
				}
				return head, err
			}
		})
		emptied := time.Now()
		time.Sleep(time.Second)
		if at, _ := l.Replica().Began(); at.Before(emptied) || at.Sub(emptied) > time.Second {
			t.Errorf("began %v after the loss", at.Sub(emptied))
		}
	})
}
