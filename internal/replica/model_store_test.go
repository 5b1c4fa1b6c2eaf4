package replica_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A sim is the store of the model: several servers, of which one should be the
// primary. A server can be promoted from an older state, emptied, or go on serving
// while another is the primary.
type sim struct {
	rand    *rand.Rand
	weak    *weakness
	primary *server
	servers uint32
	lists   byte
	hidden  map[revlog.Key]revlog.Entry // what somebody overwrote in the exact set of any server
	clock   int                         // counts what happened, so that two moments are never the same
	// changed is called after a server may have got or lost a revocation.
	changed func()
}

// A server is a [revlog.Memory] with a clock of its own. Unlike one in a process, it
// moves log time on at its heartbeats only, and begins a term when it is promoted.
type server struct {
	id      uint32
	memory  *revlog.Memory
	list    revlog.ListID
	offset  time.Duration // of its clock
	stands  time.Time     // what the memory takes for now
	beat    int64         // its clock at the last heartbeat, ms
	beatMS  int64         // log time then
	deposed time.Time     // zero: it is the primary
	// lives counts how often the server was emptied.
	lives int
}

// A saved state of a server, as its copies and snapshots have it.
type saved struct {
	revlog.State
	beat, beatMS int64
}

func newSim(r *rand.Rand, w *weakness) *sim {
	s := &sim{rand: r, weak: w, changed: func() {}, hidden: map[revlog.Key]revlog.Entry{}}
	s.primary = s.newServer(saved{}, 0)
	return s
}

func (s *sim) newServer(from saved, offset time.Duration) *server {
	s.servers++
	n := &server{id: 1000 + s.servers, offset: offset, beat: from.beat, beatMS: from.beatMS}
	n.restore(from.State)
	return n
}

func (n *server) restore(st revlog.State) {
	n.list = st.Head.ID
	n.memory = revlog.Restore(st, func(revlog.Change) error { return nil })
	n.memory.SetClock(func() time.Time { return n.stands })
}

// flush empties n, as FLUSHALL does.
func (n *server) flush(headStays bool) {
	n.lives++
	st := revlog.State{}
	if headStays {
		st.Head = n.head()
	}
	n.restore(st)
}

// save returns a copy of what n holds, and false if there is no list.
func (n *server) save() (saved, bool) {
	return saved{n.memory.State(), n.beat, n.beatMS}, n.list != (revlog.ListID{})
}

func (n *server) edit(f func(*revlog.State)) {
	st := n.memory.State()
	f(&st)
	n.restore(st)
}

// now sets what n takes for now to what its clock shows.
func (n *server) now() int64 {
	n.stands = time.Now().Add(n.offset)
	return n.stands.UnixMilli()
}

func (n *server) time() int64 { return time.Now().Add(n.offset).UnixMilli() }

// takesWrites: a deposed primary notices after a while that no copy follows it, and
// takes no more writes (R8).
func (n *server) takesWrites() bool {
	return n.deposed.IsZero() || time.Since(n.deposed) < 5*time.Second
}

func (n *server) age() time.Duration {
	return max(0, time.Duration(n.time()-n.beat)*time.Millisecond)
}

func (n *server) head() revlog.Head {
	if n.list == (revlog.ListID{}) {
		return revlog.Head{}
	}
	h, _ := n.memory.Create(context.Background(), revlog.CreateOptions{})
	return h
}

// heartbeat moves log time on, and opens the term of n if it has not yet (R3).
func (n *server) heartbeat(floor int64) {
	n.now()
	if n.head().Term() != n.id {
		n.edit(func(st *revlog.State) {
			st.Head.MS = max(st.Head.MS, n.time(), floor)
			st.Head.Terms = append(slices.Clone(st.Head.Terms), revlog.Term{ID: n.id, Start: n.beatMS, Opened: st.Head.MS})
		})
	}
	page, _ := n.memory.Read(context.Background(), revlog.Cursor{List: n.list, Floor: floor})
	n.beat, n.beatMS = n.time(), page.Head.MS
}

// closes is what becomes of an answer that moved log time: it has to be of the term
// of n, and a server that takes no writes moves nothing (R3).
func (n *server) closes(ctx context.Context, q revlog.Question, a revlog.Answer) (revlog.Answer, error) {
	if !n.takesWrites() {
		n.edit(func(st *revlog.State) { st.Head.MS = a.Head.MS })
		return a, nil
	}
	if n.head().Term() == n.id {
		return a, nil
	}
	n.heartbeat(0)
	return n.memory.Confirm(ctx, q)
}

// highest returns the W of k that n holds, 0 for none. What is forged does not count, and
// what it hides does: the log may have it.
func (n *server) highest(k revlog.Key) int64 { return n.holds(k).W }

// has reports whether replicas of n can hear of rev: what is there quietly is only found
// by those who ask, which everybody does who was checked before it was acknowledged only
// if the list says that it lacks something until then, or that all have to ask.
func (n *server) has(rev *modelRevocation) bool {
	e, h := n.holds(rev.key), n.head()
	if rev.key.Effect == revlog.EndSlowly && (e.W != rev.w || e.Over() != rev.over) {
		e = n.holds(rev.whole())
	}
	return e.W >= rev.w && (!e.Quiet || max(h.Born, h.Floor) >= rev.at)
}

// holdsAny reports whether n holds rev, or the end at once of what it was to end slowly.
func (n *server) holdsAny(rev *modelRevocation) bool {
	if e := n.holds(rev.key); rev.key.Effect == revlog.EndSlowly && (e.W != rev.w || e.Over() != rev.over) {
		return n.highest(rev.whole()) >= rev.w
	}
	return n.highest(rev.key) >= rev.w
}

// holds returns what n holds of k, an entry without W if nothing.
func (n *server) holds(k revlog.Key) revlog.Entry {
	// A question that names a session moves no log time (R3): to look changes nothing.
	q := revlog.Question{List: n.list, Session: revlog.Tag{1}}
	switch k.Scope {
	case revlog.ScopeSession:
		q.Session = k.Tag
	case revlog.ScopeSubject:
		q.Subject = k.Tag
	case revlog.ScopeGroup:
		q.Groups = []revlog.Tag{k.Tag}
	case revlog.ScopeKey:
		q.Keys = []revlog.Tag{k.Tag}
	}
	a, err := n.memory.Confirm(context.Background(), q)
	if err != nil {
		return revlog.Entry{}
	}
	var held revlog.Entry
	for _, e := range a.Found {
		if e.Key() == k && genuine(e) {
			held = e
		}
	}
	for _, e := range n.memory.State().Entries { // which tell of what a forgery hides
		if e.Key() == k && genuine(e) && e.W >= held.W {
			held = e
		}
	}
	return held
}
