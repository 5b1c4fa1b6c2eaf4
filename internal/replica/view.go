package replica

import (
	"errors"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"sort"
	"time"
)

// A view is everything a decision needs, immutable, behind one pointer: a
// decision that loads it sees one moment (R13).
type view struct {
	head  revlog.Head     // of the newest page applied
	last  revlog.Position // of the newest entry applied; MS is 0 if the view began after it
	chain [8]byte         // of that entry
	m     revlog.Position // newest position applied: nothing at or before it is missing
	sent  time.Time       // when the read was sent that brought the view up to date
	got   time.Time       // when the answer came that m is of
	now   *window
	marks marks
	// before is the window of a list, or of the part of this one, that the store
	// lost: it settles what the store calls unknown (R11, R17).
	before *window
}

// age is how old v is at now. A machine that slept shows in the wall clock only,
// a wall clock that was set back in the monotonic one only, so the larger counts.
func (v *view) age(now time.Time) time.Duration {
	return max(now.Sub(v.sent), time.Duration(now.UnixNano()-v.sent.UnixNano()))
}

// logTime grows with the monotonic time since the answer that was applied, by
// at most S (Values). Counted from its sending it would run ahead of the store.
func (v *view) logTime(now time.Time, within time.Duration) int64 {
	return v.m.MS + min(max(now.Sub(v.got), 0), within).Milliseconds()
}

// stamp is the chk and ln that a token gets from v (R19). One less than the
// newest position, since more entries may come in the same ms.
func (v *view) stamp() (chk int64, line uint32) {
	return max(v.m.MS-1, v.head.Born), v.head.Term()
}

// onLine reports whether a chk said under a line still holds: the line is known,
// and did not end before chk. Where two primaries reigned at once, a token
// stamped by one says nothing of what the other took (R16).
func onLine(lines []revlog.Term, line uint32, chk int64) bool {
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i].ID == line {
			return i == len(lines)-1 || chk <= lines[i+1].Start
		}
	}
	return false
}

// young reports whether the primary that reigns opened its line less than S ago.
// Until then other replicas may still be bringing back what the last one took with
// it (R10): nothing is stamped, and nothing minted, from what cannot be known yet
// (R19, R22).
func (v *view) young(within time.Duration) bool {
	n := len(v.head.Terms)
	return n > 1 && v.m.MS-v.head.Terms[n-1].Opened < within.Milliseconds()
}

// began returns the epoch of q for the store. Where a primary went on after its
// reign was over, or lost its last beats, its log time may have come further than
// its successor began with: what began there is taken to have begun when the
// successor did, so that no W of the successor falls short of it. It may be refused
// for that; it is never spared.
func (v *view) began(q *Query, within time.Duration) int64 {
	lines := v.head.Terms
	for i := len(lines) - 2; i >= 0; i-- {
		if lines[i].ID == q.Term {
			return min(q.Epoch, lines[i+1].Opened+within.Milliseconds()+1) // what its first W reaches
		}
	}
	return q.Epoch
}

// shows reports whether v has followed its log through p. A log with another
// entry at the same number is not the one p is of.
func (v *view) shows(p place) bool {
	if p.list != v.head.ID {
		return false
	}
	if p.n == v.last.N {
		return p.chain == v.chain
	}
	ring := v.now.ring
	i := sort.Search(len(ring), func(i int) bool { return ring[i].Position.N >= p.n })
	return i < len(ring) && ring[i].Position.N == p.n && ring[i].Chain == p.chain
}

// What can be wrong with a page (R10).
var (
	errTrimmed = errors.New("trimmed past this replica's position")
	errBroken  = errors.New("another log than the one followed")
)

// follow returns the entries of p that v has not applied. With errTrimmed they
// begin after a gap; with errBroken they mean nothing to v.
func (v *view) follow(p revlog.Page) ([]revlog.Entry, error) {
	if h := p.Head; h.Born < v.head.Born || h.Known < v.head.Known || h.Floor < v.head.Floor {
		return nil, errBroken // restored from before one was raised, even if no entry is missing
	}
	fresh := p.Entries
	gap := false
	switch {
	case len(fresh) > 0 && fresh[0].Position == v.last:
		if fresh[0].Chain != v.chain {
			return nil, errBroken
		}
		fresh = fresh[1:]
	case v.last.MS != 0 && p.Oldest.N > v.last.N:
		gap = true
	case v.last.MS != 0 && p.Oldest.N > 0:
		return nil, errBroken // the log reaches back far enough, and does not hold our last entry
	}
	at := v.last.N
	if len(fresh) > 0 && fresh[0].Position.N > at+1 && p.Oldest.N > at {
		gap, at = true, fresh[0].Position.N-1
	}
	ms := v.m.MS
	for _, e := range fresh {
		if e.Position.N != at+1 || e.Position.MS < ms {
			return nil, errBroken
		}
		at, ms = e.Position.N, e.Position.MS
	}
	if p.Head.MS < ms || p.Head.N < at {
		return nil, errBroken
	}
	if !p.More {
		chain := v.chain
		if len(fresh) > 0 {
			chain = fresh[len(fresh)-1].Chain
		}
		switch {
		case len(fresh) == 0 && p.Head.N > at && p.Oldest.N == 0:
			gap = true // everything newer was trimmed, too
		case p.Head.N != at || p.Head.Chain != chain:
			return nil, errBroken
		}
	}
	if gap {
		return fresh, errTrimmed
	}
	return fresh, nil
}
