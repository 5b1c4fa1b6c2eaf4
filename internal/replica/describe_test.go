package replica

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// What a replica says of itself is what its Stats say, without a copy of their counters.
func TestDescribeReadsLittle(t *testing.T) {
	l := holding(t, Config{}, viewAt(entryAt(testM-1, revlog.ScopeSession, revlog.Tag{1}, revlog.Forever)))
	l.census.estimate.Store(&revlog.SignedIn{Sessions: 3})
	s, r := l.Stats(), l.describe(time.Now())
	if r.State != s.State || r.Window != s.Window || r.Position != s.Position || r.SignedIn != s.SignedIn || r.Window <= 0 || r.SignedIn.Sessions != 3 || r.Age < 0 {
		t.Errorf("described %+v, stats %+v", r, s)
	}
	now := time.Now()
	few, many := testing.AllocsPerRun(100, func() { l.describe(now) }), testing.AllocsPerRun(100, func() { l.Stats() })
	if few > many/2 {
		t.Errorf("it allocates %v times, and all Stats %v times", few, many)
	}
}
