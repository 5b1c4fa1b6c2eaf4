package replica

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is revocation.Stats, which documents its fields.
type Stats struct {
	State        string
	Age          time.Duration
	Window       time.Duration
	Position     string
	Entries      int64
	Bytes        int64
	Outbox       int
	Full         uint64
	Denied       uint64
	Acknowledged uint64
	Terms        uint64
	Pauses       uint64
	Decisions    map[string]uint64
	Refusals     map[string]uint64
	Confirms     map[string]uint64
	Reads        map[string]uint64
	Writes       map[string]uint64
	Anomalies    map[string]uint64
}

// counters are the counters of one Replica. Decisions are counted without a lock, in
// several places by session: with one number, all cores would wait for each other's cache
// line.
type counters struct {
	decided [16]decisions
	refused [Silent + 1]atomic.Uint64

	confirms, reads, writes, anomalies tally

	full         atomic.Uint64 // revocations that the outbox had no room for
	acknowledged atomic.Uint64 // revocations that the store took, as asked for
	terms        atomic.Uint64 // new primaries
	pauses       atomic.Uint64 // of this process
	denied       atomic.Uint64 // filter hits that the store denied
}

// decisions fills one cache line.
type decisions struct {
	n [Ask + 1]atomic.Uint64
	_ [64 - 8*(Ask+1)]byte
}

func (c *counters) of(q *Query) *decisions {
	return &c.decided[q.Session[0]%uint8(len(c.decided))]
}

// all returns the number of decisions so far.
func (c *counters) all() (n uint64) {
	for i := range c.decided {
		for o := range c.decided[i].n {
			n += c.decided[i].n[o].Load()
		}
	}
	return n
}

// A tally counts rare events by name.
type tally struct {
	mu sync.Mutex // owns n
	n  map[string]uint64
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]uint64{}
	}
	t.n[name]++
}

func (t *tally) all() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// Stats returns the counters since Open, and how the list looks now.
func (l *Replica) Stats() Stats {
	s := Stats{
		Decisions:    map[string]uint64{},
		Refusals:     map[string]uint64{},
		Confirms:     l.counters.confirms.all(),
		Reads:        l.counters.reads.all(),
		Anomalies:    l.counters.anomalies.all(),
		Outbox:       int(l.outbox.n.Load()),
		Writes:       l.counters.writes.all(),
		Full:         l.counters.full.Load(),
		Acknowledged: l.counters.acknowledged.Load(),
		Terms:        l.counters.terms.Load(),
		Pauses:       l.counters.pauses.Load(),
		Denied:       l.counters.denied.Load(),
	}
	for i := range l.counters.decided {
		for o := range l.counters.decided[i].n {
			s.Decisions[Outcome(o).String()] += l.counters.decided[i].n[o].Load()
		}
	}
	for r := range l.counters.refused {
		if n := l.counters.refused[r].Load(); n > 0 {
			s.Refusals[Reason(r).String()] = n
		}
	}
	now := time.Now()
	s.State = l.state(now)
	if v := l.view.Load(); v != nil {
		s.Age = v.age(now)
		s.Window = time.Duration(v.m.MS-v.now.from) * time.Millisecond
		s.Position = v.m.String()
		s.Entries, s.Bytes = v.now.entries()+int64(len(v.globals)), v.now.bytes()
	}
	return s
}
