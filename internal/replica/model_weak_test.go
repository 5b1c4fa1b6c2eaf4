package replica

import (
	"strings"
	"testing"
)

// A model that cannot fail proves nothing. With one rule off at a time it has to
// find the session that comes back to life.
func TestModelNoticesEveryRule(t *testing.T) {
	if *modelHistories < 10_000 {
		t.Skip("thousands of histories: make test runs them, with -model.histories=10000")
	}
	for _, tt := range []struct {
		weak weakness
		what string
		from uint64 // where to begin looking: two primaries are found once in thousands
	}{
		{"R2", "a list that was lost claims to be complete", 0},
		{"R3", "a watermark may share its ms with a login", 0},
		{"R4", "a revocation of the past is forgotten at once", 0},
		{"R10", "a reader does not look whether it still follows the same log", 0},
		{"R11", "a reader takes a new list for the one it knew", 0},
		{"R16", "where two primaries reigned, a stamp of one is believed by the other", 19_000},
		{"R17", "a store that lost its data answers not revoked", 0},
		{"R22", "a successor is minted without asking", 0},
		{"R24", "a replica that is not synced renews", 0},
		{"R27", "a store forgets an hour too early, and so more by a jump of its clock than it may", 0},
		{"R30", "a login takes its moment from a clock that runs ahead", 0},
	} {
		t.Run(string(tt.weak), func(t *testing.T) {
			t.Parallel()
			for seed := tt.from + 1; seed < tt.from+10_000; seed++ {
				h := playModel(t, seed, tt.weak)
				if strings.Contains(h.failed, "accepts") {
					t.Logf("%s: found by history %d: %s", tt.what, seed, h.failed)
					return
				}
			}
			t.Errorf("%s: and 10,000 histories went by without a word", tt.what)
		})
	}
}
