package replica_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// What the application and the middleware do with sessions.

var (
	modelUsers  = []string{"ada", "bob", "eve"}
	modelGroups = []string{"tenant", "device"}
)

func (h *history) login(r *member) {
	s := &modelSession{user: modelUsers[h.pick(3)], idle: r.idle, begun: time.Now(), done: time.Now()}
	if h.pick(12) == 0 {
		h.anonymous(r, s)
		return
	}
	for _, g := range modelGroups {
		if h.pick(3) == 0 {
			s.groups = append(s.groups, g)
		}
	}
	b := h.identity(r, s)
	sure := h.since(r, s, &b)
	s.vague = b.Since != 0 && !sure
	r.link.failed, r.link.answered = false, false
	start, err := r.l.Begin(background, b)
	if err != nil {
		h.say("%s does not log %s in since %d: %v", r.name, s.user, b.Since, err)
		s.since = s.begun
		ended := func(rev *modelRevocation) bool { return rev.mayEnd(&modelToken{s: s}) }
		if sure && errors.Is(err, ErrRevoked) && !slices.ContainsFunc(h.revoked, ended) {
			h.fail("%s refuses a login of %s, whom nothing ended since it began", r.name, s.user)
		}
		return
	}
	if h.weak.rule == "R21" {
		start.Epoch += 2 * modelS.Milliseconds()
	}
	s.alone = r.link.failed || !r.link.answered || !h.inStep(r) || r.last.term != h.sim.primary.head().Term()
	h.mint(r, s, start)
	h.say("%s logs %s in as %d: ep %d ld %d chk %d", r.name, s.user, s.id, start.Epoch, start.Loaded, start.Checked)
}

// since takes the moment before a password is checked, and lets something happen
// meanwhile. It reports whether the store itself said what moment that is.
func (h *history) since(r *member, s *modelSession, b *Login) (sure bool) {
	if h.pick(3) == 0 {
		return false
	}
	r.link.failed, r.link.answered = false, false
	b.Since = r.l.Now(background)
	sure = !r.link.failed && r.link.answered && h.inStep(r) && r.last.term == h.sim.primary.head().Term() && time.Since(h.upset) > 3*modelS
	if h.weak.rule == "R30" {
		b.Since = r.l.LogTime() + 2*modelS.Milliseconds()
	}
	s.done = time.Now()
	time.Sleep(time.Nanosecond) // "after it was asked" has to mean something
	switch h.pick(4) {
	case 0:
		time.Sleep(time.Duration(h.pick(3000)) * time.Millisecond)
	case 1, 2:
		h.revokeSomething(h.someone())
	}
	return sure
}

func (h *history) anonymous(r *member, s *modelSession) {
	s.user = ""
	start := r.l.Anonymous()
	s.alone = !h.inStep(r)
	h.mint(r, s, start)
	h.say("%s begins anonymous %d: ep %d", r.name, s.id, start.Epoch)
}

func (h *history) identity(r *member, s *modelSession) Login {
	var b Login
	if s.user != "" {
		b.Subject = r.l.Tag(revlog.ScopeSubject, s.user)
	}
	for _, g := range s.groups {
		b.Groups = append(b.Groups, r.l.Tag(revlog.ScopeGroup, g))
	}
	return b
}

// sealing is the id of the key that seals now.
func (h *history) sealing() string { return fmt.Sprintf("key%d", h.keys) }

func (h *history) mint(r *member, s *modelSession, start Start) {
	s.id = uint64(len(h.sessions) + 1)
	s.apart = r.link.to != h.sim.primary
	s.epoch = start.Epoch
	if s.since.IsZero() {
		s.since = time.Now()
	}
	h.sessions = append(h.sessions, s)
	b := h.identity(r, s)
	t := &modelToken{s: s, loaded: s.done, alone: s.vague, checked: time.Now(), exp: time.Now().Add(r.wall + s.idle)}
	t.q = Query{Session: sessionID(s.id), Subject: b.Subject, Epoch: start.Epoch, Loaded: start.Loaded, Checked: start.Checked, Term: start.Term}
	t.q.SetGroups(b.Groups...)
	t.q.Keys[0] = h.sealing()
	h.keep(t)
}

func sessionID(n uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func (h *history) keep(t *modelToken) {
	h.tokens = append(h.tokens, t)
	if len(h.tokens) > 40 { // a thief forgets, too
		h.tokens = slices.Delete(h.tokens, h.pick(10), 11)
	}
}

// request presents a token to a replica, checks the answer, and lets the
// application do something with the session.
func (h *history) request(r *member, t *modelToken) {
	if h.keys > 0 && h.pick(15) == 0 { // somebody has a key that was revoked
		forged := *t
		start := r.l.Anonymous()
		forged.forged = true
		forged.q.Keys[0] = fmt.Sprintf("key%d", h.pick(h.keys))
		forged.q.Checked, forged.q.Term, forged.checked, forged.exp = start.Checked, start.Term, time.Now(), time.Now().Add(r.wall+time.Hour)
		t = &forged
	}
	q, d := h.decide(r, t)
	if d.Outcome == Accept && !t.forged {
		h.act(r, t, q, d)
	}
}

// decide decides about a token, as the middleware does, and judges that.
func (h *history) decide(r *member, t *modelToken) (*Query, Verdict) {
	if time.Now().Add(r.wall).After(t.exp) {
		return nil, Verdict{} // expired, by a wall clock that may be wrong
	}
	q := t.q
	r.link.failed = false
	d := r.l.Decide(&q)
	asked := d.Outcome == Ask
	if asked {
		r.link.said = revlog.FoundNothing
		d = r.l.Confirm(background, &q)
		if d.Outcome == Accept && r.link.said == revlog.FoundRevoked {
			h.fail("%s accepts session %d, which the store has just said is revoked", r.name, t.s.id)
		}
	}
	h.say("%s decides %d (ep %d chk %d ln %d): %v %v, asked %v, fresh %v", r.name, t.s.id, q.Epoch, q.Checked, q.Term, d.Outcome, d.Reason, asked, d.Fresh)
	h.judge(r, t, d)
	h.inTouch(r, t, d, asked && !r.link.failed)
	if d.Renew {
		q.Checked, q.Term = d.Checked, d.Term
	}
	return &q, d
}

// act is the application and the middleware: renewals, data, logout, groups.
func (h *history) act(r *member, t *modelToken, q *Query, d Verdict) {
	n := h.pick(12)
	switch {
	case h.mild == nil || t.s.user == "":
	case h.weak.rule == "R36" && d.Asks != 0:
		h.renew(r, t, q, Verdict{Extend: true})
		return
	case d.Asks&revlog.AsksLogin != 0:
		if n < 3 {
			h.succeedAs(Relogin, r, t, q)
		}
		return
	case d.Asks&revlog.AsksReload != 0:
		h.reload(r, t, q)
		return
	}
	if n >= 4 && t.s.user == "" {
		return
	}
	switch n {
	case 0, 1, 2, 3:
		h.renew(r, t, q, d)
	case 4:
		h.revoke(r, revlog.ScopeSession, fmt.Sprint(t.s.id), Revocation{})
	case 5, 6, 7:
		h.succeed(r, t, q)
	}
}

// renew seals t again, after a while in which something may have happened.
func (h *history) renew(r *member, t *modelToken, q *Query, d Verdict) {
	if !d.Extend && h.weak.rule != "R24" {
		return
	}
	if h.pick(4) == 0 {
		h.revoke(h.someone(), revlog.ScopeSession, fmt.Sprint(t.s.id), Revocation{})
		h.step(r)
	}
	now, checked := r.l.Decide(q), time.Now() // R23
	switch {
	case h.weak.rule == "R24" && now.Outcome == Accept && !now.Renew:
		start := r.l.Anonymous() // what an in-step replica would say
		now.Checked, now.Term = max(start.Checked, r.l.LogTime()), start.Term
	case h.weak.rule == "R23" && now.Outcome == Refuse && h.inStep(r):
		start := r.l.Anonymous()
		now.Checked, now.Term = start.Checked, start.Term
	case h.weak.rule == "R36" && now.Asks != 0 && h.inStep(r):
		start := r.l.Anonymous()
		now.Checked, now.Term = start.Checked, start.Term
	case !now.Extend:
		return
	case !now.Renew: // out of step: only the idle limit moves (R24)
		now.Checked, now.Term, checked = t.q.Checked, t.q.Term, t.checked
	}
	if h.weak.rule == "R19" {
		now.Checked++
	}
	next := *t
	next.q.Checked, next.q.Term, next.checked, next.exp = now.Checked, now.Term, checked, time.Now().Add(r.wall+t.s.idle)
	next.elsewhere = t.elsewhere && next.q.Term == t.q.Term
	next.q.Keys[0] = h.sealing()
	h.say("%s renews %d: chk %d ln %d", r.name, t.s.id, next.q.Checked, next.q.Term)
	h.keep(&next)
}

// reload is the application, which loads the data of a session.
func (h *history) reload(r *member, t *modelToken, q *Query) {
	next := *t
	if h.weak.rule == "R36 loaded" {
		next.loaded = time.Now()
		time.Sleep(time.Nanosecond)
		h.meanwhile(t)
		time.Sleep(time.Nanosecond)
	}
	r.link.failed, r.link.answered = false, false
	loaded, term, err := r.l.Loading(background, q)
	if err != nil {
		h.say("%s does not load %d: %v", r.name, t.s.id, err)
		return
	}
	next.apart = r.link.to != h.sim.primary
	next.alone = r.link.failed || !r.link.answered || !h.inStep(r) || r.last.term != h.sim.primary.head().Term()
	// The question names no session, so what was asked of this one elsewhere is asked once more.
	next.alone = next.alone || slices.ContainsFunc(h.revoked, func(rev *modelRevocation) bool {
		return rev.key.Scope == revlog.ScopeSession && rev.key.Effect == revlog.Reload && rev.names(t, t.s) && !knows(r, rev)
	})
	if h.weak.rule != "R36 loaded" {
		time.Sleep(time.Nanosecond)
		next.loaded = time.Now()
		time.Sleep(time.Nanosecond)
		h.meanwhile(t)
	}
	q.Loaded, q.LoadedTerm = loaded, term
	d := r.l.Decide(q)
	if d.Outcome == Ask {
		d = r.l.Confirm(background, q)
	}
	switch {
	case !d.Extend:
		h.say("%s loads %d for this request alone", r.name, t.s.id)
		return
	case d.Renew:
		q.Checked, q.Term, next.checked = d.Checked, d.Term, time.Now()
	default:
		q.Checked, q.Term = t.q.Checked, t.q.Term
	}
	h.say("%s loads %d: ld %d chk %d ln %d", r.name, t.s.id, loaded, q.Checked, q.Term)
	next.q.Loaded, next.q.Checked, next.q.Term = loaded, q.Checked, q.Term
	next.elsewhere = q.Term != term
	next.exp = time.Now().Add(r.wall + t.s.idle)
	next.q.Keys[0] = h.sealing()
	h.keep(&next)
}

// meanwhile lets something happen while data is loaded.
func (h *history) meanwhile(t *modelToken) {
	switch h.mild.IntN(4) {
	case 0:
		h.askSomething(h.someone())
	case 1:
		h.revoke(h.someone(), revlog.ScopeSubject, t.s.user, Revocation{Effect: revlog.Reload})
	}
	if h.mild.IntN(3) == 0 {
		h.step(h.someone())
	}
}

// askSomething asks something of sessions, or ends them slowly.
func (h *history) askSomething(r *member) {
	o := Revocation{Effect: []revlog.Effect{revlog.EndSlowly, revlog.RequireLogin, revlog.Reload}[h.mild.IntN(3)]}
	if o.Effect == revlog.EndSlowly {
		o.Over = []time.Duration{time.Second, time.Minute, time.Hour}[h.mild.IntN(3)]
	}
	switch n := h.mild.IntN(8); {
	case n == 0 && o.Effect == revlog.EndSlowly: // by two, one of which has not heard of the other
		h.revoke(r, revlog.ScopeEveryone, "", o)
		o.Over *= 2
		h.revoke(h.someone(), revlog.ScopeEveryone, "", o)
	case n == 0:
		h.revoke(r, revlog.ScopeEveryone, "", o)
	case n < 3 || o.Effect == revlog.EndSlowly:
		h.revoke(r, revlog.ScopeGroup, modelGroups[h.mild.IntN(2)], o)
	case n < 6:
		h.revoke(r, revlog.ScopeSubject, modelUsers[h.mild.IntN(3)], o)
	case len(h.tokens) > 0:
		t := h.tokens[h.mild.IntN(len(h.tokens))]
		h.revoke(r, revlog.ScopeSession, fmt.Sprint(t.s.id), o)
	}
}

func (h *history) succeed(r *member, t *modelToken, q *Query) {
	h.succeedAs([]Kind{SetGroups, Others, Relogin}[h.pick(3)], r, t, q)
}

func (h *history) succeedAs(kind Kind, r *member, t *modelToken, q *Query) {
	s := &modelSession{user: t.s.user, groups: t.s.groups, idle: t.s.idle, begun: time.Now(), done: time.Now(), minted: time.Now(), parent: t.s}
	switch kind {
	case SetGroups:
		s.groups = nil
		for _, g := range modelGroups {
			if h.pick(2) == 0 {
				s.groups = append(s.groups, g)
			}
		}
		s.begun, s.done, s.since, s.alone = t.s.begun, t.s.done, t.s.since, t.s.alone
	case Relogin:
		s.user = modelUsers[h.pick(3)]
		s.parent = nil // with the password one may always begin
	}
	for _, rev := range h.revoked {
		if (rev.key.Scope == revlog.ScopeSession || rev.asks() != 0) && rev.ends(t, t.s) && !knows(r, rev) && (r.link.to == nil || r.link.to.highest(rev.key) < rev.w) {
			s.kept = true
		}
	}
	old := h.revocation(r, r, revlog.ScopeSession, fmt.Sprint(t.s.id))
	others := h.revocation(r, r, revlog.ScopeSubject, t.s.user)
	start, err := r.l.Succeed(background, q, Succession{Kind: kind, Login: h.identity(r, s)})
	h.say("%s succeeds %d by kind %d: %v", r.name, t.s.id, kind, err)
	h.revoked = append(h.revoked, old)
	if kind == Others {
		h.revoked = append(h.revoked, others)
	}
	if err != nil {
		return
	}
	h.taken(old, r)
	if kind == Others {
		h.taken(others, r)
		others.called = others.called.Add(-1) // the successor itself began after
		time.Sleep(time.Nanosecond)
		s.since = time.Now()
	}
	h.mint(r, s, start)
	if next := h.tokens[len(h.tokens)-1]; kind != Relogin {
		next.loaded, next.alone = t.loaded, t.alone
	}
	h.say("   successor %d: ep %d chk %d", s.id, start.Epoch, start.Checked)
}

// revocation returns what the model notes of a revocation that by, nil for nobody here,
// is about to make. Any replica knows the tags.
func (h *history) revocation(by, r *member, scope revlog.Scope, name string) *modelRevocation {
	rev := &modelRevocation{key: revlog.Key{Scope: scope}, name: name, called: time.Now(), by: by}
	switch scope {
	case revlog.ScopeSession:
		rev.name = ""
		fmt.Sscan(name, &rev.number)
		rev.key.Tag = r.l.SessionTag(sessionID(rev.number))
	case revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeKey:
		rev.key.Tag = r.l.Tag(scope, name)
	}
	return rev
}

func (r *modelRevocation) global() bool {
	return r.key.Always()
}

func (h *history) revoke(r *member, scope revlog.Scope, name string, o Revocation) {
	rev := h.revocation(r, r, scope, name)
	rev.before, rev.over, rev.key.Effect = o.Before, o.Over, o.Effect
	o.Scope, o.Tag = scope, rev.key.Tag
	h.revoked = append(h.revoked, rev)
	asked := r
	if h.weak.rule == "R20" {
		asked = h.someone()
	}
	receipt, err := asked.l.Revoke(background, o)
	h.say("%s revokes %v %s (%v): %v %v", r.name, scope, name, o.Effect, receipt.Position, err)
	if err == nil {
		h.taken(rev, asked)
		if !rev.key.Bare() {
			time.Sleep(time.Nanosecond) // "after the acknowledgement" has to mean something
		}
	} else if errors.Is(err, revlog.ErrFuture) || errors.Is(err, ErrUnderWay) {
		h.revoked = h.revoked[:len(h.revoked)-1]
	}
}

// taken notes that the store of r acknowledged rev.
func (h *history) taken(rev *modelRevocation, r *member) {
	rev.acked = time.Now()
	rev.w = r.link.to.highest(rev.key)
	switch {
	case rev.w > 0:
	case rev.global(): // the store had it already, and forgot it at once
		rev.w = revlog.Forever
	case !rev.before.IsZero():
		rev.w = rev.before.UnixMilli()
	}
	rev.at = r.link.to.head().MS
	if r.link.to.holds(rev.key).Quiet { // one of many: everybody checked up to there asks
		rev.at = r.link.to.head().Floor
	}
	rev.apart = r.link.to != h.sim.primary || time.Since(h.upset) < 2*modelS
	for _, other := range h.members {
		if rev.before.IsZero() && rev.w < other.link.heard {
			rev.timeless = true
		}
	}
	h.track()
}

func (h *history) revokeSomething(r *member) {
	if h.mild != nil && h.mild.IntN(3) == 0 {
		h.askSomething(r)
		return
	}
	var o Revocation
	if h.pick(5) == 0 {
		// By log time, which is what "before" is compared with.
		ago := []time.Duration{0, time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour}[h.pick(5)]
		o.Before = time.UnixMilli(r.link.heard).Add(-ago)
	}
	switch h.pick(19) {
	case 0, 1:
		h.revoke(r, revlog.ScopeEveryone, "", o)
	case 2, 3, 4, 5:
		h.revoke(r, revlog.ScopeGroup, modelGroups[h.pick(2)], o)
	case 6, 7, 8, 9:
		h.revoke(r, revlog.ScopeSubject, modelUsers[h.pick(3)], o)
	case 10:
		key := h.sealing()
		h.keys++
		h.revoke(r, revlog.ScopeKey, key, Revocation{})
	case 11:
		h.revokeMany(r)
	case 12:
		if len(h.sessions) > 0 {
			h.newer(r, h.sessions[h.pick(len(h.sessions))])
		}
	default:
		if len(h.tokens) > 0 {
			t := h.tokens[h.pick(len(h.tokens))]
			h.revoke(r, revlog.ScopeSession, fmt.Sprint(t.s.id), Revocation{})
		}
	}
}

// revokeMany has r end some sessions in bulk, of which no entry of the log tells.
func (h *history) revokeMany(r *member) {
	var revs []*modelRevocation
	var all []Revocation
	for range h.pick(5) {
		if len(h.sessions) > 0 {
			rev := h.revocation(nil, r, revlog.ScopeSession, fmt.Sprint(h.sessions[h.pick(len(h.sessions))].id))
			revs = append(revs, rev)
			all = append(all, Revocation{Scope: rev.key.Scope, Tag: rev.key.Tag})
		}
	}
	h.revoked = append(h.revoked, revs...)
	_, err := r.l.RevokeMany(background, slices.Values(all), nil)
	for _, rev := range revs {
		h.say("%s revokes session %d, of many: %v", r.name, rev.number, err)
		if err == nil {
			h.taken(rev, r)
		}
	}
}

// newer has a newer release revoke a session, in an entry that those of today cannot
// read.
func (h *history) newer(r *member, s *modelSession) {
	n := h.sim.primary
	if n.list == (revlog.ListID{}) || n.head().Term() != n.id {
		return
	}
	rev := h.revocation(nil, r, revlog.ScopeSession, fmt.Sprint(s.id))
	a := revlog.Assertion{Scope: revlog.ScopeSession, Tag: rev.key.Tag, Version: 0x22, Effect: revlog.End.Byte()}
	if s.id%2 == 0 {
		a.Version, a.Effect, a.Params, a.W, a.Limit = 0x21, 0x90, "more", revlog.Forever, revlog.Forever
	}
	a.MAC = modelMAC(a.Entry())
	n.now()
	if _, err := n.memory.Write(background, revlog.Append{List: n.list, Assertions: []revlog.Assertion{a}}); err != nil {
		h.t.Fatal(err)
	}
	h.say("a newer release revokes session %d", s.id)
	rev.key = a.Entry().Key()
	rev.acked, rev.w, rev.at, s.newer = time.Now(), revlog.Forever, n.head().MS, true
	h.revoked = append(h.revoked, rev)
	h.track()
}
