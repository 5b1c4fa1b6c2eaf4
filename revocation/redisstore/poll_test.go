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
	c.set(10_000, now, now)
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
	c.last.Store(&serverTime{10_000, now.Add(-time.Hour).Round(0), 0})
	if got, ok := c.since(10_000, now); !ok || got < time.Hour-time.Second {
		t.Errorf("after an hour of sleep: %v, %v", got, ok)
	}
}

// A slow answer tells little about the clock of the server, unless that was set.
func TestServerClockKeepsTheBestAnswer(t *testing.T) {
	begun := time.Now()
	after := func(d time.Duration) time.Time { return begun.Add(d) }
	var c serverClock
	c.set(10_000, begun, after(2*time.Millisecond))
	for _, tt := range []struct {
		name       string
		ms         int64
		sent, took time.Duration
		want       int64 // one second after it was sent
	}{
		{"a slow answer", 11_080, time.Second, 100 * time.Millisecond, 12_000},
		{"a quick one", 12_001, 2 * time.Second, time.Millisecond, 13_001},
		{"set ahead", 19_050, 3 * time.Second, 100 * time.Millisecond, 20_050},
		{"set back", 9_050, 4 * time.Second, 200 * time.Millisecond, 10_050},
		{"hours later, a slow one is better than none", 7_209_150, 2 * time.Hour, 200 * time.Millisecond, 7_210_150},
	} {
		c.set(tt.ms, after(tt.sent), after(tt.sent+tt.took))
		if got := c.best.Load().at(after(tt.sent + time.Second)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
