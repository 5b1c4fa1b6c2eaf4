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

// R35: a receipt of another list or term may be newer than the view, however old the list of the view
// is. Most often the next read shows which list or term that is.
func TestR35WhichViewsReachAReceipt(t *testing.T) {
	const minute = 60_000
	list, other := revlog.ListID{1}, revlog.ListID{2}
	const born, opened, m = 100 * minute, 200 * minute, 300 * minute
	terms := []revlog.Term{{ID: 7, Start: born, Opened: born}, {ID: 8, Start: opened - 500, Opened: opened}}
	v := view{head: revlog.Head{ID: list, Born: born, Terms: terms}, m: revlog.Position{MS: m, N: 5}}
	lacking := v
	lacking.lacksGlobals = true
	of := func(list revlog.ListID, term uint32, ms, n int64) asOf {
		return asOf{list, termIn(list, term), revlog.Position{MS: ms, N: n}}
	}
	for _, tt := range []struct {
		name string
		v    *view
		a    asOf
		want bool
	}{
		{"of this moment", &v, of(list, 8, m, 5), true},
		{"the next entry", &v, of(list, 8, m, 6), false},
		{"a later moment", &v, of(list, 8, m+1, 5), false},
		{"of the term before, while it lasted", &v, of(list, 7, opened-501, 3), true},
		{"of the term before, after its end, long ago", &v, of(list, 7, opened+10, 3), true},
		{"of the term before, which goes on elsewhere", &v, of(list, 7, m-10, 6), false},
		{"of a primary that this replica has not read", &v, of(list, 9, m+100, 6), false},
		{"of one that it has not read, whose log time is behind", &v, of(list, 9, m-minute/2, 6), false},
		{"of a term that the head forgot", &v, of(list, 6, born+1, 1), true},
		{"of the list that was lost", &v, of(other, 7, born-1, 9), true},
		{"of the list that this replica does not follow yet", &v, of(other, 7, m+100, 1), false},
		{"of one that it does not follow yet, whose log time is behind", &v, of(other, 7, m-minute/2, 1), false},
		{"some global entries were not read", &lacking, of(list, 8, m, 5), false},
	} {
		if got := tt.v.reaches(tt.a); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
