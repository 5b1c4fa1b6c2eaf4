package keys_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

// A process whose clock is years ahead of that of the file system, and stays so, makes one key and not
// one a day. It says why in one line.
func TestRotateEveryWithAClockThatStaysAhead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var l logs
		path := create(t, kekOf(goldenKEK), keys.Generate(0)) // made in 2000, where a bubble begins
		time.Sleep(100 * 365 * day)
		f := open(t, path, kekOf(goldenKEK), keys.FileConfig{RotateEvery: keys.Daily, Poll: time.Hour, PollOnly: true, Logger: l.logger()})
		time.Sleep(40 * day)
		if n := len(f.Ring().Keys()); n != 2 || l.Count("rotated the ring") != 1 {
			t.Errorf("%d keys, and the log says\n%s", n, l.String())
		}
		if l.Count("level=WARN") != 1 || l.Count("the clock of this machine is ahead of that of the file system") != 1 {
			t.Errorf("the log says\n%s", l.String())
		}
	})
}
