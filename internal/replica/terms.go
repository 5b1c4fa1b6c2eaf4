package replica

import (
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// stillHolds reports whether what was checked at chk, in the term with this id,
// still holds: the term is known, and ended after chk. Where two primaries
// served at once, a token that one checked says nothing of what the other took (R16).
func stillHolds(terms []revlog.Term, id uint32, chk int64) bool {
	for i := len(terms) - 1; i >= 0; i-- {
		if terms[i].ID == id {
			return i == len(terms)-1 || chk < terms[i+1].Start
		}
	}
	return false
}

// newPrimary reports whether the present primary opened its term less than S ago.
// Until then other replicas may still be bringing back what the last one took with
// it (R10): no token moves its checked position, and no session begins, from what cannot be known yet
// (R19, R22).
func (v *view) newPrimary(within time.Duration) bool {
	n := len(v.head.Terms)
	return n > 1 && v.m.MS-v.head.Terms[n-1].Opened < within.Milliseconds()
}

// began returns the login time of q for the store. Where a primary went on after its
// term was over, or lost its last heartbeats, its log time may have come further than
// its successor began with: what began there is taken to have begun when the
// successor did, so that no W of the successor falls short of it. It may be refused
// for that; it is never spared.
func (v *view) began(q *Query, within time.Duration) int64 {
	terms := v.head.Terms
	for i := len(terms) - 2; i >= 0; i-- {
		if terms[i].ID == q.Term {
			return min(q.Epoch, terms[i+1].Opened+within.Milliseconds()) // what its first W reaches
		}
	}
	return q.Epoch
}

// knowsMore reports whether v knows more than a store with the head h: one that went
// back behind v, or that v has not followed in its present term. The reader has to
// mend it first (R10, R17).
func (v *view) knowsMore(h revlog.Head) bool {
	return h.MS < v.m.MS || h.N < v.last.N || h.Term() != v.head.Term() ||
		h.N == v.last.N && h.Chain != v.chain
}
