package httpmw

import (
	"encoding/binary"
	"testing"

	"github.com/wafer-sessions/wafer/token"
)

// However many sessions end, ended remembers the last 32,768 at least, and twice as many at most.
func TestEndedRemembersABoundedNumber(t *testing.T) {
	id := func(i int) (id token.ID) {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		return id
	}
	var e ended
	const n = 5*rememberEnded + 7
	for i := range n {
		if !e.first(id(i)) {
			t.Fatalf("%d was seen", i)
		}
	}
	if held := len(e.now) + len(e.old); held > 2*rememberEnded {
		t.Errorf("%d are remembered", held)
	}
	for i := n - rememberEnded; i < n; i++ {
		if _, now := e.now[id(i)]; !now {
			if _, old := e.old[id(i)]; !old {
				t.Fatalf("%d of %d is forgotten", i, n)
			}
		}
	}
	if !e.first(id(0)) {
		t.Error("the first is remembered")
	}
}
