package replica

import (
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R17: a session is checked by a primary that another one has replaced. Meanwhile the list says that
// it lacks what was revoked. The primary before did not hear of that, however far its log time went
// on, so the check counts up to the end of its term only.
func TestR17ACheckByAnotherPrimaryKnowsNoLossSince(t *testing.T) {
	const present, sibling = testTerm + 1, testTerm + 2
	v := viewAt()
	v.head.Terms = append(v.head.Terms, revlog.Term{ID: present, Start: testM - 2*hourMS, Opened: testM - hourMS})
	for name, row := range map[string]struct {
		term      uint32
		born      int64
		chk, want int64
	}{
		"the present term":                   {present, testM - minuteMS, testM - 1, testM - 1},
		"the term before":                    {testTerm, testM - minuteMS, testM - 1, testM - 2*hourMS},
		"the term before, while it lasted":   {testTerm, testM - minuteMS, testM - 3*hourMS, testM - 3*hourMS},
		"a term of another primary":          {sibling, testM - minuteMS, testM - 1, testM - 2*hourMS},
		"the term before, and nothing lacks": {testTerm, testM - 5*hourMS, testM - 1, testM - 1},
		"another term, and nothing lacks":    {sibling, testM - 5*hourMS, testM + hourMS, testM + hourMS},
	} {
		v.head.Born = row.born
		q := Query{Checked: row.chk, Term: termIn(v.head.ID, row.term)}
		if got := v.lastChecked(&q); got != row.want {
			t.Errorf("%s: last checked at %d, want %d", name, got-testM, row.want-testM)
		}
	}
}

// R26: what a window has read stays in doubt when its start moves past it, as behind an entry that
// cannot be read (R12), or when the list was lost.
func TestR26WhatAWindowReadBeforeItMoved(t *testing.T) {
	for name, row := range map[string]struct {
		began, from, recent int64
		want                bool
	}{
		"all of it is recent":        {testM - hourMS, testM - hourMS, testM - hourMS, true},
		"it is recent since then":    {testM - hourMS, testM - hourMS, testM - 2*minuteMS, true},
		"it is recent, but no more":  {testM - hourMS, testM - hourMS, testM - minuteMS/2, false},
		"it moved, and is no more":   {testM - hourMS, testM - 1, testM - minuteMS/2, false},
		"it began after that moment": {testM - minuteMS/2, testM - 1, testM - minuteMS/2, true},
	} {
		v := viewAt()
		w := *v.now
		w.began, w.from, w.recentFrom = row.began, row.from, row.recent
		v.now = &w
		if got := v.exactSince(testM - minuteMS); got != row.want {
			t.Errorf("%s: exact %t, want %t", name, got, row.want)
		}
	}
}
