package revlog

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

// LogKept is how far back a log reaches at most. The exact set reaches further.
const LogKept = 24 * time.Hour

// ForgetLate is how long the exact set keeps an entry after its Until.
const ForgetLate = time.Hour

// Memory is a [Store] in the memory of one process. By itself it is for tests: it loses everything
// when the process ends. [Restore] makes a Memory with a journal, for a store on disk that one
// process uses.
//
// Its log time is the clock of the process, but never goes backwards.
type Memory struct {
	commit   func(Change) error
	replicas registry
	sketches sketches

	mu       sync.Mutex       // owns everything below
	clock    func() time.Time // time.Now, except in tests
	head     Head             // its ID is zero until a list is created
	log      []Entry
	exact    map[Key]exactValue
	effects  effectSet // of entries that exact has held
	requests requests
	swept    int64 // log time of the last search for entries to forget
	// sampled is when log time was last sampled, at most twice a second. sampledMS is its value
	// at that moment.
	sampled   time.Time
	sampledMS int64
	turn      turn
	roll      int64 // calls of the roll
}

// An exactValue is an [Entry] of the exact set without its key.
type exactValue struct {
	w, until, limit int64
	mac             [8]byte
	params          string
	version, effect byte
	quiet           bool
}

// A State is everything that a Memory with a journal starts from. Entries in Exact have no
// positions.
type State struct {
	Head    Head
	Entries []Entry
	Exact   []Entry
}

// A Change is what one call did to a Memory. Exact holds new values of the exact set, Forgotten the
// entries that were dropped from it. The log now begins at Oldest.
type Change struct {
	Head      Head
	Entries   []Entry
	Exact     []Entry
	Forgotten []Entry
	Oldest    Position
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store without a journal.
func NewMemory() *Memory {
	return Restore(State{}, func(Change) error { return nil })
}

// Restore returns a store that starts from s and passes every change to commit before it takes
// effect. If commit fails, nothing changes and the call fails. There is never more than one call of
// commit at a time.
func Restore(s State, commit func(Change) error) *Memory {
	m := &Memory{commit: commit, clock: time.Now, head: s.Head, log: s.Entries, exact: make(map[Key]exactValue, len(s.Exact))}
	for _, e := range s.Exact {
		m.hold(e)
	}
	return m
}

func (m *Memory) hold(e Entry) {
	k := e.Key()
	m.exact[k] = exactOf(e)
	m.effects = m.effects.with(k.Effect)
}

// SetClock makes m use clock, for tests with wrong clocks.
func (m *Memory) SetClock(clock func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = clock
}

// State returns everything that m holds, in the form that [Restore] takes.
func (m *Memory) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{Head: m.head, Entries: slices.Clone(m.log)}
	for k, v := range m.exact {
		s.Exact = append(s.Exact, v.entry(k))
	}
	return s
}

func exactOf(e Entry) exactValue {
	return exactValue{e.W, e.Until, e.Limit, e.MAC, e.Params, e.Version, e.Effect, e.Quiet}
}

func (v exactValue) entry(k Key) Entry {
	return Entry{
		Version: v.version, Effect: v.effect, Scope: k.Scope, Quiet: v.quiet, Tag: k.Tag, Params: v.params,
		Limit: v.limit, MAC: v.mac, W: v.w, Until: v.until,
	}
}

// Create implements [Store].
func (m *Memory) Create(ctx context.Context, f CreateOptions) (Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head.ID != (ListID{}) {
		m.tick(f.Floor)
		return m.head, nil
	}
	born := max(m.clock().UnixMilli(), f.Floor)
	head := Head{
		Layout:     Layout,
		ID:         f.ID,
		Check:      f.Check,
		Born:       born,
		MS:         born + 1,
		Terms:      []Term{{ID: 1, Start: born, Opened: born}},
		Retentions: []Retention{{Retain: f.Retain}},
	}
	if err := m.commit(Change{Head: head}); err != nil {
		return Head{}, err
	}
	m.head = head
	return head, nil
}

// tick moves log time to now, or to the log time that a caller has seen if that is later. If log
// time is ahead of the clock, it goes on at half speed until the clock has caught up. The caller
// holds mu.
func (m *Memory) tick(floor int64) {
	now := m.clock()
	passed := now.Sub(m.sampled)
	slow := m.sampledMS + min(max(passed, 0), 10*time.Second).Milliseconds()/2
	m.head.MS = max(m.head.MS, now.UnixMilli(), floor, slow)
	if passed.Abs() >= 500*time.Millisecond {
		m.sampled, m.sampledMS = now, m.head.MS
	}
}

func (m *Memory) guard(list ListID) error {
	switch m.head.ID {
	case ListID{}:
		return ErrLost
	case list:
		return nil
	}
	return ErrOtherList
}

// Read implements [Store].
func (m *Memory) Read(ctx context.Context, c Cursor) (Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.List == (ListID{}) {
		c.List = m.head.ID
	}
	if err := m.guard(c.List); err != nil {
		return Page{}, err
	}
	m.tick(c.Floor)
	from := sort.Search(len(m.log), func(i int) bool { return !m.log[i].Position.Before(c.From) })
	to := min(len(m.log), from+c.Limit)
	p := Page{Head: m.head, Entries: slices.Clone(m.log[from:to]), More: to < len(m.log), Clock: m.clock().UnixMilli(), Roll: m.roll}
	if len(m.log) > 0 {
		p.Oldest = m.log[0].Position
	}
	if c.Globals {
		for k, v := range m.exact {
			if k.Scope.Global() {
				p.Globals = append(p.Globals, v.entry(k))
			}
		}
	}
	return p, nil
}

// Confirm implements [Store].
func (m *Memory) Confirm(ctx context.Context, q Question) (Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.guard(q.List); err != nil {
		return Answer{}, err
	}
	m.tick(0)
	a := answer(m.head, q, m.effects, m.lookup)
	if a.Closes(q, m.clock().UnixMilli()) {
		m.head.MS++
	}
	return a, nil
}

func (m *Memory) lookup(k Key) (exactValue, bool) {
	v, ok := m.exact[k]
	return v, ok
}

// answer finds entries of every effect, also of one that this release does not know.
func answer(h Head, q Question, some effectSet, lookup func(Key) (exactValue, bool)) Answer {
	a := Answer{Head: h, Now: h.MS}
	for _, k := range q.names() {
		for k.Effect = range some.all {
			if v, ok := lookup(k); ok {
				a.Found = append(a.Found, v.entry(k))
			}
		}
	}
	return a
}

// Write implements [Store].
func (m *Memory) Write(ctx context.Context, w Write) (Written, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch w := w.(type) {
	case Append:
		return m.append(w)
	case Succession:
		return m.succeed(w)
	case Repair:
		return m.repair(w)
	case Bulk:
		return m.bulk(w)
	}
	return Written{}, fmt.Errorf("revlog: Memory.Write: unknown type of write %T", w)
}

func (m *Memory) append(a Append) (Written, error) {
	p, err := m.begin(a.List, a.Floor)
	if err != nil {
		return Written{}, err
	}
	if out, ok := m.requests.answered(a.Request); ok {
		return out, nil
	}
	p.skew = a.Skew.Milliseconds()
	if err := p.all(a.Assertions); err != nil {
		return Written{}, err
	}
	out := Written{Head: p.head, Results: p.results}
	return m.done(p, a.Request, out)
}

func (m *Memory) succeed(s Succession) (Written, error) {
	p, err := m.begin(s.List, s.Floor)
	if err != nil {
		return Written{}, err
	}
	if out, ok := m.requests.answered(s.Request); ok {
		return out, nil
	}
	a := answer(m.head, s.Unless, m.effects, m.lookup)
	if found, _ := a.Judge(s.Unless); found != FoundNothing {
		return Written{Head: m.head, Refused: &a}, nil
	}
	p.skew = s.Skew.Milliseconds()
	if err := p.all(s.Assertions); err != nil {
		return Written{}, err
	}
	out := Written{Head: p.head, Results: p.results, Then: answer(p.head, s.Then, p.effects, p.lookup)}
	if out.Then.Closes(s.Then, p.head.MS) {
		p.head.MS, p.changed = p.head.MS+1, true
	}
	return m.done(p, s.Request, out)
}

func (m *Memory) repair(r Repair) (Written, error) {
	p, err := m.begin(r.List, r.Floor)
	if err != nil {
		return Written{}, err
	}
	p.changed = p.head.lacks(r)
	if r.Retain > p.head.Retain() {
		p.head.Retentions = append(slices.Clone(p.head.Retentions), Retention{From: p.head.MS, Retain: r.Retain})
		p.changed = true
	}
	if err := p.all(r.Assertions); err != nil {
		return Written{}, err
	}
	if r.Recheck {
		p.recheck()
	}
	return m.done(p, Request{}, Written{Head: p.head, Results: p.results})
}

func (m *Memory) bulk(b Bulk) (Written, error) {
	p, err := m.begin(b.List, b.Floor)
	if err != nil {
		return Written{}, err
	}
	p.quiet, p.skew = true, b.Skew.Milliseconds()
	if err := p.all(b.Assertions); err != nil {
		return Written{}, err
	}
	if b.Recheck {
		p.recheck()
	}
	return m.done(p, Request{}, Written{Head: p.head, Results: p.results})
}

// begin checks the list, moves log time, and starts to work out a write. The caller holds mu.
func (m *Memory) begin(list ListID, floor int64) (*writing, error) {
	if err := m.guard(list); err != nil {
		return nil, err
	}
	m.tick(floor)
	return &writing{head: m.head, before: m.lookup, exact: map[Key]exactValue{}, effects: m.effects}, nil
}

// done makes a worked out write visible, and remembers the answer.
func (m *Memory) done(w *writing, r Request, out Written) (Written, error) {
	if w.changed {
		c := Change{Head: w.head, Entries: w.entries, Forgotten: m.forgettable(w.head), Oldest: m.oldest(w)}
		for k, v := range w.exact {
			c.Exact = append(c.Exact, v.entry(k))
		}
		if err := m.commit(c); err != nil {
			return Written{}, err
		}
		m.apply(c)
	}
	m.requests.remember(r, out)
	return out, nil
}

func (m *Memory) apply(c Change) {
	m.head = c.Head
	m.log = append(m.log, c.Entries...)
	gone := sort.Search(len(m.log), func(i int) bool { return !m.log[i].Position.Before(c.Oldest) })
	m.log = m.log[gone:]
	for _, e := range c.Forgotten {
		delete(m.exact, e.Key())
	}
	for _, e := range c.Exact {
		m.hold(e)
	}
}

// forgettable returns the entries that no token can ask about any more. It searches once in an
// eighth of the retention, not at every write.
func (m *Memory) forgettable(h Head) (out []Entry) {
	if h.MS-m.swept < h.Retain().Milliseconds()/8 {
		return nil
	}
	m.swept = h.MS
	for k, v := range m.exact {
		if v.until+ForgetLate.Milliseconds() < h.MS {
			out = append(out, v.entry(k))
		}
	}
	return out
}

// oldest returns where the log begins after w. The log is kept for the retention or 24 h, whichever
// is shorter, and never ends before the newest entry of before w: after a jump of log time, replicas
// that have read that entry read on from it.
func (m *Memory) oldest(w *writing) Position {
	limit := w.head.MS - min(w.head.Retain(), LogKept).Milliseconds()
	i := sort.Search(len(m.log), func(i int) bool { return m.log[i].Position.MS >= limit })
	switch {
	case len(m.log) > 0:
		return m.log[min(i, len(m.log)-1)].Position
	case len(w.entries) > 0:
		return w.entries[0].Position
	}
	return w.head.Position()
}
