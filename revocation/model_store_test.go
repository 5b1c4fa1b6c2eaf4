package revocation

import (
	"context"
	"encoding/base64"
	"errors"
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
	head   Head
	beat   int64 // raw TIME of the last beat
	beatMS int64 // log time of the last beat
	log    []Entry
	exact  map[exactKey]exactValue
}

func (s *simState) clone() *simState {
	if s == nil {
		return nil
	}
	c := *s
	c.head.Lines = slices.Clone(s.head.Lines)
	c.head.Raises = slices.Clone(s.head.Raises)
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
	got map[exactKey]int64
	// said is what the last answer that arrived says of the question.
	said Finding
}

func (l *link) gets(entries []Entry) {
	for _, e := range entries {
		k := exactKey{e.Scope, e.Tag}
		l.got[k] = max(l.got[k], e.W)
	}
}

var _ Store = (*link)(nil)

func (l *link) lost() bool { return l.loss > 0 && l.sim.rand.IntN(100) < l.loss }

func (l *link) Create(_ context.Context, f Founding) (Head, error) {
	n := l.to
	if n == nil {
		return Head{}, errSim
	}
	if n.state == nil {
		born := max(n.time(), f.Floor)
		st := &simState{exact: map[exactKey]exactValue{}, beat: n.time(), beatMS: born}
		st.head = Head{
			Layout: Layout, Genesis: f.Genesis, Check: f.Check, Born: born, MS: born + 1,
			Lines: []Line{{n.replid, born, born}}, Raises: []Raise{{0, f.Retain}},
		}
		if l.sim.weak == "R2" {
			st.head.Born = 1
		}
		n.state = st
	}
	if l.lost() {
		return Head{}, errSim
	}
	return l.sim.shown(n.state.clone().head), nil
}

func (l *link) guard(g Genesis) (*node, error) {
	n := l.to
	switch {
	case n == nil:
		return nil, errSim
	case n.state == nil:
		return nil, ErrLost
	case n.state.head.Genesis != g:
		return nil, ErrGenesis
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
	if s.head.Line() != n.replid {
		s.head.Lines = append(slices.Clone(s.head.Lines), Line{n.replid, s.beatMS, s.head.MS})
	}
	s.beat, s.beatMS = n.time(), s.head.MS
}

func (n *node) beatAge() time.Duration {
	return max(0, time.Duration(n.time()-n.state.beat)*time.Millisecond)
}

func (l *link) Read(_ context.Context, c Cursor) (Page, error) {
	n, err := l.guard(c.List)
	if err != nil {
		return Page{}, err
	}
	n.beatIfDue(c.Floor)
	s := n.state
	p := Page{Head: s.clone().head, Beat: n.beatAge()}
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
	if c.Marks {
		for k, v := range s.exact {
			if k.scope.mark() {
				p.Marks = append(p.Marks, Entry{Scope: k.scope, Tag: k.tag, W: v.w, Until: v.until})
			}
		}
	}
	if l.lost() {
		return Page{}, errSim
	}
	p.Head = l.sim.shown(p.Head)
	l.gets(p.Entries)
	l.gets(p.Marks)
	return p, nil
}

func (l *link) Confirm(_ context.Context, q Question) (Answer, error) {
	n, err := l.guard(q.List)
	if err != nil {
		return Answer{}, err
	}
	a := n.answer(q)
	if l.lost() {
		return Answer{}, errSim
	}
	a.Head = l.sim.shown(a.Head)
	l.said, _ = a.Judge(q)
	return a, nil
}

func (n *node) answer(q Question) Answer {
	s := n.state
	get := func(sc Scope, t Tag) int64 { return s.exact[exactKey{sc, t}].w }
	a := Answer{
		Head: s.clone().head, Now: max(n.time(), s.head.MS), Beat: n.beatAge(),
		Everyone: get(ScopeEveryone, Tag{}),
	}
	if q.Session != (Tag{}) {
		a.Session = get(ScopeSession, q.Session) > 0
	}
	if q.Subject != (Tag{}) {
		a.Subject = get(ScopeSubject, q.Subject)
	}
	for _, t := range q.Groups {
		a.Groups = append(a.Groups, get(ScopeGroup, t))
	}
	for _, t := range q.Keys {
		a.Keys = append(a.Keys, get(ScopeKey, t))
	}
	return a
}

func (l *link) Write(_ context.Context, b Batch) (Written, error) {
	n, err := l.guard(b.List)
	if err != nil {
		return Written{}, err
	}
	if !n.takesWrites() {
		return Written{}, errSim
	}
	s := n.state
	out := Written{}
	if b.Unless != nil && l.sim.weak != "R22" {
		if s.head.Line() != n.replid {
			return Written{}, errSim // it has not opened its line yet
		}
		out.Unless = n.answer(*b.Unless)
		out.Unless.Head = l.sim.shown(out.Unless.Head)
		if found, _ := out.Unless.Judge(*b.Unless); found != FoundNothing {
			out.Head = out.Unless.Head
			return out, nil
		}
	}
	for _, a := range b.Assertions {
		if a.When == Before && a.W > max(n.time(), s.head.MS, b.Floor) {
			return Written{}, ErrFuture
		}
	}
	if s.head.Line() != n.replid {
		n.beat(b.Floor)
	}
	if b.Known > 0 {
		if s.head.Known == 0 {
			s.head.KnownLine = b.KnownLine
		} else if s.head.KnownLine != b.KnownLine {
			s.head.KnownLine = 0
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
		s.head.Raises = append(slices.Clone(s.head.Raises), Raise{s.head.MS, b.Retain})
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
		return Written{}, errSim
	}
	out.Head = l.sim.shown(out.Head)
	out.Then.Head = l.sim.shown(out.Then.Head)
	return out, nil
}

func (n *node) assert(sim *sim, a Assertion, b Batch) Result {
	s := n.state
	ms := max(n.time(), s.head.MS, b.Floor)
	if a.Scope != ScopeSession && sim.weak != "R3" {
		ms = max(ms, s.head.MS+1)
	}
	w := a.W
	switch {
	case a.Scope == ScopeSession || a.Scope == ScopeKey:
		w = Forever
	case a.When == AtNow:
		w = ms + b.Skew.Milliseconds()
		if sim.weak == "R3" {
			w = ms
		}
	}
	k := exactKey{a.Scope, a.Tag}
	old, found := s.exact[k]
	if found && old.until+forgetLate.Milliseconds() < ms { // a TTL
		delete(s.exact, k)
		found, old = false, exactValue{}
	}
	if found && w <= old.w {
		return Result{Position: s.head.Position(), W: old.w}
	}
	until := ms + s.head.Retain().Milliseconds()
	if sim.weak == "R4" && w != Forever {
		until = w + s.head.Retain().Milliseconds() - forgetLate.Milliseconds()
	}
	e := Entry{
		Position: Position{ms, s.head.N + 1}, Version: a.Version, Scope: a.Scope, Tag: a.Tag,
		W: w, Until: max(until, a.Until, old.until), MAC: a.MAC,
	}
	sim.chains++ // unique, so two histories never share a value by accident
	for i := range 8 {
		e.Chain[i] = byte(sim.chains >> (8 * i))
	}
	s.log = append(s.log, e)
	s.exact[k] = exactValue{w: w, until: e.Until}
	s.head.N, s.head.MS, s.head.Chain = e.Position.N, ms, e.Chain
	limit := ms - min(s.head.Retain(), logKept).Milliseconds()
	s.log = slices.DeleteFunc(s.log, func(e Entry) bool { return e.Position.MS < limit })
	for k, v := range s.exact {
		if v.until+forgetLate.Milliseconds() < ms {
			delete(s.exact, k)
		}
	}
	return Result{Position: e.Position, Changed: true, W: w}
}

// shown is what a replica gets to see of a head.
func (s *sim) shown(h Head) Head {
	switch s.weak {
	case "R16":
		h.Lines = []Line{{1, 0, 0}}
	case "R17":
		h.Born = 0
	}
	return h
}

func modelID(sid [16]byte) string { return base64.RawURLEncoding.EncodeToString(sid[:]) }
