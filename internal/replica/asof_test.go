package replica

import (
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A receipt has one spelling, and whatever else comes is refused without a panic.
func FuzzAsOf(f *testing.F) {
	h := revlog.Head{ID: revlog.ListID{1, 2, 3}, MS: 1_800_000_000_000, N: 42, Terms: []revlog.Term{{ID: 7}}}
	good := asOfText(h)
	for _, text := range []string{good, "", "A", good + "A", good[1:], strings.Repeat("A", 43), strings.Repeat("_", 43), good[:42] + "\n", strings.Repeat("=", 43)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := parseAsOf(text)
		if !ok {
			return
		}
		if a.at.MS < 0 || a.at.MS > revlog.Forever || a.at.N < 0 || a.at.N > revlog.Forever {
			t.Errorf("%q names position %v", text, a.at)
		}
		again := asOfText(revlog.Head{ID: a.list, MS: a.at.MS, N: a.at.N, Terms: []revlog.Term{{ID: termIn(a.list, a.term)}}})
		if again != text {
			t.Errorf("%q is also %q", text, again)
		}
	})
}
