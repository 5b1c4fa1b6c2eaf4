package replica_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

var errSim = errors.New("the simulated store does not answer")

// A link is how one replica reaches the store, and keeps what went over it.
type link struct {
	sim  *sim
	to   *server // nil: silent
	loss int     // of 100 answers, how many are lost after the work was done

	failed   bool                 // some call was not answered since this was last looked at
	answered bool                 // some question was answered since this was last looked at
	ended    bool                 // some read since then reached the end of the log
	asOf     time.Time            // and what that said was true then
	brings   map[revlog.Key]int64 // revocations that answered reads brought since then, with their W
	slow     map[modelSlowEnd]bool
	end      revlog.Position // where a replica reads on that took the last page
	heard    int64           // highest log time that arrived
	said     revlog.Finding  // what the last answer that arrived says

	// Of weak stores: what was answered first about a session, and the head that this
	// replica takes for the one it follows.
	old     map[revlog.Tag]revlog.Answer
	follows revlog.Head
}

var _ revlog.Store = (*link)(nil)

// answers ends a call: false if its answer is lost.
func (l *link) answers() bool {
	if l.loss > 0 && l.sim.rand.IntN(100) < l.loss {
		l.failed = true
		return false
	}
	return true
}

func (l *link) guard(list revlog.ListID) (*server, error) {
	n := l.to
	if n == nil {
		l.failed = true
		return nil, errSim
	}
	l.sim.clock++
	switch {
	case n.list == list, l.sim.weak.anyList && n.list != (revlog.ListID{}):
		return n, nil
	case n.list == (revlog.ListID{}):
		return nil, revlog.ErrLost
	}
	return nil, revlog.ErrOtherList
}

func (l *link) shown(h revlog.Head) revlog.Head {
	if l.follows.ID != (revlog.ListID{}) {
		f := &l.follows
		f.MS, f.Born, f.Known, f.Floor = max(h.MS, f.MS), max(h.Born, f.Born), max(h.Known, f.Known), max(h.Floor, f.Floor)
		h.ID, h.N, h.Chain, h.MS, h.Born, h.Known, h.Floor = f.ID, f.N, f.Chain, f.MS, f.Born, f.Known, f.Floor
	}
	if f := l.sim.weak.head; f != nil {
		f(&h)
	}
	l.heard = max(l.heard, h.MS)
	return h
}

func (l *link) Create(ctx context.Context, f revlog.CreateOptions) (revlog.Head, error) {
	n := l.to
	if n == nil {
		l.failed = true
		return revlog.Head{}, errSim
	}
	if n.list == (revlog.ListID{}) {
		n.now()
		l.sim.lists++
		f.ID = revlog.ListID{1: l.sim.lists} // the same each time a history is played
		if _, err := n.memory.Create(ctx, f); err != nil {
			return revlog.Head{}, err
		}
		n.edit(func(st *revlog.State) {
			st.Head.Terms[0].ID = n.id
			n.beat, n.beatMS = n.time(), st.Head.Born
		})
		l.sim.changed()
	}
	if !l.answers() {
		return revlog.Head{}, errSim
	}
	return l.shown(n.head()), nil
}

func (l *link) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	n, err := l.guard(c.List)
	if err != nil {
		return revlog.Page{}, err
	}
	c.List = n.list
	if d := n.time() - n.beat; n.takesWrites() && (d >= 500 || d <= -500) {
		n.heartbeat(c.Floor)
	}
	c.Floor = 0 // log time moves at heartbeats
	p, err := n.memory.Read(ctx, c)
	if err != nil || !l.answers() {
		return revlog.Page{}, errSim
	}
	if !p.More && n.age() <= modelS {
		l.ended, l.asOf = true, time.Now().Add(-n.age())
	}
	l.bring(c, p)
	p.Heartbeat = n.age()
	if f := l.sim.weak.page; f != nil {
		f(l, c, &p)
	}
	if l.sim.weak.noBreak {
		l.goesOn(c, &p)
	}
	p.Head = l.shown(p.Head)
	return p, nil
}

// bring notes what a page brings that a replica asked for. One that does not read on
// at the end of that page threw it away. One entry is only looked at, to find where two logs
// part.
func (l *link) bring(c revlog.Cursor, p revlog.Page) {
	switch c.Limit {
	case 1:
		return
	case 10_000:
		if c.From != l.end { // it does not read on
			clear(l.brings)
			clear(l.slow)
		}
		if n := len(p.Entries); n > 0 {
			l.end = p.Entries[n-1].Position
		} else {
			l.end = revlog.Position{MS: p.Head.MS, N: p.Head.N + 1}
		}
	}
	for _, e := range slices.Concat(p.Entries, p.Globals) {
		if e.Understood() && genuine(e) { // else it cannot be read
			l.brings[e.Key()] = max(l.brings[e.Key()], e.W)
			if e.Does() == revlog.EndSlowly {
				l.slow[modelSlowEnd{e.Key(), e.W, e.Over()}] = true
			}
		}
	}
}

func (l *link) Confirm(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	n, err := l.guard(q.List)
	if err != nil {
		return revlog.Answer{}, err
	}
	a, err := n.memory.Confirm(ctx, q)
	if closed := n.head().MS > a.Head.MS; err == nil && closed {
		a, err = n.closes(ctx, q, a)
	}
	if err != nil || !l.answers() {
		return revlog.Answer{}, errSim
	}
	a = l.seen(n, q, a)
	sure := a
	sure.Found = slices.DeleteFunc(slices.Clone(a.Found), func(e revlog.Entry) bool { return !genuine(e) })
	l.said, _ = sure.Judge(q)
	l.answered = true
	return a, nil
}

// seen is a as it arrives.
func (l *link) seen(n *server, q revlog.Question, a revlog.Answer) revlog.Answer {
	a.Now, a.Heartbeat = max(n.time(), a.Head.MS), n.age()
	l.failed = l.failed || a.Heartbeat > modelS // it may be deposed: an answer of little worth
	if f := l.sim.weak.answer; f != nil {
		f(l, q, &a)
	}
	a.Head = l.shown(a.Head)
	return a
}

// Turn is not always given to who asks for it.
func (l *link) Turn(context.Context, string, time.Duration) (bool, error) {
	if l.to == nil || !l.answers() {
		return false, errSim
	}
	return l.sim.rand.IntN(3) > 0, nil
}

// A batch is a write as the model looks at it and changes it, of whatever kind.
type batch struct {
	revlog.Repair                  // what all kinds have, and of a Repair the rest
	Unless        *revlog.Question // of a Succession
	skew          time.Duration
	kind          revlog.Write
}

func batchOf(w revlog.Write) *batch {
	b := &batch{kind: w}
	switch w := w.(type) {
	case revlog.Append:
		b.List, b.Floor, b.Assertions, b.skew = w.List, w.Floor, w.Assertions, w.Skew
	case revlog.Succession:
		b.List, b.Floor, b.Assertions, b.skew, b.Unless = w.List, w.Floor, w.Assertions, w.Skew, &w.Unless
	case revlog.Repair:
		b.Repair = w
	case revlog.Bulk:
		b.List, b.Floor, b.Assertions, b.skew = w.List, w.Floor, w.Assertions, w.Skew
	}
	return b
}

func (b *batch) write() revlog.Write {
	switch w := b.kind.(type) {
	case revlog.Append:
		w.List, w.Assertions = b.List, b.Assertions
		return w
	case revlog.Succession:
		w.List, w.Assertions, w.Unless = b.List, b.Assertions, *b.Unless
		return w
	case revlog.Bulk:
		w.List, w.Assertions = b.List, b.Assertions
		return w
	}
	return b.Repair
}

func (l *link) Write(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	b := batchOf(w)
	n, err := l.guard(b.List)
	if err != nil {
		return revlog.Written{}, err
	}
	if !n.takesWrites() {
		l.failed = true
		return revlog.Written{}, errSim
	}
	if n.head().Term() != n.id {
		if b.Unless != nil {
			l.failed = true
			return revlog.Written{}, errSim // it has not opened its term yet
		}
		n.heartbeat(b.Floor)
	}
	n.now()
	if f := l.sim.weak.write; f != nil && f(n, b) {
		return l.ignored(n, b)
	}
	if l.sim.weak.anyList {
		b.List = n.list
	}
	out, err := n.memory.Write(ctx, b.write())
	if err == nil && l.sim.weak.written != nil {
		l.sim.weak.written(n, b)
	}
	l.sim.changed()
	if err != nil {
		return revlog.Written{}, err
	}
	if !l.answers() {
		return revlog.Written{}, errSim
	}
	out.Head = l.shown(out.Head)
	if out.Refused != nil {
		a := l.seen(n, *b.Unless, *out.Refused)
		out.Refused = &a
	}
	if s, ok := w.(revlog.Succession); ok && out.Refused == nil {
		out.Then = l.seen(n, s.Then, out.Then)
	}
	return out, nil
}

// ignored is the answer to a write that a weak store does not do.
func (l *link) ignored(n *server, b *batch) (revlog.Written, error) {
	w := revlog.Written{Head: l.shown(n.head())}
	for _, a := range b.Assertions {
		w.Results = append(w.Results, revlog.Result{Position: w.Head.Position(), W: a.W})
	}
	return w, nil
}
