package revocation

import (
	"encoding/binary"

	"github.com/bits-and-blooms/bloom/v3"
)

// R14: 24 bits a key and 10 positions give about 2e-5 false hits a probe in a
// full generation; an overfilled one gives a hundred times that, so a generation
// is closed at its planned capacity.
const (
	bitsPerKey  = 24
	positions   = 10
	minCapacity = 4096
)

// A generation is a stretch of the log as a Bloom filter. One that stands in a
// view is immutable.
type generation struct {
	filter   *bloom.BloomFilter
	capacity int
	n        int
	first    int64 // log time of its first entry, ms
	newest   int64 // log time of its newest entry, ms
}

func newGeneration(capacity int, first int64) *generation {
	capacity = max(capacity, minCapacity)
	return &generation{filter: bloom.New(uint(capacity)*bitsPerKey, positions), capacity: capacity, first: first, newest: first}
}

func (g *generation) clone() *generation {
	c := *g
	c.filter = g.filter.Copy()
	return &c
}

func (g *generation) full() bool { return g.n >= g.capacity }

func (g *generation) bytes() int64 { return int64(g.filter.Cap() / 8) }

func (g *generation) add(tag Tag, ms int64) {
	bits, m := g.filter.BitSet(), uint64(g.filter.Cap())
	for _, l := range locate(tag) {
		bits.Set(uint(l % m))
	}
	g.n++
	g.newest = max(g.newest, ms)
}

func (g *generation) has(at *[positions]uint64) bool { return g.filter.TestLocations(at[:]) }

// locate derives filter positions from a tag. A tag is already the output of a
// keyed function, so there is nothing left to hash, and nobody without the list
// key can choose one.
func locate(tag Tag) (at [positions]uint64) {
	a := binary.LittleEndian.Uint64(tag[:8])
	b := binary.LittleEndian.Uint64(tag[8:]) | 1
	for i := range at {
		at[i] = a
		a += b
		b += uint64(i) // enhanced double hashing: no two tags share a whole walk by accident
	}
	return at
}

// plan returns the capacity of the generation that follows g: what came in g's
// time, stretched to a whole width, and half as much again.
func (g *generation) plan(width int64) int {
	rate := float64(g.n) / float64(max(g.newest-g.first, 1000))
	return min(int(rate*float64(width)*1.5), filterLimit/8*8/bitsPerKey)
}
