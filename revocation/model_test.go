package revocation

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The model: what was revoked, when, and which sessions that ends, told without
// positions, filters, tags or clocks but the true one. Random histories of
// several replicas on the simulated store run against it.

var (
	modelHistories = flag.Int("model.histories", 10_000, "random histories to run against the model")
	modelSeed      = flag.Uint64("model.seed", 0, "run the one history of this seed, and print it")
)

type modelSecrets struct{}

func (modelSecrets) ListSecret(label string) (out [32]byte) {
	copy(out[:], label)
	return out
}

const modelS = 2 * time.Second

// A modelSession is what the model knows of one session.
type modelSession struct {
	id     uint64
	user   string
	groups []string
	begun  time.Time // the login began
	done   time.Time // the login was over
	since  time.Time // the epoch's moment: the login, or the last "all but this one"
	minted time.Time // when making it began, if it follows another
	parent *modelSession
	idle   time.Duration
	silent bool // begun while the store was silent
	// blind: follows a session whose end neither the store that let it nor the
	// replica that asked had heard of (another primary took it).
	blind   bool
	renewed time.Time
}

// A modelToken is one copy of a session's token; a thief keeps them all.
type modelToken struct {
	s   *modelSession
	q   Query
	exp time.Time // by the wall clock of whoever sealed it
}

// A modelRevocation is one call of Revoke, or what Succeed revoked.
type modelRevocation struct {
	scope  Scope
	id     string
	called time.Time
	acked  time.Time // zero: never acknowledged
	before time.Time // zero: all that began until then
	by     *replica
	// shaky: the store had just been upset. A session may then carry an epoch up to ε
	// ahead from a primary that is gone, and only what is older is certain to end.
	shaky  bool
	number uint64 // of the session
	lost   bool   // nobody alive knows of it any more
}

func (r *modelRevocation) names(s *modelSession) bool {
	switch r.scope {
	case ScopeSession:
		return r.id == fmt.Sprint(s.id)
	case ScopeSubject:
		return r.id == s.user
	case ScopeGroup:
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
	if r.scope == ScopeSession {
		if r.names(s) {
			return true
		}
		// A successor made after the end was acknowledged is the same session.
		return s.parent != nil && !s.blind && s.minted.After(r.acked) && r.ends(s.parent)
	}
	if !r.before.IsZero() {
		return r.names(s) && s.done.Before(r.before.Add(-time.Hour*3)) // clocks may be off
	}
	if r.shaky {
		return r.names(s) && s.done.Before(r.called.Add(-2*modelS))
	}
	return r.names(s) && s.done.Before(r.called)
}

// mayEnd reports whether r may refuse s: everything but a session that certainly
// began after r was over. Where two nodes served at once, or the one that took r
// lost it before s began, log times differ and a W reaches a little further.
func (h *history) mayEnd(r *modelRevocation, s *modelSession) bool {
	if !r.names(s) {
		return false
	}
	if r.scope == ScopeSession || h.split || r.acked.IsZero() || !s.since.After(r.acked) {
		return true
	}
	lost := !h.sim.upset.Before(r.acked)
	return lost && (h.clocks || s.since.Sub(r.acked) < 3*modelS)
}

type replica struct {
	name string
	l    *List
	link *link
	wall time.Duration // its clock is off by
	idle time.Duration
}

type history struct {
	t        *testing.T
	seed     uint64
	r        *rand.Rand
	sim      *sim
	replicas []*replica
	sessions []*modelSession
	tokens   []*modelToken
	revoked  []*modelRevocation
	old      []*simState // snapshots
	weak     weakness
	failed   string
	trace    []string
	lostRefs int // refusals for lack of data, named exceptions
	accepts  int
	refusals int
	begun    time.Time
	shaken   time.Time // when a link, a node or a clock last changed
	clocks   bool      // a node's clock was ever stepped
	split    bool      // two nodes ever served at once
	resealed bool
}

func (h *history) say(format string, args ...any) {
	if *modelSeed != 0 {
		h.trace = append(h.trace, fmt.Sprintf("%9.3f ", time.Since(h.begun).Seconds())+fmt.Sprintf(format, args...))
	}
}

func (h *history) fail(format string, args ...any) {
	if h.failed == "" {
		h.failed = fmt.Sprintf(format, args...)
		h.say("FAILED %s", h.failed)
	}
}

func (h *history) pick(n int) int { return h.r.IntN(n) }

// boot starts a replica, and gives up if the store is silent.
func (h *history) boot() {
	idle := []time.Duration{20 * time.Minute, 2 * time.Hour, 6 * time.Hour}[h.pick(3)]
	r := &replica{
		name: fmt.Sprintf("r%d", len(h.replicas)), idle: idle,
		link: &link{sim: h.sim, to: h.sim.reign},
		wall: []time.Duration{0, 0, 0, time.Hour, -time.Hour}[h.pick(5)],
	}
	l, err := newList(r.link, modelSecrets{}, Config{MaxIdle: idle, Within: modelS, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	r.l = l
	if err := l.boot(context.Background(), time.Now()); err != nil {
		h.say("%s cannot boot: %v", r.name, err)
		return
	}
	h.say("%s boots, idle %v, clock %v", r.name, idle, r.wall)
	h.replicas = append(h.replicas, r)
}

func (h *history) someone() *replica { return h.replicas[h.pick(len(h.replicas))] }

// step lets r read, as its loop would.
func (h *history) step(r *replica) {
	switch h.weak {
	case "R10":
		h.stepDeaf(r)
	case "R11":
		h.stepCareless(r)
	default:
		r.l.step(context.Background(), time.Now())
	}
}

// stepDeaf reads on without looking whether it is still the same log: R10 off.
func (h *history) stepDeaf(r *replica) {
	l, now := r.l, time.Now()
	v := l.view.Load()
	p, err := l.fetch(context.Background(), v.head.Genesis, v.cursor(), false)
	if err != nil {
		l.step(context.Background(), now) // the rest of the rules
		return
	}
	if len(p.Entries) > 0 && p.Entries[0].Position == v.last {
		p.Entries = p.Entries[1:]
	}
	l.silent.Store(false)
	n := l.advance(v, p, p.Entries, now)
	if len(p.Entries) == 0 {
		n.last = Position{0, p.Head.N}
	}
	l.publish(n)
	l.flush(context.Background())
}

// stepCareless takes another list for the one it knows: R11 off.
func (h *history) stepCareless(r *replica) {
	l, now := r.l, time.Now()
	v := l.view.Load()
	_, err := l.fetch(context.Background(), v.head.Genesis, v.cursor(), false)
	if !errors.Is(err, ErrLost) && !errors.Is(err, ErrGenesis) {
		l.step(context.Background(), now)
		return
	}
	head, err := l.create(context.Background())
	if err != nil {
		return
	}
	n, _, err := l.begin(context.Background(), head, 0, now)
	if err != nil {
		return
	}
	w := *v.now
	w.to = n.m.MS
	n.now = w.add(n.now.ring, n.m.MS, head.Retain())
	n.head.Born = 0
	l.publish(n)
}

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
	time.Sleep(wait)
	var reading []*replica
	for _, r := range h.replicas {
		if h.pick(5) > 0 {
			reading = append(reading, r)
		}
	}
	for range 2 { // what one brings back, the others read the next time
		for _, r := range reading {
			h.step(r)
		}
		time.Sleep(time.Millisecond)
	}
}

var modelUsers = []string{"ada", "bob", "eve"}
var modelGroups = []string{"tenant", "device"}

func (h *history) login(r *replica) {
	s := &modelSession{user: modelUsers[h.pick(3)], idle: r.idle, begun: time.Now()}
	for _, g := range modelGroups {
		if h.pick(3) == 0 {
			s.groups = append(s.groups, g)
		}
	}
	b := h.identity(r, s)
	want := int64(-1) // what the store would say
	if n := r.link.to; n != nil && n.state != nil {
		a := n.answer(Question{Subject: b.Subject, Groups: b.Groups})
		want = max(a.Head.MS, a.Highest()+1)
	}
	start, err := r.l.Begin(context.Background(), b)
	if err != nil {
		return
	}
	s.silent = start.Epoch != want
	h.mint(r, s, start, nil)
	h.say("%s logs %s in as %d: ep %d chk %d", r.name, s.user, s.id, start.Epoch, start.Checked)
}

func (h *history) identity(r *replica, s *modelSession) Login {
	b := Login{Subject: r.l.Tag(Subject(s.user))}
	for _, g := range s.groups {
		b.Groups = append(b.Groups, r.l.Tag(Group(g)))
	}
	return b
}

func (h *history) mint(r *replica, s *modelSession, start Start, parent *modelSession) {
	s.id = uint64(len(h.sessions) + 1)
	s.done, s.parent = time.Now(), parent
	if s.since.IsZero() {
		s.since = s.begun
	}
	h.sessions = append(h.sessions, s)
	b := h.identity(r, s)
	t := &modelToken{s: s, exp: time.Now().Add(r.wall + s.idle)}
	t.q = Query{Subject: b.Subject, Groups: b.Groups, Epoch: start.Epoch, Checked: start.Checked, Line: start.Line}
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
		d = r.l.Confirm(context.Background(), &q)
	}
	h.say("%s decides %d (ep %d chk %d ln %d): %v %v, asked %v, fresh %v", r.name, t.s.id, q.Epoch, q.Checked, q.Line, d.Outcome, d.Reason, asked, d.Fresh)
	h.judge(r, t, d)
	if d.Outcome == Accept {
		h.act(r, t, &q, d)
	}
}

func (h *history) shaky() bool { return time.Since(h.sim.upset) < 2*modelS }

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
			if rev.by == r && rev.scope != ScopeSession {
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

// act is the application and the middleware: renewals, data, logout, groups.
func (h *history) act(r *replica, t *modelToken, q *Query, d Verdict) {
	n := *t
	switch h.pick(12) {
	case 0, 1, 2, 3: // renewal
		if h.weak == "R24" {
			v := r.l.view.Load()
			n.q.Checked, n.q.Line = v.stamp()
			n.exp = time.Now().Add(r.wall + t.s.idle)
			if v.age(time.Now()) <= modelS {
				return
			}
			n.q.Checked = max(n.q.Checked, r.l.logTime(time.Now()))
		} else if !d.Renew {
			return
		} else {
			n.q.Checked, n.q.Line, n.exp = d.Checked, d.Line, time.Now().Add(r.wall+t.s.idle)
		}
		if again := r.l.Decide(q); again.Outcome == Refuse {
			return // R23
		}
		h.say("%s renews %d: chk %d ln %d", r.name, t.s.id, n.q.Checked, n.q.Line)
		h.keep(&n)
	case 4: // logout
		h.revoke(r, ScopeSession, fmt.Sprint(t.s.id), Session(q.sessionID()), Options{})
	case 5, 6, 7:
		h.succeed(r, t, q)
	}
}

func (q *Query) sessionID() string { return modelID(q.Session) }

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
		s.begun, s.since, s.silent = t.s.begun, t.s.since, t.s.silent
	case Relogin:
		s.user = modelUsers[h.pick(3)]
	}
	for _, rev := range h.revoked {
		if rev.scope == ScopeSession && rev.ends(t.s) {
			s.blind = s.blind || !h.knows(rev, r.link.to, []*replica{r})
		}
	}
	called := time.Now()
	start, err := r.l.Succeed(context.Background(), q, Succession{Kind: kind, Login: h.identity(r, s)})
	h.say("%s succeeds %d by kind %d: %v", r.name, t.s.id, kind, err)
	rev := &modelRevocation{scope: ScopeSession, id: fmt.Sprint(t.s.id), called: called, by: r}
	others := &modelRevocation{scope: ScopeSubject, id: t.s.user, called: called, by: r, shaky: h.shaky()}
	h.revoked = append(h.revoked, rev)
	if kind == Others {
		h.revoked = append(h.revoked, others)
	}
	if err != nil {
		return
	}
	rev.acked = time.Now()
	if kind == Others {
		others.acked = time.Now()
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

func (h *history) revoke(r *replica, scope Scope, id string, target Target, o Options) {
	rev := &modelRevocation{scope: scope, id: id, called: time.Now(), before: o.Before, by: r, shaky: h.shaky()}
	h.revoked = append(h.revoked, rev)
	receipt, err := r.l.Revoke(context.Background(), target, o)
	h.say("%s revokes %v %s: %v %v", r.name, scope, id, receipt.Position, err)
	if err == nil {
		rev.acked = time.Now()
		if scope != ScopeSession {
			time.Sleep(time.Nanosecond) // "after the acknowledgement" has to mean something
		}
	} else if errors.Is(err, ErrFuture) || errors.Is(err, ErrTarget) {
		h.revoked = h.revoked[:len(h.revoked)-1]
	}
}

func (h *history) revokeSomething(r *replica) {
	o := Options{}
	if h.pick(5) == 0 {
		o.Before = time.Now().Add(-time.Duration(h.pick(4)) * time.Hour)
	}
	switch h.pick(8) {
	case 0:
		h.revoke(r, ScopeEveryone, "", Everyone(), o)
	case 1, 2:
		g := modelGroups[h.pick(2)]
		h.revoke(r, ScopeGroup, g, Group(g), o)
	case 3, 4:
		u := modelUsers[h.pick(3)]
		h.revoke(r, ScopeSubject, u, Subject(u), o)
	default:
		if len(h.tokens) > 0 {
			t := h.tokens[h.pick(len(h.tokens))]
			h.revoke(r, ScopeSession, fmt.Sprint(t.s.id), Session(modelID(t.q.Session)), Options{})
		}
	}
}

// fault does something to the store, a link or a replica.
func (h *history) fault() {
	s := h.sim
	switch h.pick(14) {
	case 0: // FLUSHALL
		h.say("FLUSHALL")
		s.reign.state = nil
		s.upset = time.Now()
	case 1: // failover that loses a tail, to a node whose clock may be off
		h.failover(false)
	case 2: // the same, and the old primary goes on serving whom it serves
		h.failover(true)
	case 3: // restart from an old snapshot
		if len(h.old) > 0 {
			h.say("restart from a snapshot")
			state := h.old[h.pick(len(h.old))]
			old := s.reign
			s.reign = s.newNode(state, s.reign.offset)
			h.reroute(old)
			s.upset = time.Now()
		}
	case 4: // the clock of the store is set
		s.reign.offset = []time.Duration{0, time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second}[h.pick(5)]
		h.clocks = true
		h.shaken = time.Now()
		h.say("the store's clock is off by %v", s.reign.offset)
	case 5, 6: // a replica cannot reach the store
		r := h.someone()
		r.link.to = nil
		h.say("%s is cut off", r.name)
	case 7, 8, 9: // and can again
		r := h.someone()
		r.link.to, r.link.loss = s.reign, 0
		h.shaken = time.Now()
		h.say("%s reaches the store", r.name)
	case 10: // answers get lost
		r := h.someone()
		r.link.loss = 30
		h.say("%s loses answers", r.name)
	case 11, 12: // a replica boots
		if len(h.replicas) < 6 {
			h.boot()
		}
	case 13: // a replica is gone, and with it what only it knew
		if len(h.replicas) > 2 {
			i := h.pick(len(h.replicas))
			h.say("%s dies", h.replicas[i].name)
			h.replicas = slices.Delete(h.replicas, i, i+1)
			h.forget()
		}
	}
}

func (h *history) failover(split bool) {
	s := h.sim
	state := s.reign.state.clone()
	if state != nil && len(state.log) > 0 && h.pick(2) == 0 && len(h.old) > 0 {
		// The tail is what came since some moment of the last seconds.
		if last := h.old[len(h.old)-1]; last.head.Genesis == state.head.Genesis {
			state = last
		}
	}
	old := s.reign
	old.deposed = time.Now()
	s.reign = s.newNode(state, []time.Duration{0, 0, -500 * time.Millisecond, time.Second}[h.pick(4)])
	s.upset = time.Now()
	h.say("failover, split %v", split)
	h.split = h.split || split
	if !split {
		h.reroute(old)
		return
	}
	for _, r := range h.replicas {
		if r.link.to == old && h.pick(2) == 0 {
			r.link.to = s.reign
		}
	}
}

func (h *history) reroute(from *node) {
	for _, r := range h.replicas {
		if r.link.to == from {
			r.link.to = h.sim.reign
		}
	}
}

// forget marks revocations that no replica alive and no store has any more: an
// acknowledged write that died with its only witnesses (DESIGN §12).
func (h *history) forget() {
	for _, rev := range h.revoked {
		if !rev.lost && !rev.acked.IsZero() && !h.known(rev) {
			rev.lost = true
			h.say("nobody knows of the end of %v %s any more", rev.scope, rev.id)
		}
	}
}

func (h *history) known(rev *modelRevocation) bool { return h.knows(rev, h.sim.reign, h.replicas) }

// knows reports whether the node or one of the replicas has rev.
func (h *history) knows(rev *modelRevocation, n *node, replicas []*replica) bool {
	k := exactKey{scope: rev.scope}
	l := h.replicas[0].l
	switch rev.scope {
	case ScopeSession:
		var id [16]byte
		fmt.Sscan(rev.id, &rev.number)
		binary.BigEndian.PutUint64(id[8:], rev.number)
		k.tag = l.tags.session(id)
	case ScopeSubject:
		k.tag = l.Tag(Subject(rev.id))
	case ScopeGroup:
		k.tag = l.Tag(Group(rev.id))
	}
	if n != nil && n.state != nil {
		if _, ok := n.state.exact[k]; ok {
			return true
		}
	}
	for _, r := range replicas {
		if r.l.outbox.w(k) >= 0 {
			return true
		}
		v := r.l.view.Load()
		if _, ok := v.marks[k]; ok {
			return true
		}
		for _, w := range []*window{v.before, v.now} {
			if w != nil && w.hit(k.tag, 0) {
				return true
			}
		}
	}
	return false
}

// run plays one history and returns what it found wrong.
func (h *history) run() {
	h.begun = time.Now()
	h.boot()
	h.boot()
	for range 60 + h.pick(60) {
		if h.failed != "" {
			return
		}
		switch n := h.pick(100); {
		case n < 30:
			h.advance()
		case n < 42:
			h.login(h.someone())
		case n < 75 && len(h.tokens) > 0:
			h.request(h.someone(), h.tokens[h.pick(len(h.tokens))])
		case n < 84:
			h.revokeSomething(h.someone())
		case n < 88:
			if st := h.sim.reign.state; st != nil {
				h.old = append(h.old, st.clone())
			}
		case n < 95:
			h.fault()
			h.forget()
		default:
			h.step(h.someone())
		}
	}
	h.heal()
}

// heal ends all faults and waits until nothing is under way: then no session
// that ended may be accepted by anybody.
func (h *history) heal() {
	h.say("all faults end")
	for _, r := range h.replicas {
		r.link.to, r.link.loss = h.sim.reign, 0
	}
	h.shaken = time.Now()
	for range 15 {
		time.Sleep(readEvery)
		for _, r := range h.replicas {
			h.step(r)
		}
	}
	h.forget()
	for _, t := range slices.Clone(h.tokens) {
		for _, r := range h.replicas {
			if h.failed == "" {
				q := t.q
				q.tagged = false
				if time.Now().Add(r.wall).After(t.exp) {
					continue
				}
				d := r.l.Decide(&q)
				if d.Outcome == Ask {
					d = r.l.Confirm(context.Background(), &q)
				}
				h.say("%s decides %d (ep %d chk %d ln %d) at last: %v %v", r.name, t.s.id, q.Epoch, q.Checked, q.Line, d.Outcome, d.Reason)
				h.judge(r, t, d)
			}
		}
	}
}

func playModel(t *testing.T, seed uint64, weak weakness) *history {
	h := &history{t: t, seed: seed, weak: weak, r: rand.New(rand.NewPCG(seed, 1))}
	synctest.Test(t, func(t *testing.T) {
		h.t = t
		h.sim = newSim(h.r, weak)
		h.run()
	})
	return h
}

func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		h := playModel(t, *modelSeed, "")
		t.Log("\n" + strings.Join(h.trace, "\n"))
		if h.failed != "" {
			t.Error(h.failed)
		}
		return
	}
	var next, accepts, refusals, lost atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				if seed > int64(*modelHistories) || t.Failed() {
					return
				}
				h := playModel(t, uint64(seed), "")
				accepts.Add(int64(h.accepts))
				refusals.Add(int64(h.refusals))
				lost.Add(int64(h.lostRefs))
				if h.failed != "" {
					t.Errorf("seed %d: %s\nsee it again: go test ./revocation -run TestModel$ -v -model.seed=%d", seed, h.failed, seed)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories: %d accepted, %d refused, of these %d because the list was lost", *modelHistories, accepts.Load(), refusals.Load(), lost.Load())
	if accepts.Load() < int64(*modelHistories) || refusals.Load() < int64(*modelHistories)/2 {
		t.Error("the histories hardly decide anything: the model proves nothing")
	}
}
