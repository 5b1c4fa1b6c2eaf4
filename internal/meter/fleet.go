package meter

// A Want is what one process has to tell the fleet about a key.
type Want struct {
	KID            string
	Told           uint64 // the highest total that this process was told; the fleet's must not be lower
	Block          uint64 // seals to reserve; 0: none
	Sealed, Opened int64  // Unix seconds of the last ones; 0: never
}

// Wake receives when a block is wanted. It is nil if the Meter counts one process.
func (m *Meter) Wake() <-chan struct{} { return m.wake }

// Wanted returns what to tell the fleet about all keys that were counted or that others told of.
func (m *Meter) Wanted() []Want {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Want
	for kid, c := range *m.counts.Load() {
		u := c.use()
		w := Want{KID: kid, Told: c.total.Load(), Sealed: u.Sealed, Opened: u.Opened}
		if n := c.seals.Load(); c.wanted.Load() {
			// what was sealed without a block, and one block more
			w.Block = n - min(n, c.reserved) + m.block(c.reserved)
		}
		out = append(out, w)
	}
	return out
}

// Reserved notes that a block was reserved, and that it brought the fleet's total to total. What
// lies beyond the limit of the key is not this process's to seal.
func (m *Meter) Reserved(kid string, block, total uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.begin(kid)
	beyond := total - min(total, m.limits.All)
	c.reserved += block - min(block, beyond)
	c.total.Store(max(c.total.Load(), total))
	c.wanted.Store(false)
	m.limit(c)
	if c.seals.Load() > c.ask.Load() { // it went on sealing meanwhile
		c.want()
	}
}

// Told notes what the fleet knows of a key.
func (m *Meter) Told(kid string, total uint64, sealed, opened int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.begin(kid)
	later(&c.lastSeal, sealed)
	later(&c.lastOpen, opened)
	if total > c.total.Load() {
		c.total.Store(total)
		m.limit(c)
	}
}

// Keep drops the counts of keys for which kept returns false.
func (m *Meter) Keep(kept func(kid string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[string]*Count{}
	for kid, c := range *m.counts.Load() {
		if kept(kid) {
			next[kid] = c
		}
	}
	m.counts.Store(&next)
}
