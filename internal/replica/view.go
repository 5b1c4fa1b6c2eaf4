package replica

import (
	"errors"
	"sort"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A view is everything that a decision needs. It is immutable, and a decision loads it
// once, so it sees one moment (R13).
type view struct {
	head    revlog.Head     // of the newest page applied
	last    revlog.Position // of the newest entry applied; MS is 0 if the view begins after that entry
	chain   [8]byte         // of that entry
	m       revlog.Position // newest position applied: nothing at or before it is missing
	sent    time.Time       // when the read was sent that brought the view up to date
	got     time.Time       // when the answer came that m is of
	logged  int64           // entries in the log then
	now     *window
	globals globalEntries
	// globalsAsk: some of globals ask something of sessions (R36, R37). publish sets it.
	globalsAsk bool
	leaps      []leap // of log time, oldest first
	// kept is the window of a list, or of the part of this one, that the store lost. It
	// answers when the store's answer is "unknown" (R11, R17).
	kept *window
	// tail holds the lost tail, as its recent entries: what the log lost and does not show
	// again yet (R10).
	tail *window
	// lacksGlobals: global entries of a part that v skipped may be missing: they were not read
	// yet (R10), or unverified ones stand in their place (R32). Until all of them are read
	// and verified, v is not in step.
	lacksGlobals bool
	// adrift: the log was inconsistent, so v began at its end, and v has read no entry
	// since.
	adrift bool
	// past are the heads of the lists that were lost, newest first. They say how long
	// entries were kept before the present list was created (R4).
	past []revlog.Head
}

// shows reports whether v has followed its log through p. If the log has another entry at
// that number, it is not the log of p.
func (v *view) shows(p place) bool {
	if p.list != v.head.ID {
		return false
	}
	if p.n == v.last.N {
		return p.chain == v.chain
	}
	recent := v.now.recent
	i := sort.Search(len(recent), func(i int) bool { return recent[i].Position.N >= p.n })
	return i < len(recent) && recent[i].Position.N == p.n && recent[i].Chain == p.chain
}

// has reports whether v holds an entry of k up to w.
func (v *view) has(k revlog.Key, w int64) bool {
	switch {
	case inGlobals(k):
		return v.globals[k].W >= w
	case k.Effect != revlog.End:
		return v.now.asked.of(k) >= w
	case k.Scope == revlog.ScopeSession:
		return v.now.hit(k.Tag, v.now.from)
	}
	return v.now.watermarks.of(k) >= w
}

// Why a page does not continue the log (R10).
var (
	errTrimmed = errors.New("trimmed past this replica's position")
	errBroken  = errors.New("another log than the one followed")
)

// follow returns the entries of p that v has not applied. With errTrimmed they begin after
// a gap. With errBroken, p is of another log than the one that v has followed.
func (v *view) follow(p revlog.Page) ([]revlog.Entry, error) {
	if h := p.Head; h.Born < v.head.Born || h.Known < v.head.Known || h.Floor < v.head.Floor {
		return nil, errBroken // the store went back to a time before one of them moved, even if no entry is missing
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
		return nil, errBroken // the log reaches back far enough and does not hold our last entry
	}
	at := v.last.N
	if len(fresh) > 0 && fresh[0].Position.N > at+1 && p.Oldest.N > at+1 {
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
