package revocation

import (
	"encoding/binary"
	"math/bits"

	"github.com/bits-and-blooms/bloom/v3"
)

// R14: 24 bits a key and 10 positions give about 3e-5 false hits a probe in a
// full generation; an overfilled one gives a hundred times that, so a generation
// is closed at its planned capacity.
const (
	bitsPerKey  = 24
	positions   = 10
	lineBits    = 512 // a cache line
	minCapacity = 4096
)

// A generation is a stretch of the log as a Bloom filter. One that stands in a
// view is immutable.
type generation struct {
	filter   *bloom.BloomFilter
	lines    uint64 // of the filter
	capacity int
	n        int
	first    int64 // log time of its first entry, ms
	newest   int64 // log time of its newest entry, ms
}

func newGeneration(capacity int, first int64) *generation {
	capacity = max(capacity, minCapacity)
	lines := (uint(capacity)*bitsPerKey + lineBits - 1) / lineBits
	return &generation{
		filter: bloom.New(lines*lineBits, positions), lines: uint64(lines),
		capacity: capacity, first: first, newest: first,
	}
}

func (g *generation) clone() *generation {
	c := *g
	c.filter = g.filter.Copy()
	return &c
}

func (g *generation) full() bool { return g.n >= g.capacity }

func (g *generation) bytes() int64 { return int64(g.filter.Cap() / 8) }

func (g *generation) add(tag Tag, ms int64) {
	set := g.filter.BitSet()
	for _, half := range halves(tag) {
		line := g.line(half)
		for i := range uint(positions / 2) {
			set.Set(line | position(half, i))
		}
	}
	g.n++
	g.newest = max(g.newest, ms)
}

func (g *generation) has(at *[2]uint64) bool {
	set := g.filter.BitSet()
	for _, half := range at {
		line := g.line(half)
		for i := range uint(positions / 2) {
			if !set.Test(line | position(half, i)) {
				return false
			}
		}
	}
	return true
}

// halves splits a tag into what its filter positions are made of. A tag is
// already the output of a keyed function, so there is nothing left to hash, and
// nobody without the list key can choose one. Each half sets five bits of one
// cache line: its low 45 bits say which, its high ones say of which line. So the
// probe of a generation that lacks the tag costs one line, mostly.
func halves(tag Tag) [2]uint64 {
	return [2]uint64{binary.LittleEndian.Uint64(tag[:8]), binary.LittleEndian.Uint64(tag[8:])}
}

// line returns the first position of the line that half falls into.
func (g *generation) line(half uint64) uint {
	line, _ := bits.Mul64(half, g.lines)
	return uint(line) * lineBits
}

// position returns the i-th position of half in its line.
func position(half uint64, i uint) uint { return uint(half>>(9*i)) % lineBits }

// plan returns the capacity of the generation that follows g: what came in g's
// time, stretched to a whole width. One that fills up sooner is closed sooner,
// so there is no need for more.
func (g *generation) plan(width int64) int {
	rate := float64(g.n) / float64(max(g.newest-g.first, 1000))
	return min(int(rate*float64(width)), filterLimit/bitsPerKey)
}
