package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"slices"
	"time"
)

func (h *history) advance() {
	d := []time.Duration{
		time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second,
		5 * time.Second, time.Minute, 4 * time.Minute, 11 * time.Minute, 25 * time.Minute, 3 * time.Hour,
	}
	n := len(d)
	if h.pick(4) > 0 {
		n = 7 // long waits are rare
	}
	wait := d[h.pick(n)]
	h.say("%v pass", wait)
	var reading []*replica
	for _, r := range h.replicas {
		if h.pick(5) > 0 {
			reading = append(reading, r)
		}
	}
	// Long silences are for those who do not read; the rest reads as always, of
	// which the last seconds are enough to see.
	rounds, each := 2, time.Millisecond
	if wait > modelS {
		rounds, each = 8, 400*time.Millisecond
	}
	time.Sleep(max(0, wait-time.Duration(rounds)*each))
	for range rounds {
		h.look()
		for _, r := range reading {
			h.step(r)
		}
		time.Sleep(each)
	}
}

var modelUsers = []string{"ada", "bob", "eve"}
var modelGroups = []string{"tenant", "device"}

func (h *history) login(r *replica) {
	s := &modelSession{user: modelUsers[h.pick(3)], idle: r.idle, begun: time.Now()}
	s.since = s.begun
	for _, g := range modelGroups {
		if h.pick(3) == 0 {
			s.groups = append(s.groups, g)
		}
	}
	b := h.identity(r, s)
	sure := h.since(r, s, &b)
	want := int64(-1) // what the store would say
	if n := r.link.to; n != nil && n.state != nil {
		a := n.answer(revlog.Question{Subject: b.Subject, Groups: b.Groups})
		want = max(a.Head.MS, a.Highest()+1)
	}
	start, err := r.l.Begin(context.Background(), b)
	h.say("%s logs %s in, since %d: %v", r.name, s.user, b.Since, err)
	if err != nil {
		if sure && errors.Is(err, ErrRevoked) && !slices.ContainsFunc(h.revoked, func(rev *modelRevocation) bool { return h.mayEnd(rev, s) }) {
			h.fail("%s refuses a login of %s, whom nothing ended since it began", r.name, s.user)
		}
		return
	}
	// Nor does a replica that has not read for long know what time it is at a store
	// that came back from a snapshot, before anybody has read it.
	s.silent = start.Epoch != want || r.l.view.Load().age(time.Now()) > modelS
	h.mint(r, s, start, nil)
	h.say("%s logs %s in as %d: ep %d chk %d", r.name, s.user, s.id, start.Epoch, start.Checked)
}

// since takes the moment before a password is checked, and lets something happen
// meanwhile. It reports whether the moment is the store's own.
func (h *history) since(r *replica, s *modelSession, b *Login) (sure bool) {
	if h.pick(3) == 0 {
		return false
	}
	n := r.link.to
	b.Since = r.l.Now(context.Background())
	if h.weak == "R30" {
		b.Since = r.l.clock.present(time.Now()) + 2*modelS.Milliseconds()
	}
	sure = n != nil && n.state != nil && b.Since == n.state.head.MS+modelS.Milliseconds()
	s.asked = time.Now()
	time.Sleep(time.Nanosecond) // "after it was asked" has to mean something
	switch h.pick(4) {
	case 0:
		time.Sleep(time.Duration(h.pick(3000)) * time.Millisecond)
	case 1, 2:
		h.revokeSomething(h.someone())
	}
	return sure
}

func (h *history) identity(r *replica, s *modelSession) Login {
	b := Login{Subject: r.l.Tag(revlog.ScopeSubject, s.user)}
	for _, g := range s.groups {
		b.Groups = append(b.Groups, r.l.Tag(revlog.ScopeGroup, g))
	}
	return b
}

func (h *history) mint(r *replica, s *modelSession, start Start, parent *modelSession) {
	s.id = uint64(len(h.sessions) + 1)
	s.done, s.parent, s.epoch = time.Now(), parent, start.Epoch
	if s.since.IsZero() {
		s.since = s.begun
	}
	if s.asked.IsZero() {
		s.asked = s.done
	}
	h.sessions = append(h.sessions, s)
	b := h.identity(r, s)
	t := &modelToken{s: s, exp: time.Now().Add(r.wall + s.idle)}
	t.q = Query{Subject: b.Subject, Groups: b.Groups, Epoch: start.Epoch, Checked: start.Checked, Term: start.Term}
	binary.BigEndian.PutUint64(t.q.Session[8:], s.id)
	h.keep(t)
}

func (h *history) keep(t *modelToken) {
	h.tokens = append(h.tokens, t)
	if len(h.tokens) > 40 { // a thief forgets, too
		h.tokens = slices.Delete(h.tokens, h.pick(10), 11)
	}
}

// request presents a token to a replica, checks the answer, and lets the
// application do something with the session.
func (h *history) request(r *replica, t *modelToken) {
	if time.Now().Add(r.wall).After(t.exp) {
		return // expired, by a wall clock that may be wrong
	}
	q := t.q
	q.tagged = false
	d := r.l.Decide(&q)
	asked := d.Outcome == Ask
	if asked {
		r.link.said = revlog.FoundNothing
		d = r.l.Confirm(context.Background(), &q)
		if d.Outcome == Accept && r.link.said == revlog.FoundRevoked {
			h.fail("%s accepts session %d, which the store has just said is revoked", r.name, t.s.id)
		}
	}
	h.say("%s decides %d (ep %d chk %d ln %d): %v %v, asked %v, fresh %v", r.name, t.s.id, q.Epoch, q.Checked, q.Term, d.Outcome, d.Reason, asked, d.Fresh)
	h.judge(r, t, d)
	if d.Outcome == Accept {
		h.act(r, t, &q, d)
	}
}

// act is the application and the middleware: renewals, data, logout, groups.
func (h *history) act(r *replica, t *modelToken, q *Query, d Verdict) {
	n := *t
	switch h.pick(12) {
	case 0, 1, 2, 3: // renewal
		if h.weak == "R24" {
			v := r.l.view.Load()
			n.q.Checked, n.q.Term = v.stamp().chk, v.stamp().term
			n.exp = time.Now().Add(r.wall + t.s.idle)
			if v.age(time.Now()) <= modelS {
				return
			}
			n.q.Checked = max(n.q.Checked, r.l.logTime(time.Now()))
		} else if !d.Renew {
			return
		} else {
			n.q.Checked, n.q.Term, n.exp = d.Checked, d.Term, time.Now().Add(r.wall+t.s.idle)
		}
		if again := r.l.Decide(q); again.Outcome == Refuse {
			return // R23
		}
		h.say("%s renews %d: chk %d ln %d", r.name, t.s.id, n.q.Checked, n.q.Term)
		h.keep(&n)
	case 4: // logout
		h.revoke(r, revlog.ScopeSession, fmt.Sprint(t.s.id), Revocation{Scope: revlog.ScopeSession, Tag: r.l.SessionTag(q.Session)})
	case 5, 6, 7:
		h.succeed(r, t, q)
	}
}

func (h *history) succeed(r *replica, t *modelToken, q *Query) {
	kind := []Kind{Switch, Others, Relogin}[h.pick(3)]
	s := &modelSession{user: t.s.user, groups: t.s.groups, idle: t.s.idle, begun: time.Now(), minted: time.Now()}
	switch kind {
	case Switch:
		s.groups = nil
		for _, g := range modelGroups {
			if h.pick(2) == 0 {
				s.groups = append(s.groups, g)
			}
		}
		s.begun, s.since, s.silent, s.asked = t.s.begun, t.s.since, t.s.silent, t.s.asked
	case Relogin:
		s.user = modelUsers[h.pick(3)]
	}
	for _, rev := range h.revoked {
		if rev.scope == revlog.ScopeSession && rev.ends(t.s) {
			s.blind = s.blind || !h.knows(rev, r.link.to, []*replica{r})
		}
	}
	called := time.Now()
	start, err := r.l.Succeed(context.Background(), q, Succession{Kind: kind, Login: h.identity(r, s)})
	h.say("%s succeeds %d by kind %d: %v", r.name, t.s.id, kind, err)
	rev := &modelRevocation{scope: revlog.ScopeSession, id: fmt.Sprint(t.s.id), called: called, by: r}
	others := &modelRevocation{scope: revlog.ScopeSubject, id: t.s.user, called: called, by: r, shaky: h.shaky()}
	h.revoked = append(h.revoked, rev)
	if kind == Others {
		h.revoked = append(h.revoked, others)
	}
	if err != nil {
		return
	}
	h.taken(rev, r)
	if kind == Others {
		h.taken(others, r)
		others.called = others.called.Add(-1) // the successor itself began after
		s.since = time.Now().Add(time.Nanosecond)
	}
	parent := t.s
	if kind == Relogin {
		parent = nil // whoever has the password may always begin
	}
	h.mint(r, s, start, parent)
	if kind == Switch { // an epoch as old as the first login
		s.done = t.s.done
	}
	h.say("   minted %d: ep %d chk %d", s.id, start.Epoch, start.Checked)
}

func (h *history) revoke(r *replica, scope revlog.Scope, id string, o Revocation) {
	rev := &modelRevocation{scope: scope, id: id, called: time.Now(), before: o.Before, by: r, shaky: h.shaky()}
	h.revoked = append(h.revoked, rev)
	receipt, err := r.l.Revoke(context.Background(), o)
	h.say("%s revokes %v %s: %v %v", r.name, scope, id, receipt.Position, err)
	if err == nil {
		h.taken(rev, r)
		if scope != revlog.ScopeSession {
			time.Sleep(time.Nanosecond) // "after the acknowledgement" has to mean something
		}
	} else if errors.Is(err, revlog.ErrFuture) {
		h.revoked = h.revoked[:len(h.revoked)-1]
	}
}

func with(o Revocation, scope revlog.Scope, tag revlog.Tag) Revocation {
	o.Scope, o.Tag = scope, tag
	return o
}

func (h *history) revokeSomething(r *replica) {
	o := Revocation{Scope: revlog.ScopeEveryone}
	if h.pick(5) == 0 {
		// By log time, which is what "before" is compared with.
		ago := []time.Duration{0, time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour}[h.pick(5)]
		o.Before = time.UnixMilli(r.l.view.Load().m.MS).Add(-ago)
	}
	switch h.pick(8) {
	case 0:
		h.revoke(r, revlog.ScopeEveryone, "", o)
	case 1, 2:
		g := modelGroups[h.pick(2)]
		h.revoke(r, revlog.ScopeGroup, g, with(o, revlog.ScopeGroup, r.l.Tag(revlog.ScopeGroup, g)))
	case 3, 4:
		u := modelUsers[h.pick(3)]
		h.revoke(r, revlog.ScopeSubject, u, with(o, revlog.ScopeSubject, r.l.Tag(revlog.ScopeSubject, u)))
	default:
		if len(h.tokens) > 0 {
			t := h.tokens[h.pick(len(h.tokens))]
			h.revoke(r, revlog.ScopeSession, fmt.Sprint(t.s.id), Revocation{Scope: revlog.ScopeSession, Tag: r.l.SessionTag(t.q.Session)})
		}
	}
}
