package lograte_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/lograte"
)

func TestOneLineOfEachKindInAMinute(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var l lograte.Limiter
		lines := map[string]int{}
		for range 10 * 60 * 5 { // ten minutes, five times a second
			for _, kind := range []string{"read", "write"} {
				if l.Allow(kind) {
					lines[kind]++
				}
			}
			time.Sleep(200 * time.Millisecond)
		}
		n, ok := l.Count("read")
		if !ok || n != 5*60 {
			t.Errorf("%d times in the last minute, %v, want 300", n, ok)
		}
		if n, ok := l.Count("something new"); !ok || n != 1 {
			t.Errorf("the first of a kind: %d, %v", n, ok)
		}
		if lines["read"] != 10 || lines["write"] != 10 {
			t.Errorf("%v in ten minutes, want 10 of each", lines)
		}
	})
}
