package redisstore_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R9: hundreds of replicas read at once. A write by each of them would go to every replica of the
// server.
func TestR9AReadWritesOnlyItsHeartbeat(t *testing.T) {
	s, st := volatile(t)
	create(t, st, time.Hour)
	writes := func() int {
		m := regexp.MustCompile(`cmdstat_hset:calls=(\d+)`).FindStringSubmatch(s.Do("INFO", "commandstats"))
		if m == nil {
			return 0
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	before, begun := writes(), time.Now()
	for range 1000 {
		if _, err := st.Read(t.Context(), revlog.Cursor{List: list, Limit: 10}); err != nil {
			t.Fatal(err)
		}
	}
	due := int(time.Since(begun)/(500*time.Millisecond)) + 1
	if n := writes() - before; n > due {
		t.Errorf("1000 reads made %d writes, but %d heartbeats were due", n, due)
	}
}
