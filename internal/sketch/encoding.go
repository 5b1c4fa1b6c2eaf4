package sketch

import (
	"errors"
	"math"
)

const (
	// few is from how many registers on it takes less space to write all of them, at 6 bits each,
	// than to write those that are not zero, at 3 bytes each.
	few = registers * 6 / 8 / 3
	// all, in place of the number of registers that are not zero, says that all registers follow.
	all = 0xffff

	// MaxSize is the most bytes that Append adds.
	MaxSize = 2 + registers*6/8
)

// ErrMalformed: these bytes are not what Append writes.
var ErrMalformed = errors.New("sketch: malformed")

// Append appends s to b. A sketch of few tags takes 3 bytes for each of them.
//
// The format is big-endian. It begins with the number of registers that are not zero, in 2 bytes. If
// there are fewer than 4096 of them, they follow in ascending order, each in 3 bytes: index times 64,
// plus value. Otherwise the number is 0xffff, and the values of all registers follow, 6 bits each.
func (s *Sketch) Append(b []byte) []byte {
	values := make([]uint8, registers) // one moment of s, which others may be changing
	set := 0
	for w, four := range s.all {
		for i := w * 4; four != 0; i, four = i+1, four>>8 {
			if values[i] = uint8(four); values[i] > 0 {
				set++
			}
		}
	}
	if set < few {
		b = append(b, byte(set>>8), byte(set))
		for i, v := range values {
			if v > 0 {
				b = append24(b, i<<6|int(v))
			}
		}
		return b
	}
	b = append(b, all>>8, all&0xff)
	for i := 0; i < registers; i += 4 {
		b = append24(b, int(values[i])<<18|int(values[i+1])<<12|int(values[i+2])<<6|int(values[i+3]))
	}
	return b
}

// Parse reads a sketch that Append wrote into s, which must be empty, and returns the bytes after it.
// Any other bytes are an error, and then s is of no use.
func (s *Sketch) Parse(b []byte) (rest []byte, _ error) {
	if len(b) < 2 {
		return nil, ErrMalformed
	}
	set, b := int(b[0])<<8|int(b[1]), b[2:]
	switch {
	case set == all:
		return s.parseAll(b)
	case set >= few || len(b) < 3*set:
		return nil, ErrMalformed
	}
	last := -1
	for range set {
		i, v := at24(b)>>6, uint8(at24(b)&0x3f)
		if i <= last || i >= registers || v == 0 || v > most {
			return nil, ErrMalformed
		}
		s.raise(i, v)
		last, b = i, b[3:]
	}
	return b, nil
}

func (s *Sketch) parseAll(b []byte) (rest []byte, _ error) {
	const size = registers * 6 / 8
	if len(b) < size {
		return nil, ErrMalformed
	}
	set := 0
	for w := range s.words {
		x := at24(b[3*w:])
		var four uint32
		for i := range 4 {
			v := uint32(x>>(18-6*i)) & 0x3f
			if v > most {
				return nil, ErrMalformed
			}
			if v > 0 {
				set++
			}
			four |= v << (8 * i)
		}
		s.words[w].Store(four)
	}
	if set < few { // there is a shorter form, and every sketch has one form
		return nil, ErrMalformed
	}
	s.used.Store(math.MaxUint64)
	return b[size:], nil
}

func append24(b []byte, x int) []byte { return append(b, byte(x>>16), byte(x>>8), byte(x)) }

func at24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
