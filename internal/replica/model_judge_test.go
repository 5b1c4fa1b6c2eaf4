package replica_test

import (
	"slices"
	"time"

	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A modelSession is what the model knows of one session.
type modelSession struct {
	id     uint64
	user   string // "": nobody
	groups []string
	idle   time.Duration
	begun  time.Time // the login began
	done   time.Time // its password was checked: whatever is revoked from then on ends it
	since  time.Time // the login, or the last "all but this one"
	minted time.Time // when making it began, if it follows another
	parent *modelSession
	epoch  int64 // for what is revoked before a given log time
	kept   bool  // of a successor: its parent had ended, and neither store nor replica had heard of that
	// alone: when it began, its replica was not in step with the primary, or had no answer.
	alone bool
	vague bool // the moment before its password was checked does not come from the store
	apart bool // begun at a server that was not the primary
	newer bool // a newer release ended it, in a way that cannot be read
}

func (s *modelSession) listed() bool { return s.user != "" || len(s.groups) > 0 }

// joined reports whether s was switched into a group after it began.
func (s *modelSession) joined(group string) bool {
	return slices.Contains(s.groups, group) && s.parent != nil && (!slices.Contains(s.parent.groups, group) || s.parent.joined(group))
}

// A modelToken is one copy of a session's token; a thief keeps them all.
type modelToken struct {
	s      *modelSession
	q      Query
	loaded time.Time // its data began to be loaded
	apart  bool      // by the log time of a server that was not the primary
	alone  bool      // then its replica was not in step with the primary, or had no answer
	// elsewhere: its data was loaded in another term than that of its check.
	elsewhere bool
	checked   time.Time // when it was begun or last renewed
	exp       time.Time // by the wall clock of the replica that sealed it
	forged    bool      // by somebody who has a key: nothing but the end of that key helps
}

// A modelRevocation is one call of Revoke, or what Succeed revoked.
type modelRevocation struct {
	key    revlog.Key
	name   string // of the subject, group or key, for people
	number uint64 // of the session
	w      int64  // as the store had it when it acknowledged
	called time.Time
	acked  time.Time // zero: never acknowledged
	before time.Time // zero: all that began until then
	over   time.Duration
	by     *member
	// held is since when the primary, holder, holds it: when it got it or became the primary.
	// Zero: it lacks it.
	held   int
	holder *server
	at     int64 // log time when it was acknowledged
	lost   bool  // no replica alive and no primary knew of it any more
	// apart: it was taken at a server that was not the primary, or just after a change.
	apart bool
	// timeless: when it was taken, log time was before what some replica had read.
	timeless bool
}

// names reports whether r is about t's session, or the key that sealed t. An anonymous
// session is outside the list, one by one.
func (r *modelRevocation) names(t *modelToken, s *modelSession) bool {
	switch r.key.Scope {
	case revlog.ScopeSession:
		return r.number == s.id && s.listed()
	case revlog.ScopeSubject:
		return r.name == s.user
	case revlog.ScopeGroup:
		return slices.Contains(s.groups, r.name)
	case revlog.ScopeKey:
		return r.name == t.q.Keys[0]
	}
	return true
}

// ends reports whether r ends t: it was acknowledged, and names what was there when
// it was called.
func (r *modelRevocation) ends(t *modelToken, s *modelSession) bool {
	switch {
	case r.acked.IsZero():
		return false
	case r.key.Scope == revlog.ScopeKey:
		return r.names(t, s)
	case t.forged:
		return false
	case r.asks() != 0 && !s.listed():
		return false
	case r.key.Effect == revlog.Reload:
		return r.names(t, s) && t.loaded.Before(r.called) || r.follows(t, s)
	case r.key.Effect == revlog.RequireLogin:
		return r.names(t, s) && s.done.Before(r.called) || r.follows(t, s)
	case r.key.Scope == revlog.ScopeSession:
		// A successor made after the end was acknowledged is the same session.
		return r.names(t, s) || r.follows(t, s)
	case !r.before.IsZero():
		return r.names(t, s) && s.epoch <= r.before.UnixMilli()
	}
	return r.names(t, s) && s.done.Before(r.called)
}

// follows reports whether s was made from a session that r had ended by then.
func (r *modelRevocation) follows(t *modelToken, s *modelSession) bool {
	return r.key.Scope == revlog.ScopeSession && s.parent != nil && s.minted.After(r.acked) && r.ends(t, s.parent)
}

// asks is what r asks of the sessions that it ends, 0 if it does end them.
func (r *modelRevocation) asks() revlog.Asks { return r.key.Effect.Asks() &^ revlog.Ending }

// due reports whether what r ends slowly is to be ended for l.
func (r *modelRevocation) due(t *modelToken, l *Replica) bool {
	if r.key.Effect != revlog.EndSlowly {
		return true
	}
	e := revlog.Entry{W: r.w, Effect: revlog.EndSlowly.Byte(), Params: revlog.OverParams(r.over, [8]byte{})}
	return l.LogTime() > e.Out(l.SessionTag(t.q.Session))
}

// mayAsk reports whether r may be why something is asked of t.
func (r *modelRevocation) mayAsk(t *modelToken) bool {
	at := t.s.since
	if r.key.Effect == revlog.Reload {
		at = t.loaded
	}
	return (r.names(t, t.s) || r.key.Scope == revlog.ScopeSession && t.s.parent != nil) && (r.acked.IsZero() || !at.After(r.acked))
}

// mayEnd reports whether a refusal by scope may be r's doing: everything but a session
// that began after r was over.
func (r *modelRevocation) mayEnd(t *modelToken) bool {
	return r.names(t, t.s) && (r.key.Always() || r.acked.IsZero() || !t.s.since.After(r.acked))
}

// judge holds a verdict against the truth.
func (h *history) judge(r *member, t *modelToken, d Verdict) {
	switch d.Outcome {
	case Accept:
		h.counts["accepted"]++
		for _, rev := range h.revoked {
			if !rev.ends(t, t.s) || d.Asks&rev.asks() != 0 || !rev.due(t, r.l) {
				continue
			}
			bound, excuse := h.bound(r, rev)
			if bound != "" {
				if excuse = h.excuse(rev, t); excuse == "" {
					h.fail("%s accepts session %d %v after its end by %v was acknowledged: %s", r.name, t.s.id, time.Since(rev.acked), rev.key.Scope, bound)
					return
				}
			}
			h.forgive(excuse, "%s accepts session %d %v after its end by %v was acknowledged", r.name, t.s.id, time.Since(rev.acked), rev.key.Scope)
		}
		h.judgeAsks(r, t, d)
	case Refuse:
		h.counts["refused"]++
		for _, rev := range h.revoked {
			if rev.asks() == 0 && by(d.Reason, rev.key.Scope) && rev.mayEnd(t) {
				return
			}
		}
		if d.Reason == Stale && time.Since(t.checked) > h.shortest-time.Minute {
			return // it is expired
		}
		excuse := h.mistake(t, d.Reason)
		if excuse == "" {
			h.fail("%s refuses session %d (%v), which nothing ended", r.name, t.s.id, d.Reason)
			return
		}
		h.forgive(excuse, "%s refuses session %d (%v), which nothing ended", r.name, t.s.id, d.Reason)
	default:
		h.counts["undecided"]++
	}
}

// judgeAsks holds what is asked of an accepted session against the truth.
func (h *history) judgeAsks(r *member, t *modelToken, d Verdict) {
	if d.Asks != 0 && d.Renew {
		h.fail("%s renews session %d past what is asked of it", r.name, t.s.id)
	}
	for _, asks := range []revlog.Asks{revlog.AsksLogin, revlog.AsksReload, revlog.Ending} {
		if d.Asks&asks == 0 {
			continue
		}
		h.counts["asked"]++
		if slices.ContainsFunc(h.revoked, func(rev *modelRevocation) bool { return rev.key.Effect.Asks() == asks && rev.mayAsk(t) }) {
			continue
		}
		excuse := h.wronglyAsked(t, asks)
		if excuse == "" {
			h.fail("%s asks %b of session %d, and nobody wants that", r.name, asks, t.s.id)
			return
		}
		h.forgive(excuse, "%s asks %b of session %d, and nobody wants that", r.name, asks, t.s.id)
	}
}

// inTouch holds what r makes of its own view against when it last read. answered says
// that the store was asked and answered.
func (h *history) inTouch(r *member, t *modelToken, d Verdict, answered bool) {
	if d.Outcome != Accept || answered || !t.s.listed() {
		return
	}
	switch age := time.Since(r.heard); {
	case age > modelS && (d.Fresh || d.Renew):
		h.fail("%s accepts session %d as if it were in step, and read the store %v ago", r.name, t.s.id, age)
	case age > r.l.Grace():
		h.fail("%s accepts session %d, and read the store %v ago", r.name, t.s.id, age)
	}
}

func by(why Reason, s revlog.Scope) bool {
	return why == map[revlog.Scope]Reason{
		revlog.ScopeSession: RevokedSession, revlog.ScopeSubject: RevokedSubject, revlog.ScopeGroup: RevokedGroup,
		revlog.ScopeKey: RevokedKey, revlog.ScopeEveryone: RevokedEveryone,
	}[s]
}

// forgive counts what is forgiven, and fails if it is not in this history.
func (h *history) forgive(name, format string, args ...any) {
	if !slices.ContainsFunc(exemptions, func(e exemption) bool { return e.name == name }) {
		h.t.Fatalf("%q is no exemption", name)
	}
	h.forgiven[name]++
	if name == h.strict {
		h.fail(format, args...)
	}
}

// bound says why r has to refuse what rev ended, or which exemption it has.
func (h *history) bound(r *member, rev *modelRevocation) (why, excuse string) {
	switch {
	case rev.by == r:
		return "it made that itself", ""
	case heard(r, rev):
		return "it has read that", ""
	case !h.inStep(r):
		return "", "out of touch"
	case rev.held != 0 && r.last.clock > rev.held:
		return "it has read the store since that has it", ""
	case rev.held != 0:
		return "", "on its way"
	case rev.lost:
		return "", "nobody left"
	case h.clocks && h.sim.primary.head().MS-rev.at > h.shortest.Milliseconds():
		return "", "forgotten early"
	}
	for _, other := range h.members {
		if h.inStep(other) && knows(other, rev) && r.last.at.Sub(other.run.at) > modelS {
			return other.name + ", which knows of it, reaches the store for longer than S", ""
		}
	}
	return "", "out of reach"
}

// inStep reports whether r read the primary to its end within S.
func (h *history) inStep(r *member) bool {
	return h.follows(r) && time.Since(r.last.at) <= modelS
}

// follows reports whether r is served by the primary, and the last it read is of that.
func (h *history) follows(r *member) bool {
	n := h.sim.primary
	return r.link.to == n && r.last.from == n && r.last.lives == n.lives && r.run.from == n
}

// knows reports whether r has heard of rev, or made it.
func knows(r *member, rev *modelRevocation) bool { return rev.by == r || heard(r, rev) }

// A modelSlowEnd is an entry that ends sessions slowly. A later one does not tell of an earlier one.
type modelSlowEnd struct {
	key  revlog.Key
	w    int64
	over time.Duration
}

// heard reports whether r has read rev. What was to end slowly may have been ended at once.
func heard(r *member, rev *modelRevocation) bool {
	if rev.key.Effect == revlog.EndSlowly {
		return r.slow[modelSlowEnd{rev.key, rev.w, rev.over}] || r.read[rev.whole()] >= rev.w
	}
	return r.read[rev.key] >= rev.w
}

func (r *modelRevocation) whole() revlog.Key { return r.key.Whole() }

// track notes which revocations the primary holds, and those that nobody knows of any
// more: acknowledged writes that died with their only witnesses.
func (h *history) track() {
	defer func() { h.sim.clock++ }() // what begins now comes later
	for _, rev := range h.revoked {
		switch {
		case rev.acked.IsZero():
		case h.sim.primary.has(rev):
			if rev.held == 0 || rev.holder != h.sim.primary { // one that was deposed may have got it late
				rev.held, rev.holder = h.sim.clock, h.sim.primary
			}
		default:
			rev.held = 0
			if !rev.lost && !slices.ContainsFunc(h.members, func(r *member) bool { return knows(r, rev) }) {
				rev.lost = true
				h.say("nobody knows of the end of %v %s %d any more", rev.key.Scope, rev.name, rev.number)
			}
			if rev.lost && !h.sim.primary.holdsAny(rev) {
				rev.at = h.sim.primary.head().MS // up to now the answer was "not revoked"
			}
		}
	}
}
