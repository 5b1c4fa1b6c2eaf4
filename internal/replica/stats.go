package replica

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Stats is revocation.Stats, which documents its fields.
type Stats struct {
	State        string
	Age          time.Duration
	Window       time.Duration
	Position     string
	Entries      int64
	Bytes        int64
	LogEntries   int64
	StoreUsed    int64
	StoreLimit   int64
	Outbox       int
	Full         uint64
	Denied       uint64
	Acknowledged uint64
	Enforced     histogram.Snapshot
	Terms        uint64
	Pauses       uint64
	Decide       histogram.Snapshot
	Confirm      histogram.Snapshot
	Hits         map[string]uint64
	Decisions    map[string]map[string]uint64
	Refusals     map[string]uint64
	Confirms     map[string]uint64
	Reads        map[string]uint64
	Writes       map[string]uint64
	Anomalies    map[string]uint64
	SignedIn     revlog.SignedIn
}

// counters are the counters of one Replica. Decisions are counted without a lock, in
// several places by session: with one number, all cores would wait for each other's cache
// line.
type counters struct {
	decided   [16]decisions
	confirmed [byStore + 1][Ask]atomic.Uint64
	decide    histogram.Histogram // a sample
	confirm   histogram.Histogram

	hit, wrongHit atomic.Uint64 // of a filter, as far as is known

	refused [Silent + 1]atomic.Uint64 // or undecided

	confirms, reads, writes, anomalies tally

	full         atomic.Uint64 // revocations that the outbox had no room for
	acknowledged atomic.Uint64 // revocations that the store took, as asked for
	terms        atomic.Uint64 // new primaries
	pauses       atomic.Uint64 // of this process
	denied       atomic.Uint64 // filter hits that the store denied
}

// decisions counts decisions from memory by outcome, with an old view and with a fresh one.
// It fills one cache line.
type decisions struct{ n [2][Ask + 1]atomic.Uint64 }

// sampled is how many decisions from memory there are for one that is timed.
const sampled = 64

// decided counts v, and how long it took since began if it is one of the sample: that is the
// first of every 64, so a quiet replica has some as well. It costs the others nothing.
func (c *counters) decidedFor(q *Query, v *Verdict, began time.Time) {
	fresh := 0
	if v.Fresh {
		fresh = 1
	}
	if n := c.decided[q.Session[0]%uint8(len(c.decided))].n[fresh][v.Outcome].Add(1); n%sampled == 1 {
		c.decide.Observe(time.Since(began))
	}
	if v.Reason != None {
		c.refused[v.Reason].Add(1)
	}
}

// A path is how a decision was found.
type path uint8

const (
	byMemory path = iota // of this replica, which is in step
	byFrozen             // of this replica, which is not in step
	byCache              // of earlier answers of the store
	byStore              // which was asked
)

// String returns the name of p in Stats.
func (p path) String() string { return [...]string{"memory", "frozen", "cache", "store"}[p] }

// fromMemory returns the path of a decision from memory.
func fromMemory(v Verdict) path {
	if v.Fresh {
		return byMemory
	}
	return byFrozen
}

// decisions returns how many sessions were decided, by path and outcome.
func (c *counters) decisions() map[string]map[string]uint64 {
	all := map[string]map[string]uint64{}
	for p := range c.confirmed {
		all[path(p).String()] = map[string]uint64{}
		for o := range c.confirmed[p] {
			n := c.confirmed[p][o].Load()
			for i := range c.decided {
				switch path(p) {
				case byMemory:
					n += c.decided[i].n[1][o].Load()
				case byFrozen:
					n += c.decided[i].n[0][o].Load()
				}
			}
			all[path(p).String()][Outcome(o).String()] = n
		}
	}
	return all
}

// all returns the number of decisions so far.
func (c *counters) all() (n uint64) {
	for i := range c.decided {
		for o := range c.decided[i].n[0] {
			n += c.decided[i].n[0][o].Load() + c.decided[i].n[1][o].Load()
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
		Decide:       l.counters.decide.Snapshot(),
		Confirm:      l.counters.confirm.Snapshot(),
		Hits:         map[string]uint64{"true": l.counters.hit.Load(), "false": l.counters.wrongHit.Load()},
		Decisions:    l.counters.decisions(),
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
		Enforced:     l.canaries.enforced.Snapshot(),
	}
	for r := range l.counters.refused {
		if n := l.counters.refused[r].Load(); n > 0 {
			s.Refusals[Reason(r).String()] = n
		}
	}
	if e := l.census.estimate.Load(); e != nil {
		s.SignedIn = *e
	}
	if u := l.usage.Load(); u != nil {
		s.StoreUsed, s.StoreLimit = u.Bytes, u.Limit
	}
	now := time.Now()
	s.State = l.state(now)
	if v := l.view.Load(); v != nil {
		s.Age = v.age(now)
		s.Window = v.window()
		s.Position, s.LogEntries = v.m.String(), v.logged
		s.Entries, s.Bytes = v.now.entries()+int64(len(v.globals)), v.now.bytes()
		if v.now.watermarks.of(l.tags.canaryOf(v.head.ID)) > 0 {
			s.Entries-- // the canary revokes nobody
		}
	}
	return s
}
