package replica_test

import (
	"slices"
	"time"

	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// What somebody does who can write to the store, and has no list key.

var modelMAC = MACs(revlogtest.Secrets(0))

// genuine reports whether somebody with the list key wrote e, for all that it says.
func genuine(e revlog.Entry) bool { return e.MAC == modelMAC(e) && e.W <= e.Limit }

// forge writes something into the exact set of the primary, in one history of four.
func (h *history) forge() {
	n := h.sim.primary
	if h.seed%4 != 0 || n.list == (revlog.ListID{}) || len(h.tokens) == 0 || h.mean.IntN(3) > 0 {
		return
	}
	t := h.tokens[h.mean.IntN(len(h.tokens))]
	of := h.members[0].l
	ahead := n.head().MS + time.Hour.Milliseconds()
	e := revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), W: ahead, Limit: ahead, Until: ahead + time.Hour.Milliseconds()}
	switch h.mean.IntN(6) {
	case 0, 1:
		e.Scope, e.Tag, e.W, e.Limit = revlog.ScopeSession, of.SessionTag(t.q.Session), revlog.Forever, revlog.Forever
	case 2, 3:
		e.Scope, e.Tag = revlog.ScopeSubject, t.q.Subject
	case 4:
		e.Scope, e.Tag = revlog.ScopeGroup, of.Tag(revlog.ScopeGroup, modelGroups[h.mean.IntN(2)])
	case 5:
		e.Scope = revlog.ScopeEveryone
	}
	h.say("somebody forges %v", e.Scope)
	n.edit(func(st *revlog.State) {
		slices.SortFunc(st.Exact, func(a, b revlog.Entry) int { return ByKey(a.Key(), b.Key()) })
		e = h.dressed(e, st.Exact)
		at := slices.IndexFunc(st.Exact, func(old revlog.Entry) bool { return old.Key() == e.Key() })
		if at < 0 {
			st.Exact = append(st.Exact, e)
			return
		}
		if old := st.Exact[at]; genuine(old) {
			h.sim.hidden[e.Key()] = old
		}
		e.Until = max(e.Until, st.Exact[at].Until) // else that is a deletion
		e.Quiet = genuine(e) && st.Exact[at].Quiet // else it is hidden from the log, which is a deletion, too
		st.Exact[at] = e
	})
	h.track()
}

// dressed gives e what somebody can find in the store to make it look right: the proof of
// the same thing with its limit, or of another thing.
func (h *history) dressed(e revlog.Entry, exact []revlog.Entry) revlog.Entry {
	for _, old := range exact {
		switch {
		case old.Key() == e.Key() && h.mean.IntN(2) == 0:
			e.Limit, e.MAC = min(old.Limit, e.W), old.MAC
		case old.Scope == e.Scope && e.MAC == [8]byte{}:
			e.MAC, e.Limit = old.MAC, old.Limit
		}
	}
	switch h.weak.rule {
	case "R32":
		e.Limit = max(e.Limit, e.W)
		e.MAC = modelMAC(e)
	case "R32 limit":
		if e.Limit < e.W && e.Key() != (revlog.Key{}) {
			e.Limit = e.W
			e.MAC = modelMAC(e)
		}
	}
	return e
}

// unforged ends what was forged: what it hid is there again, so far as this server ever
// had it.
func (h *history) unforged() {
	if len(h.members) == 0 || h.sim.primary.list == (revlog.ListID{}) {
		return
	}
	h.sim.primary.edit(func(st *revlog.State) {
		for i, e := range st.Exact {
			if genuine(e) {
				continue
			}
			hid := h.sim.hidden[e.Key()]
			if !hid.Quiet { // then the log tells of it
				hid = revlog.Entry{}
				for _, was := range st.Entries {
					if was.Key() == e.Key() && genuine(was) {
						hid = was
					}
				}
			}
			st.Exact[i] = hid
		}
		st.Exact = slices.DeleteFunc(st.Exact, func(e revlog.Entry) bool { return e.Version == 0 })
	})
	h.track()
}
