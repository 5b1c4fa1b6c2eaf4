package jwe

import "encoding/binary"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" // RFC 4648 §5

// foreign marks characters in decodeTable that are not in the alphabet. It lies above the 24 bits
// that four characters hold.
const foreign = 0xff << 24

var (
	// decodeTable has a row for each of the four characters that make three bytes, with the six
	// bits of the character in their place.
	decodeTable = makeDecodeTable()
	// encodeTable has the two characters for each value of twelve bits, the first in the low byte.
	encodeTable = makeEncodeTable()
)

func makeDecodeTable() (t [4][256]uint32) {
	for row := range t {
		for c := range t[row] {
			t[row][c] = foreign
		}
		for v := range len(alphabet) {
			t[row][alphabet[v]] = uint32(v) << (18 - 6*row)
		}
	}
	return t
}

func makeEncodeTable() (t [1 << 12]uint16) {
	for v := range t {
		t[v] = uint16(alphabet[v>>6]) | uint16(alphabet[v&63])<<8
	}
	return t
}

// EncodedLen returns how many characters n bytes need.
func EncodedLen(n int) int { return n/3*4 + (n%3*8+5)/6 }

// DecodedLen returns how many bytes n characters hold.
func DecodedLen(n int) int { return n/4*3 + n%4*6/8 }

// AppendEncode appends src to dst in unpadded base64url (RFC 4648 §5). src may lie in the spare
// capacity of dst, if it ends no earlier than what is appended.
func AppendEncode(dst, src []byte) []byte {
	n := EncodedLen(len(src))
	dst = grow(dst, n)
	out := dst[len(dst)-n:]
	for len(src) >= 8 && len(out) >= 8 { // six bytes of eight
		x := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(out, uint64(encodeTable[x>>52])|
			uint64(encodeTable[x>>40&0xfff])<<16|
			uint64(encodeTable[x>>28&0xfff])<<32|
			uint64(encodeTable[x>>16&0xfff])<<48)
		src, out = src[6:], out[8:]
	}
	for len(src) >= 3 && len(out) >= 4 {
		x := uint32(src[0])<<16 | uint32(src[1])<<8 | uint32(src[2])
		binary.LittleEndian.PutUint32(out, uint32(encodeTable[x>>12])|uint32(encodeTable[x&0xfff])<<16)
		src, out = src[3:], out[4:]
	}
	switch len(src) {
	case 1:
		binary.LittleEndian.PutUint16(out, encodeTable[uint32(src[0])<<4])
	case 2:
		x := uint32(src[0])<<10 | uint32(src[1])<<2
		binary.LittleEndian.PutUint16(out, encodeTable[x>>6])
		out[2] = alphabet[x&63]
	}
	return dst
}

// AppendDecode appends to dst the bytes that s encodes in unpadded base64url, and reports whether s
// is their only valid spelling. It refuses padding, line ends, the other alphabet, a length that no
// encoding has, and bits left over in the last character that are not zero. (Package
// encoding/base64 skips CR and LF even when it is strict.) If it returns false, the appended bytes
// mean nothing.
func AppendDecode[T ~string | ~[]byte](dst []byte, s T) ([]byte, bool) {
	n := DecodedLen(len(s))
	dst = grow(dst, n)
	return dst, decode(dst[len(dst)-n:], s)
}

// Decode16 reads 16 bytes from their 22 characters, under the rules of [AppendDecode].
func Decode16[T ~string | ~[]byte](dst *[16]byte, s T) bool {
	return len(s) == tagChars && decode(dst[:], s)
}

// decode fills dst, which is DecodedLen(len(s)) bytes long.
func decode[T ~string | ~[]byte](dst []byte, s T) bool {
	bad := uint32(0)
	i := 0
	// writes fourteen bytes, of which twelve count
	for ; len(dst) >= 14 && len(s)-i >= 16; i += 16 {
		q := s[i : i+16]
		x, y := four(q), four(q[4:])
		bad |= x | y
		binary.BigEndian.PutUint64(dst, uint64(x)<<40|uint64(y)<<16)
		x, y = four(q[8:]), four(q[12:])
		bad |= x | y
		binary.BigEndian.PutUint64(dst[6:], uint64(x)<<40|uint64(y)<<16)
		dst = dst[12:]
	}
	for ; len(dst) >= 3 && len(s)-i >= 4; i += 4 {
		x := four(s[i:])
		bad |= x
		dst[0], dst[1], dst[2] = byte(x>>16), byte(x>>8), byte(x)
		dst = dst[3:]
	}
	t := &decodeTable
	switch len(s) - i {
	case 0:
		return bad&foreign == 0
	case 2:
		x := t[0][s[i]] | t[1][s[i+1]]
		dst[0] = byte(x >> 16)
		return (bad|x)&foreign == 0 && x&0xffff == 0
	case 3:
		x := t[0][s[i]] | t[1][s[i+1]] | t[2][s[i+2]]
		dst[0], dst[1] = byte(x>>16), byte(x>>8)
		return (bad|x)&foreign == 0 && x&0xff == 0
	}
	return false // a single character holds six bits, which is not a byte
}

// four returns the 24 bits of the first four characters of s. If a character is not in the
// alphabet, the bits of foreign are set above them.
func four[T ~string | ~[]byte](s T) uint32 {
	t := &decodeTable
	_ = s[3]
	return t[0][s[0]] | t[1][s[1]] | t[2][s[2]] | t[3][s[3]]
}

// grow returns dst longer by n bytes of any content.
func grow(dst []byte, n int) []byte {
	return reserve(dst, n)[:len(dst)+n]
}

// reserve returns dst with room for n more bytes. It allocates at most once, also with the race
// detector, and exactly as much as needed.
func reserve(dst []byte, n int) []byte {
	if n <= cap(dst)-len(dst) {
		return dst
	}
	b := make([]byte, len(dst), len(dst)+n)
	copy(b, dst)
	return b
}
