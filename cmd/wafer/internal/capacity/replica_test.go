package capacity

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// The window of a replica whose list is as old as the retention.
func TestWindowOfAReplica(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("it makes a hundred thousand revocations")
	}
	for name, l := range map[string]Load{
		"few":  {Idle: time.Hour, Revocations: 0.5},
		"many": {Idle: time.Hour, Revocations: 24, People: 4},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) { checkWindow(t, l) })
		})
	}
}

func checkWindow(t *testing.T, l Load) {
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), revlogtest.Secrets(0), revocation.Config{MaxIdle: l.Idle, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	const step = 2 * time.Second
	begin, all, people := time.Now(), 0.0, 0.0
	for passed := time.Duration(0); passed < l.Retention()+10*time.Minute; passed = time.Since(begin) {
		for ; all < l.Revocations*passed.Seconds(); all++ {
			target := session()
			if people < l.People*passed.Seconds() {
				people++
				target = revocation.Subject(rand.Text())
			}
			if _, err := list.Revoke(t.Context(), target, revocation.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(step)
	}
	r, s := replicaOf(l), list.Stats()
	near(t, "entries of the window", float64(r.Entries), float64(s.Entries))
	near(t, "filters and watermarks", float64(r.Filters+r.People), float64(s.Bytes))
	if s.Window.Seconds() < 0.95*r.Window || s.Window.Seconds() > r.Window {
		t.Errorf("the window reaches back %v, estimated %.0f s", s.Window, r.Window)
	}
}
