package replica

import (
	"encoding/binary"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// termIn returns what tokens say of the term with this id in a list. One server has the
// same id in every list, but a check in one list says nothing about another, whose log time
// may be behind (R16).
func termIn(list revlog.ListID, id uint32) uint32 {
	return id ^ binary.BigEndian.Uint32(list[:])
}

// stillHolds reports whether a check at chk, in a term that a token names, still holds in
// the list with the head h: the term is known and ended after chk, or has not ended. If two
// primaries served at once, a check by one says nothing about what the other took (R16).
func stillHolds(h *revlog.Head, term uint32, chk int64) bool {
	for i := len(h.Terms) - 1; i >= 0; i-- {
		if termIn(h.ID, h.Terms[i].ID) == term {
			return i == len(h.Terms)-1 || chk < h.Terms[i+1].Start
		}
	}
	return false
}

// newPrimary reports whether the present primary opened its term less than S ago. Until
// then, other replicas may still be writing back what the previous primary took and this
// one lacks (R10). So no session is renewed, and no successor is made (R19, R22).
func (v *view) newPrimary(within time.Duration) bool {
	n := len(v.head.Terms)
	return n > 1 && v.m.MS-v.head.Terms[n-1].Opened < within.Milliseconds()
}

// began returns the time at, at which a session began or its data was loaded in a term, to use in a
// question. If a primary went on after its term was over, or lost its last heartbeats, its log time
// may have been ahead of the next primary's. A session that began there is taken to have begun at
// the latest time that the first watermark of the next primary reaches. It may be refused for that,
// but no revocation misses it.
func (v *view) began(term uint32, at int64, within time.Duration) int64 {
	if next, ok := v.after(term); ok {
		return min(at, next.Opened+within.Milliseconds()) // what its first W reaches
	}
	return at
}

// lastChecked returns when q was last checked, to use in a question. A check by another primary than
// that of v counts up to where the term of the check ended, or up to where this term started if v does
// not name that one. If the list has said since then that it lacks something, that primary did not
// hear of it, however long it went on.
func (v *view) lastChecked(q *Query) int64 {
	terms := v.head.Terms
	n := len(terms) - 1
	if n < 0 || termIn(v.head.ID, terms[n].ID) == q.Term {
		return q.Checked
	}
	next, ok := v.after(q.Term)
	if !ok {
		next = terms[n]
	}
	if next.Start < v.head.Born {
		return min(q.Checked, next.Start)
	}
	return q.Checked
}

// after returns the term that followed the one that a token names.
func (v *view) after(term uint32) (next revlog.Term, ok bool) {
	terms := v.head.Terms
	for i := len(terms) - 2; i >= 0; i-- {
		if termIn(v.head.ID, terms[i].ID) == term {
			return terms[i+1], true
		}
	}
	return revlog.Term{}, false
}

// sinceCheck returns the time from which on the list of v must have kept everything, so that it can
// say that q is not revoked: when q was last checked. If that was at a primary that went on after its
// term was over, or in another list, its log time may have been ahead of the one that the list of v
// had then. So it is at the latest when the next term opened, or when this list was created.
func (v *view) sinceCheck(q *Query, within time.Duration) int64 {
	terms := v.head.Terms
	for i, t := range terms {
		switch {
		case termIn(v.head.ID, t.ID) != q.Term:
		case i == len(terms)-1:
			return q.Checked
		default:
			return min(q.Checked, terms[i+1].Opened+within.Milliseconds())
		}
	}
	if len(terms) > 0 && q.Checked < terms[0].Start { // its term may be one that the head no longer names
		return q.Checked
	}
	return min(q.Checked, v.head.Born)
}

// knowsMore reports whether a store with the head h does not agree with v: it is behind v,
// or v has not followed it in its present term. The reader has to repair that first (R10,
// R17).
func (v *view) knowsMore(h revlog.Head) bool {
	return h.MS < v.m.MS || h.N < v.last.N || h.Term() != v.head.Term() ||
		h.N == v.last.N && h.Chain != v.chain
}
