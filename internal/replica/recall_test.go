package replica

import (
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R17: a store is emptied. A replica that was cut off creates a new list from the log time that it
// remembers, and revokes a session there. By the numbers, that is before the last check of the
// session. Then the store is emptied again. The kept window holds the revocation, and it counts.
func TestR17ALostListWithAnEarlierLogTimeStillDecides(t *testing.T) {
	for _, ended := range []bool{false, true} {
		q := someQuery()
		l := holding(t, Config{}, nil)
		l.tags.seal(&q.tag, &q.Session)
		q.of, q.tagged = q.Session, true

		first := *viewAt().now // the first list, by which q was checked
		first.term, first.joined = testTerm, true
		began := q.Checked - hourMS/2
		second := &window{watermarks: newWatermarks(watermarkLimit), from: began, to: began, recentFrom: began}
		var entries []revlog.Entry
		if ended {
			entries = append(entries, entryAt(began+minuteMS, revlog.ScopeSession, q.tag, revlog.Forever))
		}
		second = second.add(entries, testM, Config{}.retain())
		second.term, second.joined, second.earlier = 8, true, &first

		v := viewAt()
		v.kept = second
		v.head.Known, v.head.KnownTerm = testM, 8
		want := map[bool]finding{false: miss, true: maybe}[ended] // it is not among the recent entries any more
		if got := l.recall(&q, v, v.head); got != want {
			t.Errorf("ended %t: recalled as %d, want %d", ended, got, want)
		}
	}
}
