// Package meter counts how often each key of a ring seals, and notes when it last sealed and last
// opened. It is the inside of keys.Meter, and is apart so that rediskeys can keep the count over a
// fleet and tests can lower the limits.
package meter

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Limits are numbers of seals of one key. Zero fields have the defaults.
type Limits struct {
	Tired    uint64 // from here on the ring should be rotated; zero: 2^31
	Renewals uint64 // from here on renewals are not sealed; zero: 2^31 + 2^30
	All      uint64 // from here on nothing is sealed; zero: 2^32

	// First is the size of the first block that a process reserves, and Block that of the largest.
	// A block is as large as all before it together. Zero: 2^12 and 2^20.
	First, Block uint64
	// Shares: a process that cannot reserve may seal this fraction of what it believes is left. So
	// as many processes stay below All together. Zero: 1024.
	Shares uint64
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *uint64
		zero  uint64
	}{
		{&l.Tired, 1 << 31}, {&l.Renewals, 1<<31 + 1<<30}, {&l.All, 1 << 32},
		{&l.First, 1 << 12}, {&l.Block, 1 << 20}, {&l.Shares, 1 << 10},
	} {
		if *f.field == 0 {
			*f.field = f.zero
		}
	}
	return l
}

// A Meter counts for one process. It is safe for concurrent use.
type Meter struct {
	limits Limits
	wake   chan struct{} // tells the owner that a block is wanted; nil: this process counts alone
	mu     sync.Mutex    // held while counts is replaced and while a count's limits change
	counts atomic.Pointer[map[string]*Count]
}

// New returns a Meter that counts the seals of this process.
func New(l Limits) *Meter {
	m := &Meter{limits: l.withDefaults()}
	m.counts.Store(&map[string]*Count{})
	return m
}

// NewFleet returns a Meter that counts the seals of a fleet, by what its owner reserves: see Wanted.
func NewFleet(l Limits) *Meter {
	m := New(l)
	m.wake = make(chan struct{}, 1)
	return m
}

// Fleet reports whether the Meter counts over a fleet.
func (m *Meter) Fleet() bool { return m.wake != nil }

// A Count is that of one key.
type Count struct {
	wake chan struct{} // that of the Meter

	// What every seal writes.
	seals  atomic.Uint64 // of this process
	sealed atomic.Int64  // Unix second of the last one

	// What every seal reads: numbers that seals is compared with. mu owns their changes.
	all      atomic.Uint64 // nothing is sealed from here on
	renewals atomic.Uint64 // renewals are not sealed from here on
	ask      atomic.Uint64 // another block is wanted from here on

	wanted atomic.Bool // another block

	// What is known of the fleet. mu owns the changes.
	total    atomic.Uint64 // highest number of seals that was told, blocks counting as spent
	reserved uint64        // of these, for this process
	lastSeal atomic.Int64  // Unix seconds
	lastOpen atomic.Int64

	_      [64]byte     // opening writes another cache line than sealing
	opened atomic.Int64 // Unix second when this process last opened with it
}

// Count returns the count of a key, and begins it if there is none. It stays the same as long as
// Keep keeps the key.
func (m *Meter) Count(kid string) *Count {
	if c := (*m.counts.Load())[kid]; c != nil {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begin(kid)
}

// begin returns the count of a key. The caller holds mu.
func (m *Meter) begin(kid string) *Count {
	have := *m.counts.Load()
	if c := have[kid]; c != nil {
		return c
	}
	c := &Count{wake: m.wake}
	m.limit(c)
	next := maps.Clone(have)
	next[kid] = c
	m.counts.Store(&next)
	return c
}

// limit computes what a count is compared with. The caller holds mu.
func (m *Meter) limit(c *Count) {
	l := m.limits
	if m.wake == nil {
		c.all.Store(l.All)
		c.renewals.Store(l.Renewals)
		c.ask.Store(math.MaxUint64)
		return
	}
	total := c.total.Load()
	left := l.All - min(total, l.All)
	all, renewals, ask := c.reserved+left/l.Shares, uint64(0), uint64(math.MaxUint64)
	if total < l.Renewals {
		renewals = all
	}
	if left > 0 { // before the last quarter of the last block
		ask = c.reserved - min(c.reserved, m.block(c.reserved/2)/4)
	}
	c.all.Store(all)
	c.renewals.Store(renewals)
	c.ask.Store(ask)
}

// block returns how large the next block is after so much was reserved.
func (m *Meter) block(reserved uint64) uint64 {
	return min(max(reserved, m.limits.First), m.limits.Block)
}

// Seal counts a seal of the key at now, and reports whether it may be made. A renewal may be made
// less often than something that must not be lost.
func (c *Count) Seal(renewal bool, now time.Time) bool {
	most := &c.all
	if renewal {
		most = &c.renewals
	}
	n := c.seals.Add(1)
	if n > c.ask.Load() {
		c.want()
	}
	if n > most.Load() {
		c.seals.Add(^uint64(0))
		return false
	}
	later(&c.sealed, now.Unix())
	return true
}

// want asks for a block.
func (c *Count) want() {
	c.wanted.Store(true)
	select {
	case c.wake <- struct{}{}:
	default: // it was asked for already
	}
}

// Opened notes that the key opened a token at now.
func (c *Count) Opened(now time.Time) { later(&c.opened, now.Unix()) }

// later raises a time to s. Within a second it only reads.
func later(t *atomic.Int64, s int64) {
	for {
		have := t.Load()
		if s <= have || t.CompareAndSwap(have, s) {
			return
		}
	}
}

// Use is what is known of a key.
type Use struct {
	Seals          uint64 // of the fleet, if the Meter counts it; else of this process
	Sealed, Opened int64  // Unix seconds; 0: never
}

// Use returns what is known of a key. It begins no count.
func (m *Meter) Use(kid string) Use {
	c := (*m.counts.Load())[kid]
	if c == nil {
		return Use{}
	}
	return c.use()
}

func (c *Count) use() Use {
	return Use{
		Seals:  max(c.seals.Load(), c.total.Load()),
		Sealed: max(c.sealed.Load(), c.lastSeal.Load()), Opened: max(c.opened.Load(), c.lastOpen.Load()),
	}
}

// Tired reports whether a key has sealed so often that the ring should be rotated.
func (m *Meter) Tired(kid string) bool { return m.Use(kid).Seals >= m.limits.Tired }

// Left returns which part of its seals a key has left, from 1 down to 0.
func (m *Meter) Left(kid string) float64 {
	all := m.limits.All
	return float64(all-min(m.Use(kid).Seals, all)) / float64(all)
}
