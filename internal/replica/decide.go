package replica

import (
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Decide says whether the session that q describes is alive, from what this replica holds
// in memory. It does no I/O, allocates nothing, and takes no lock unless this replica is
// cut off. If the outcome is [Ask], call [Replica.Confirm].
//
// A filter match alone never refuses a session. If Decide accepts a session, no revocation
// that this replica has read or was asked to make applies to it.
func (l *Replica) Decide(q *Query) Verdict {
	now := time.Now()
	v := l.decide(q, now)
	l.counters.decidedFor(q, &v, now)
	if v.Outcome == Accept {
		l.census.saw(q)
	}
	return v
}

func (l *Replica) decide(q *Query, now time.Time) Verdict {
	if l.store == nil {
		return Verdict{Outcome: Accept, Fresh: true, Extend: true, Renew: true}
	}
	if !q.tagged || q.of != q.Session {
		l.tags.seal(&q.tag, &q.Session)
		q.of, q.tagged = q.Session, true
	}
	// The outbox comes first. A revocation leaves it only after a view with its entry was
	// published, so one of the two has it (R20).
	own := l.own(q)
	v := l.view.Load()
	switch {
	case own != None:
		return Verdict{Outcome: Refuse, Reason: own, Fresh: true}
	case v == nil:
		return Verdict{Reason: Silent} // booting
	}
	d := l.local(q, v, now)
	age := v.age(now)
	d.Fresh = age <= l.Within()
	d.Extend = d.Outcome == Accept && age <= l.Grace() // R24
	d = d.limited()
	switch {
	case d.Fresh:
		if d.Outcome == Accept && !v.newPrimary(l.Within()) {
			d.Renew = d.Asks == 0 // R36
			at := v.checked()     // R19
			d.Checked, d.Term = at.chk, at.term
		}
		return d
	case d.Outcome == Refuse || !q.listed():
		return d // a refusal stays one, and what the list is not about needs no list
	case l.silent.Load():
		if r := l.answeredRevoked(q); r != None { // what the store said before it fell silent
			return Verdict{Outcome: Refuse, Reason: r}
		}
		return frozen(d, age, l.Grace())
	}
	return Verdict{Outcome: Ask} // stale: accepted only after a confirm
}

// frozen returns what a replica that is cut off makes of a local decision: what the window
// decides stands until G, and the store cannot be asked.
func frozen(d Verdict, age, grace time.Duration) Verdict {
	if d.Outcome == Ask || d.Outcome == Accept && age > grace {
		return Verdict{Reason: Silent}
	}
	return Verdict{Outcome: d.Outcome, Reason: d.Reason, Extend: d.Outcome == Accept, Asks: d.Asks}.limited()
}

// local decides from v alone, whatever its age (R16).
func (l *Replica) local(q *Query, v *view, now time.Time) Verdict {
	if r := l.globallyRevoked(q, v); r != None {
		return Verdict{Outcome: Refuse, Reason: r}
	}
	// An anonymous session that began before this replica joined the list was never
	// checked.
	if v.expired(q) && (q.listed() || q.Checked > 0) {
		return Verdict{Outcome: Refuse, Reason: Stale}
	}
	if !q.listed() {
		return l.accepted(q, v, miss, now)
	}
	if r := l.knownTo(q, v.tail); r != None {
		return Verdict{Outcome: Refuse, Reason: r}
	}
	skew := l.Within().Milliseconds()
	if max(q.Epoch, q.Loaded) > v.logTime(now, l.Within())+skew ||
		q.Checked > v.m.MS+skew ||
		q.Checked < max(v.now.from, v.head.Born, v.head.Floor) ||
		!stillHolds(&v.head, q.Term, q.Checked) {
		// The replica goes on refusing what it knows to be revoked: the store may have lost
		// it.
		if r := l.known(q, v); r != None {
			return Verdict{Outcome: Refuse, Reason: r}
		}
		return l.doubt(q, v, now)
	}
	s, r := l.lookCounting(q, v.now)
	switch s {
	case revoked:
		return Verdict{Outcome: Refuse, Reason: r}
	case maybe:
		return l.doubt(q, v, now)
	}
	return l.accepted(q, v, s, now)
}

// accepted returns the verdict about q, which nothing ends at once. f is what the window of v says of
// q. Mostly nothing is asked of q, and then this looks no further.
func (l *Replica) accepted(q *Query, v *view, f finding, now time.Time) Verdict {
	if f != asks && !v.asksMore() && l.outbox.n.Load() == 0 {
		return Verdict{Outcome: Accept}
	}
	return l.asked(q, v, Verdict{Outcome: Accept}, now)
}

// doubt decides about q when the window cannot: ask the store, unless q has ended slowly or the store
// may have forgotten what ended q.
func (l *Replica) doubt(q *Query, v *view, now time.Time) Verdict {
	if _, r := l.endsSlowly(q, v, now); r != None {
		return Verdict{Outcome: Refuse, Reason: r}
	}
	if forgotten(q.Checked, v.head, v.m.MS) {
		return Verdict{Outcome: Refuse, Reason: Stale}
	}
	return Verdict{Outcome: Ask}
}

// own looks for q in the revocations that this replica made itself.
func (l *Replica) own(q *Query) Reason {
	if l.outbox.n.Load() == 0 {
		return None
	}
	_, why := l.match(q, global|listed, func(k revlog.Key) finding { return l.outbox.sees(k, q.Epoch) })
	return why
}

// globallyRevoked looks for everyone and for the keys of q in the global entries.
func (l *Replica) globallyRevoked(q *Query, v *view) Reason {
	if len(v.globals) == 0 {
		return None
	}
	_, why := l.match(q, global, func(k revlog.Key) finding { return v.globals.sees(k, q.Epoch) })
	return why
}

// look looks for q in the entries of w that are newer than q.Checked.
func (l *Replica) look(q *Query, w *window) (finding, Reason) {
	return l.match(q, listed, func(k revlog.Key) finding { return w.sees(k, q.Checked, q.Epoch) })
}

// lookCounting is look for a decision: it counts whether the filters were right, as far as w
// itself can tell.
func (l *Replica) lookCounting(q *Query, w *window) (finding, Reason) {
	return l.match(q, listed, func(k revlog.Key) finding {
		if k.Scope != revlog.ScopeSession {
			return w.sees(k, q.Checked, q.Epoch)
		}
		f, hit := w.seesSession(k.Tag, q.Checked)
		switch {
		case hit && f == revoked:
			l.counters.hit.Add(1)
		case hit && f == miss:
			l.counters.wrongHit.Add(1)
		}
		return f
	})
}

// known looks for q in what v holds exactly, whatever its checked position.
func (l *Replica) known(q *Query, v *view) Reason {
	if r := l.knownTo(q, v.now); r != None {
		return r
	}
	if r := l.knownTo(q, v.tail); r != None {
		return r
	}
	return l.knownTo(q, v.kept)
}

// knownTo looks for q in what w holds exactly. w may be nil.
func (l *Replica) knownTo(q *Query, w *window) Reason {
	if w == nil {
		return None
	}
	if s, why := l.match(q, listed, func(k revlog.Key) finding { return w.knows(k, q.Epoch) }); s == revoked {
		return why
	}
	return None
}
