package replica

import (
	"encoding/binary"
	"fmt"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"slices"
	"time"
)

// A modelSession is what the model knows of one session.
type modelSession struct {
	id     uint64
	user   string
	groups []string
	begun  time.Time // the login began
	done   time.Time // the login was over
	asked  time.Time // what was revoked after this ends it: done, or when Since was taken
	since  time.Time // the epoch's moment: the login, or the last "all but this one"
	minted time.Time // when making it began, if it follows another
	parent *modelSession
	epoch  int64 // for what is revoked before a given log time
	idle   time.Duration
	silent bool // begun while the store was silent
	// blind: follows a session whose end neither the store that let it nor the
	// replica that asked had heard of (another primary took it).
	blind bool
}

// A modelToken is one copy of a session's token; a thief keeps them all.
type modelToken struct {
	s   *modelSession
	q   Query
	exp time.Time // by the wall clock of whoever sealed it
}

// A modelRevocation is one call of Revoke, or what Succeed revoked.
type modelRevocation struct {
	scope  revlog.Scope
	id     string
	called time.Time
	acked  time.Time // zero: never acknowledged
	before time.Time // zero: all that began until then
	by     *replica
	// shaky: the store had just been upset. A session may then carry an epoch up to ε
	// ahead from a primary that is gone, and only what is older is certain to end.
	shaky bool
	// short: the store had lost its log time together with its data, its clock was set
	// back, and whoever revoked had just booted: "now" was before what others had
	// seen, and nobody was there to say so. A known limit.
	short  bool
	number uint64 // of the session
	at, w  int64  // log time and W, where it was taken
	lost   bool   // nobody alive knows of it any more
}

func (r *modelRevocation) names(s *modelSession) bool {
	switch r.scope {
	case revlog.ScopeSession:
		return r.id == fmt.Sprint(s.id)
	case revlog.ScopeSubject:
		return r.id == s.user
	case revlog.ScopeGroup:
		return slices.Contains(s.groups, r.id)
	}
	return true
}

// ends reports whether r certainly ends s: it was acknowledged, and s had begun
// for good when it was called.
func (r *modelRevocation) ends(s *modelSession) bool {
	if r.acked.IsZero() || r.lost {
		return false
	}
	if r.scope == revlog.ScopeSession {
		if r.names(s) {
			return true
		}
		// A successor made after the end was acknowledged is the same session.
		return s.parent != nil && !s.blind && s.minted.After(r.acked) && r.ends(s.parent)
	}
	if !r.before.IsZero() {
		return r.names(s) && s.epoch <= r.before.UnixMilli()
	}
	if r.short {
		return false
	}
	if r.shaky {
		return r.names(s) && s.asked.Before(r.called.Add(-2*modelS))
	}
	return r.names(s) && s.asked.Before(r.called)
}

// mayEnd reports whether r may refuse s: everything but a session that certainly
// began after r was over. Where two nodes served at once, or the one that took r
// lost it before s began, log times differ and a W reaches a little further.
func (h *history) mayEnd(r *modelRevocation, s *modelSession) bool {
	if !r.names(s) {
		return false
	}
	if r.scope == revlog.ScopeSession || h.split || r.acked.IsZero() || !s.since.After(r.acked) {
		return true
	}
	lost := !h.sim.upset.Before(r.acked)
	return lost && (h.clocks || s.since.Sub(r.acked) < 3*modelS)
}

// look remembers when it last was not so that every replica read the store that
// reigns: then a lost write may have been known only to one that did not.
func (h *history) look() {
	if slices.ContainsFunc(h.replicas, func(r *replica) bool { return r.link.to != nil && r.link.to != h.sim.reign }) {
		h.apart = time.Now()
	}
	if !h.whole() {
		h.shaken = time.Now()
	}
}

// shaky reports whether log time may not be one: the store was upset a moment ago, or
// somebody was still served by a primary that no longer reigns.
func (h *history) shaky() bool {
	return time.Since(h.sim.upset) < 2*modelS || time.Since(h.apart) < 2*modelS
}

// whole reports whether every replica reaches the store that reigns and reads
// it: one that does not may be the only one that knows of a lost write.
func (h *history) whole() bool {
	for _, r := range h.replicas {
		if r.link.to != h.sim.reign || r.link.loss > 0 || r.l.view.Load().age(time.Now()) > modelS {
			return false
		}
	}
	return true
}

// judge holds a verdict against the truth.
func (h *history) judge(r *replica, t *modelToken, d Verdict) {
	v := r.l.view.Load()
	synced := v.age(time.Now()) <= modelS && r.link.to == h.sim.reign
	switch d.Outcome {
	case Accept:
		h.accepts++
		for _, rev := range h.revoked {
			if !rev.ends(t.s) {
				continue
			}
			if rev.by == r && rev.scope != revlog.ScopeSession {
				h.fail("%s accepts session %d, which it revoked itself by %v", r.name, t.s.id, rev.scope)
			}
			quiet := rev.acked
			if h.sim.upset.After(quiet) {
				quiet = h.sim.upset
			}
			if h.shaken.After(quiet) {
				quiet = h.shaken
			}
			if synced && h.whole() && time.Since(quiet) > modelS {
				h.fail("%s accepts session %d %v after its end by %v was acknowledged", r.name, t.s.id, time.Since(rev.acked), rev.scope)
			}
		}
	case Refuse:
		h.refusals++
		switch d.Reason {
		case ListLost:
			h.lostRefs++
			return
		case Stale:
			return // checked by the retention of log time, which clock steps stretch
		}
		if t.s.silent {
			return // may be refused later, is never spared
		}
		for _, rev := range h.revoked {
			for s := t.s; s != nil; s = s.parent {
				if h.mayEnd(rev, s) {
					return
				}
			}
		}
		h.fail("%s refuses session %d (%v), which nothing ended", r.name, t.s.id, d.Reason)
	}
}

// forget marks revocations that no replica alive and no store has any more: an
// acknowledged write that died with its only witnesses.
func (h *history) forget() {
	for _, rev := range h.revoked {
		if !rev.lost && !rev.acked.IsZero() && !h.known(rev) {
			rev.lost = true
			h.say("nobody knows of the end of %v %s any more", rev.scope, rev.id)
		}
	}
}

func (h *history) known(rev *modelRevocation) bool { return h.knows(rev, h.sim.reign, h.replicas) }

// key is what rev stands under in the store.
func (h *history) key(rev *modelRevocation) revlog.Key {
	k := revlog.Key{Scope: rev.scope}
	l := h.replicas[0].l
	switch rev.scope {
	case revlog.ScopeSession:
		var id [16]byte
		fmt.Sscan(rev.id, &rev.number)
		binary.BigEndian.PutUint64(id[8:], rev.number)
		k.Tag = l.tags.session(id)
	case revlog.ScopeSubject:
		k.Tag = l.Tag(revlog.ScopeSubject, rev.id)
	case revlog.ScopeGroup:
		k.Tag = l.Tag(revlog.ScopeGroup, rev.id)
	}
	return k
}

// taken records that the store of r acknowledged rev.
func (h *history) taken(rev *modelRevocation, r *replica) {
	rev.acked = time.Now()
	st := r.link.to.state
	v := st.exact[h.key(rev)]
	rev.w = v.w
	for _, other := range h.replicas {
		if rev.before.IsZero() && rev.w < other.l.clock.highest() {
			rev.short = true
		}
	}
	for _, e := range st.log {
		if e.Scope == rev.scope && e.Tag == h.key(rev).Tag {
			rev.at = e.Position.MS
		}
	}
}

// knows reports whether the node or one of the replicas has rev.
func (h *history) knows(rev *modelRevocation, n *node, replicas []*replica) bool {
	k := h.key(rev)
	if n != nil && n.state != nil && n.state.exact[k].w >= rev.w {
		return true
	}
	for _, r := range replicas {
		v := r.l.view.Load()
		if r.l.outbox.w(k) >= rev.w || v.marks[k].w >= rev.w {
			return true
		}
		for _, w := range []*window{v.before, v.now} {
			// A filter may hold an older entry with the same tag, which is another thing.
			if w != nil && !k.Scope.Global() && r.link.got[k] >= rev.w && w.hit(k.Tag, rev.at-1) {
				return true
			}
		}
	}
	return false
}
