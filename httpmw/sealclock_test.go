package httpmw_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The clock of a machine is set back to before the only key of a young ring was made.
// Logins and writes go on with that key, and the log says so once a minute.
func TestClockSetBackBehindTheRing(t *testing.T) {
	var ring *keys.Ring
	bubble.Test(t, func(*testing.T) {
		time.Sleep(time.Hour)
		ring = keys.Generate(0)
	})
	bubble.Test(t, func(t *testing.T) { // begins an hour earlier again
		var out logs
		f := newReplica(t, ring, revlog.NewMemory(), httpmw.Config{Logger: out.logger(slog.LevelInfo)})
		b := newBrowser()
		for range 3 {
			f.login(t, b, httpmw.Identity{Subject: "ada"})
		}
		if subject, err := f.look(b); subject != "ada" || err != nil {
			t.Errorf("the session is of %q, %v", subject, err)
		}
		if n := out.Count("the clock of this machine is behind"); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		if s := f.Stats(); s.Early < 3 {
			t.Errorf("%d tokens counted", s.Early)
		}
	})
}
