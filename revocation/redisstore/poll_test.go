package redisstore

import (
	"testing"
	"time"
)

func TestServerClock(t *testing.T) {
	now := time.Now()
	var c serverClock
	if _, ok := c.since(1, now); ok {
		t.Error("since knows a clock that was never set")
	}
	c.set(10_000, now)
	for _, tt := range []struct {
		name  string
		ms    int64
		after time.Duration
		want  time.Duration
		ok    bool
	}{
		{"just now", 10_000, 0, 0, true},
		{"a while ago", 9_900, 200 * time.Millisecond, 300 * time.Millisecond, true},
		{"later than possible: the clock was set", 13_000, time.Second, 0, false},
	} {
		if got, ok := c.since(tt.ms, now.Add(tt.after)); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
	// A machine that was suspended: its wall clock went on, its monotonic clock did not.
	c.last.Store(&serverTime{10_000, now.Add(-time.Hour).Round(0)})
	if got, ok := c.since(10_000, now); !ok || got < time.Hour-time.Second {
		t.Errorf("after an hour of sleep: %v, %v", got, ok)
	}
}
