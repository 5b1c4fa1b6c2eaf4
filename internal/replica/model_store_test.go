package replica

import (
	"context"
	"errors"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// A sim is the store of the model: several nodes, of which one should reign,
// written again from the rules and not from Memory. Nodes have clocks of their
// own; a node can be promoted from an older state, emptied, or go on serving
// while another reigns.
type sim struct {
	rand    *rand.Rand
	weak    weakness
	reign   *node
	nodes   []*node
	replids uint32
	chains  uint64
	// upset is when something last happened to the store that can lose or hide an
	// acknowledged write.
	upset time.Time
}

// A weakness switches one rule off, to show that the model notices.
type weakness string

type node struct {
	offset time.Duration // of its clock
	// deposed: another node reigns. It notices after a while that no replica follows
	// it, and takes no more writes, as R8 has it.
	deposed time.Time
	replid  uint32
	state   *simState // nil: empty
}

type simState struct {
	head   revlog.Head
	beat   int64 // raw TIME of the last beat
	beatMS int64 // log time of the last beat
	log    []revlog.Entry
	exact  map[revlog.Key]globalEntry
}

func (s *simState) clone() *simState {
	if s == nil {
		return nil
	}
	c := *s
	c.head.Terms = slices.Clone(s.head.Terms)
	c.head.Retentions = slices.Clone(s.head.Retentions)
	c.log = slices.Clone(s.log)
	c.exact = maps.Clone(s.exact)
	return &c
}

func newSim(r *rand.Rand, w weakness) *sim {
	s := &sim{rand: r, weak: w}
	s.reign = s.newNode(nil, 0)
	return s
}

// newNode is a server with a history of its own: promoted, restarted or new.
func (s *sim) newNode(state *simState, offset time.Duration) *node {
	s.replids++
	n := &node{offset: offset, replid: 1000 + s.replids, state: state.clone()}
	s.nodes = append(s.nodes, n)
	return n
}

func (n *node) time() int64 { return time.Now().Add(n.offset).UnixMilli() }

var errSim = errors.New("the simulated store does not answer")

// A link is how one replica reaches the store. It is a Store.
type link struct {
	sim  *sim
	to   *node // nil: silent
	loss int   // of 100 answers, how many are lost after the work was done
	// got is what the replica has read, with the highest W of each.
	got map[revlog.Key]int64
	// said is what the last answer that arrived says of the question.
	said revlog.Finding
}

func (l *link) gets(entries []revlog.Entry) {
	for _, e := range entries {
		k := revlog.Key{Scope: e.Scope, Tag: e.Tag}
		l.got[k] = max(l.got[k], e.W)
	}
}

var _ revlog.Store = (*link)(nil)

func (l *link) lost() bool { return l.loss > 0 && l.sim.rand.IntN(100) < l.loss }

func (l *link) Create(_ context.Context, f revlog.CreateOptions) (revlog.Head, error) {
	n := l.to
	if n == nil {
		return revlog.Head{}, errSim
	}
	if n.state == nil {
		born := max(n.time(), f.Floor)
		st := &simState{exact: map[revlog.Key]globalEntry{}, beat: n.time(), beatMS: born}
		st.head = revlog.Head{
			Layout: revlog.Layout, ID: f.ID, Check: f.Check, Born: born, MS: born + 1,
			Terms: []revlog.Term{{ID: n.replid, Start: born, Opened: born}}, Retentions: []revlog.Retention{{Retain: f.Retain}},
		}
		if l.sim.weak == "R2" {
			st.head.Born = 1
		}
		n.state = st
	}
	if l.lost() {
		return revlog.Head{}, errSim
	}
	return l.sim.shown(n.state.clone().head), nil
}

func (l *link) guard(g revlog.ListID) (*node, error) {
	n := l.to
	switch {
	case n == nil:
		return nil, errSim
	case n.state == nil:
		return nil, revlog.ErrLost
	case n.state.head.ID != g:
		return nil, revlog.ErrOtherList
	}
	return n, nil
}

func (n *node) takesWrites() bool {
	return n.deposed.IsZero() || time.Since(n.deposed) < 5*time.Second
}

// beatIfDue is the part of READ that writes (R3).
func (n *node) beatIfDue(floor int64) {
	s := n.state
	if !n.takesWrites() {
		return
	}
	if d := n.time() - s.beat; d >= 500 || d <= -500 {
		n.beat(floor)
	}
}

func (n *node) beat(floor int64) {
	s := n.state
	s.head.MS = max(s.head.MS, n.time(), floor)
	if s.head.Term() != n.replid {
		s.head.Terms = append(slices.Clone(s.head.Terms), revlog.Term{ID: n.replid, Start: s.beatMS, Opened: s.head.MS})
	}
	s.beat, s.beatMS = n.time(), s.head.MS
}

func (n *node) beatAge() time.Duration {
	return max(0, time.Duration(n.time()-n.state.beat)*time.Millisecond)
}

func (l *link) Read(_ context.Context, c revlog.Cursor) (revlog.Page, error) {
	n, err := l.guard(c.List)
	if err != nil {
		return revlog.Page{}, err
	}
	n.beatIfDue(c.Floor)
	s := n.state
	p := revlog.Page{Head: s.clone().head, Heartbeat: n.beatAge()}
	for _, e := range s.log {
		if e.Position.Before(c.From) {
			continue
		}
		if len(p.Entries) == c.Limit {
			p.More = true
			break
		}
		p.Entries = append(p.Entries, e)
	}
	if len(s.log) > 0 {
		p.Oldest = s.log[0].Position
	}
	if c.Globals {
		for k, v := range s.exact {
			if k.Scope.Global() {
				p.Globals = append(p.Globals, revlog.Entry{Scope: k.Scope, Tag: k.Tag, W: v.w, Until: v.until})
			}
		}
	}
	if l.lost() {
		return revlog.Page{}, errSim
	}
	p.Head = l.sim.shown(p.Head)
	l.gets(p.Entries)
	l.gets(p.Globals)
	return p, nil
}

func (l *link) Confirm(_ context.Context, q revlog.Question) (revlog.Answer, error) {
	n, err := l.guard(q.List)
	if err != nil {
		return revlog.Answer{}, err
	}
	a := n.answer(q)
	if l.lost() {
		return revlog.Answer{}, errSim
	}
	a.Head = l.sim.shown(a.Head)
	l.said, _ = a.Judge(q)
	return a, nil
}

func (n *node) answer(q revlog.Question) revlog.Answer {
	s := n.state
	get := func(sc revlog.Scope, t revlog.Tag) int64 { return s.exact[revlog.Key{Scope: sc, Tag: t}].w }
	a := revlog.Answer{
		Head: s.clone().head, Now: max(n.time(), s.head.MS), Heartbeat: n.beatAge(),
		Everyone: get(revlog.ScopeEveryone, revlog.Tag{}),
	}
	if q.Session != (revlog.Tag{}) {
		a.Session = get(revlog.ScopeSession, q.Session) > 0
	}
	if q.Subject != (revlog.Tag{}) {
		a.Subject = get(revlog.ScopeSubject, q.Subject)
	}
	for _, t := range q.Groups {
		a.Groups = append(a.Groups, get(revlog.ScopeGroup, t))
	}
	for _, t := range q.Keys {
		a.Keys = append(a.Keys, get(revlog.ScopeKey, t))
	}
	return a
}

func (l *link) Write(_ context.Context, b revlog.Batch) (revlog.Written, error) {
	n, err := l.guard(b.List)
	if err != nil {
		return revlog.Written{}, err
	}
	if !n.takesWrites() {
		return revlog.Written{}, errSim
	}
	s := n.state
	out := revlog.Written{}
	if b.Unless != nil && l.sim.weak != "R22" {
		if s.head.Term() != n.replid {
			return revlog.Written{}, errSim // it has not opened its line yet
		}
		out.Unless = n.answer(*b.Unless)
		out.Unless.Head = l.sim.shown(out.Unless.Head)
		if found, _ := out.Unless.Judge(*b.Unless); found != revlog.FoundNothing {
			out.Head = out.Unless.Head
			return out, nil
		}
	}
	for _, a := range b.Assertions {
		if a.When == revlog.Before && a.W > max(n.time(), s.head.MS, b.Floor) {
			return revlog.Written{}, revlog.ErrFuture
		}
	}
	if s.head.Term() != n.replid {
		n.beat(b.Floor)
	}
	if b.Known > 0 {
		if s.head.Known == 0 {
			s.head.KnownTerm = b.KnownTerm
		} else if s.head.KnownTerm != b.KnownTerm {
			s.head.KnownTerm = 0
		}
		s.head.Known = max(s.head.Known, b.Known)
	}
	if l.sim.weak != "R2" {
		born := max(s.head.Born, b.Born)
		if b.Known > s.head.Born {
			born = max(born, n.time(), s.head.MS, b.Floor, b.Known)
		}
		if born > s.head.Born {
			s.head.Born, s.head.MS = born, max(s.head.MS, born+1)
		}
	}
	if b.Retain > s.head.Retain() {
		s.head.MS = max(s.head.MS, n.time(), b.Floor)
		s.head.Retentions = append(slices.Clone(s.head.Retentions), revlog.Retention{From: s.head.MS, Retain: b.Retain})
	}
	for _, a := range b.Assertions {
		out.Results = append(out.Results, n.assert(l.sim, a, b))
	}
	if b.Recheck {
		s.head.Floor = s.head.MS
	}
	out.Done = true
	out.Head = s.clone().head
	if b.Then != nil {
		out.Then = n.answer(*b.Then)
	}
	if l.lost() {
		return revlog.Written{}, errSim
	}
	out.Head = l.sim.shown(out.Head)
	out.Then.Head = l.sim.shown(out.Then.Head)
	return out, nil
}

func (n *node) assert(sim *sim, a revlog.Assertion, b revlog.Batch) revlog.Result {
	s := n.state
	ms := max(n.time(), s.head.MS, b.Floor)
	if a.Scope != revlog.ScopeSession && sim.weak != "R3" {
		ms = max(ms, s.head.MS+1)
	}
	w := a.W
	switch {
	case a.Scope == revlog.ScopeSession || a.Scope == revlog.ScopeKey:
		w = revlog.Forever
	case a.When == revlog.AtNow:
		w = ms + b.Skew.Milliseconds()
		if sim.weak == "R3" {
			w = ms
		}
	}
	k := revlog.Key{Scope: a.Scope, Tag: a.Tag}
	old, found := s.exact[k]
	late := revlog.ForgetLate.Milliseconds()
	if sim.weak == "R27" {
		late = 0
	}
	if found && old.until+late < ms { // a TTL
		delete(s.exact, k)
		found, old = false, globalEntry{}
	}
	if found && w <= old.w {
		return revlog.Result{Position: s.head.Position(), W: old.w}
	}
	until := ms + s.head.Retain().Milliseconds()
	if sim.weak == "R4" && w != revlog.Forever {
		until = w + s.head.Retain().Milliseconds() - time.Hour.Milliseconds()
	}
	e := revlog.Entry{
		Position: revlog.Position{MS: ms, N: s.head.N + 1}, Version: a.Version, Scope: a.Scope, Tag: a.Tag,
		W: w, Until: max(until, a.Until, old.until), MAC: a.MAC,
	}
	sim.chains++ // unique, so two histories never share a value by accident
	for i := range 8 {
		e.Chain[i] = byte(sim.chains >> (8 * i))
	}
	s.log = append(s.log, e)
	s.exact[k] = globalEntry{w: w, until: e.Until}
	s.head.N, s.head.MS, s.head.Chain = e.Position.N, ms, e.Chain
	limit := ms - min(s.head.Retain(), revlog.LogKept).Milliseconds()
	s.log = slices.DeleteFunc(s.log, func(e revlog.Entry) bool { return e.Position.MS < limit })
	for k, v := range s.exact {
		if v.until+late < ms {
			delete(s.exact, k)
		}
	}
	return revlog.Result{Position: e.Position, Changed: true, W: w}
}

// shown is what a replica gets to see of a head.
func (s *sim) shown(h revlog.Head) revlog.Head {
	switch s.weak {
	case "R16":
		h.Terms = []revlog.Term{{ID: 1}}
	case "R17":
		h.Born = 0
	}
	return h
}
