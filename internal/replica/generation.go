package replica

import (
	"encoding/binary"
	"math/bits"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R14: with 24 bits an entry and 10 positions, a full generation gives about 3e-5 false
// matches a probe. An overfilled one gives a hundred times as many, so a generation is
// closed at its planned capacity.
const (
	bitsPerKey  = 24
	positions   = 10
	lineBits    = 512 // a cache line
	minCapacity = 4096
)

// A generation is a Bloom filter over one stretch of the log. In a view it is immutable.
type generation struct {
	filter   *bloom.BloomFilter
	words    []uint64 // of filter
	capacity int
	n        int
	first    int64 // log time of its first entry, ms
	newest   int64 // log time of its newest entry, ms
}

func newGeneration(capacity int, first int64) *generation {
	capacity = max(capacity, minCapacity)
	lines := (uint(capacity)*bitsPerKey + lineBits - 1) / lineBits
	g := &generation{filter: bloom.New(lines*lineBits, positions), capacity: capacity, first: first, newest: first}
	g.words = g.filter.BitSet().Words()
	return g
}

func (g *generation) clone() *generation {
	c := *g
	c.filter = g.filter.Copy()
	c.words = c.filter.BitSet().Words()
	return &c
}

func (g *generation) full() bool { return g.n >= g.capacity }

func (g *generation) bytes() int64 { return int64(g.filter.Cap() / 8) }

func (g *generation) add(tag revlog.Tag, ms int64) {
	for _, half := range halves(tag) {
		line := g.line(half)
		for range positions / 2 {
			line[half/64%8] |= 1 << (half % 64)
			half >>= 9
		}
	}
	g.n++
	g.newest = max(g.newest, ms)
}

// glance returns 1 if g has the first two bits of half, else 0.
func (g *generation) glance(half uint64) uint64 {
	line := g.line(half)
	return line[half/64%8] >> (half % 64) & (line[(half>>9)/64%8] >> ((half >> 9) % 64)) & 1
}

func (g *generation) has(at *[2]uint64) bool {
	for _, half := range at {
		line := g.line(half)
		all := uint64(1)
		for range positions / 2 { // one branch for five bits: each of them is a coin toss
			all &= line[half/64%8] >> (half % 64)
			half >>= 9
		}
		if all == 0 {
			return false
		}
	}
	return true
}

// halves splits a tag into the two numbers that its filter positions come from. A tag is
// already the output of a keyed function, so it needs no more hashing, and nobody without
// the list key can choose one. Each half sets five bits in one cache line: its low 45 bits
// say which bits, and the bits above them say which line. So a probe of a generation
// without the tag mostly costs one line.
func halves(tag revlog.Tag) [2]uint64 {
	return [2]uint64{binary.LittleEndian.Uint64(tag[:8]), binary.LittleEndian.Uint64(tag[8:])}
}

// line returns the cache line of the filter that half belongs to.
func (g *generation) line(half uint64) *[lineBits / 64]uint64 {
	line, _ := bits.Mul64(half, uint64(len(g.words)*64/lineBits))
	return (*[lineBits / 64]uint64)(g.words[line*lineBits/64:])
}

// plan returns the capacity of the generation after g: as many entries as g took, scaled to
// a whole width. A generation that fills up sooner is closed sooner, so there is no need
// for more.
func (g *generation) plan(width int64) int {
	rate := float64(g.n) / float64(max(g.newest-g.first, 1000))
	return min(int(rate*float64(width)), filterLimit/bitsPerKey)
}
