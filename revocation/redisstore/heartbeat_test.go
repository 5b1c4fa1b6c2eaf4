package redisstore_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R9: hundreds of replicas read at once. A write by each of them would go to every replica of the
// server.
func TestR9AReadWritesOnlyItsHeartbeat(t *testing.T) {
	s, st := volatile(t)
	create(t, st, time.Hour)
	before, begun := calls(s, "hset"), time.Now()
	for range 1000 {
		if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10}); err != nil {
			t.Fatal(err)
		}
	}
	due := int(time.Since(begun)/(500*time.Millisecond)) + 1
	if n := calls(s, "hset") - before; n > due {
		t.Errorf("1000 reads made %d writes, but %d heartbeats were due", n, due)
	}
}
