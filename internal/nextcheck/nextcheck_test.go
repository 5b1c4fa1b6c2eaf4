package nextcheck_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/nextcheck"
)

// A check that began before Wait was called says nothing to its caller.
func TestWaitIsForACheckThatBeginsLater(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var n nextcheck.Next
		early, late, why := errors.New("early"), errors.New("late"), errors.New("closed")
		wait := func() <-chan error {
			result := make(chan error, 1)
			go func() { result <- n.Wait(t.Context(), func() {}) }()
			synctest.Wait()
			return result
		}
		first := wait()
		end := n.Begin()
		second, third := wait(), wait()
		end(early)
		if err := <-first; err != early {
			t.Errorf("the first got %v", err)
		}
		if len(second) > 0 {
			t.Error("the second got the error of a check that began before")
		}
		n.Begin()(late)
		if a, b := <-second, <-third; a != late || b != late {
			t.Errorf("the others got %v and %v", a, b)
		}
		fourth := wait()
		n.Close(why)
		if a, b := <-fourth, <-wait(); a != why || b != why {
			t.Errorf("after Close: %v and %v", a, b)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	var n nextcheck.Next
	ctx, cancel := context.WithCancel(t.Context())
	if err := n.Wait(ctx, cancel); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
