package strictjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxInteger is the greatest integer that is read: the greatest that a double holds exactly
	// with all integers below it (RFC 7493 §2.2).
	MaxInteger = 1<<53 - 1
	// MaxDigits is the length of MaxInteger.
	MaxDigits = 16
	// MaxDepth is how deep arrays and objects may nest in a value.
	MaxDepth = 16
)

// A Reader reads JSON (RFC 8259) strictly: only UTF-8, no lone surrogates, and it checks even what
// it skips. It allocates nothing: strings are unescaped in place, which never makes them longer.
// After a method returned false, the Reader must not be used any more. A method that reads a number
// or a word does not check what comes after it; the next call does.
type Reader struct {
	b []byte
	i int
}

// NewReader returns a Reader of b. Reading changes b.
func NewReader(b []byte) Reader { return Reader{b: b} }

func (r *Reader) space() {
	for r.i < len(r.b) {
		switch r.b[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

// Next reads c if c comes next, and reports whether it did.
func (r *Reader) Next(c byte) bool {
	r.space()
	return r.accept(c)
}

// Done reports whether everything has been read.
func (r *Reader) Done() bool {
	r.space()
	return r.i == len(r.b)
}

// Member reads the name of a member, and the colon after it.
func (r *Reader) Member() ([]byte, bool) {
	name, ok := r.Text()
	return name, ok && r.Next(':')
}

// Text reads a string.
func (r *Reader) Text() ([]byte, bool) {
	if !r.Next('"') {
		return nil, false
	}
	start, w := r.i, r.i // unescaped text is written at w
	for r.i < len(r.b) {
		switch c := r.b[r.i]; {
		case c == '"':
			r.i++
			s := r.b[start:w:w]
			return s, utf8.Valid(s)
		case c < ' ':
			return nil, false
		case c == '\\':
			char, ok := r.escape()
			if !ok {
				return nil, false
			}
			w += utf8.EncodeRune(r.b[w:], char)
		default:
			r.b[w] = c
			r.i++
			w++
		}
	}
	return nil, false
}

// escape reads an escape sequence after its backslash.
func (r *Reader) escape() (rune, bool) {
	if len(r.b)-r.i < 2 {
		return 0, false
	}
	c := r.b[r.i+1]
	r.i += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		char, ok := r.hex4()
		if !ok || !utf16.IsSurrogate(char) {
			return char, ok
		}
		if len(r.b)-r.i < 2 || r.b[r.i] != '\\' || r.b[r.i+1] != 'u' {
			return 0, false
		}
		r.i += 2
		low, ok := r.hex4()
		char = utf16.DecodeRune(char, low)
		return char, ok && char != utf8.RuneError
	}
	return 0, false
}

func (r *Reader) hex4() (rune, bool) {
	if len(r.b)-r.i < 4 {
		return 0, false
	}
	var v rune
	for _, c := range r.b[r.i : r.i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	r.i += 4
	return v, true
}

// Integer reads an integer in its only spelling: digits without sign, leading zero, fraction or
// exponent, below 2^53.
func (r *Reader) Integer() (int64, bool) {
	r.space()
	v, n := Integer(r.b[r.i:])
	r.i += n
	return v, n > 0
}

// Boolean reads true or false.
func (r *Reader) Boolean() (v, ok bool) {
	r.space()
	v = r.word("true")
	return v, v || r.word("false")
}

// Skip reads any value whose arrays and objects nest at most depth levels deep.
func (r *Reader) Skip(depth int) bool {
	r.space()
	if r.i == len(r.b) {
		return false
	}
	switch c := r.b[r.i]; c {
	case '"':
		_, ok := r.Text()
		return ok
	case '{', '[':
		if depth == 0 {
			return false
		}
		r.i++
		for first := true; !r.Next(c + 2); first = false { // } is { + 2, ] is [ + 2
			if !first && !r.Next(',') {
				return false
			}
			if c == '{' {
				if _, ok := r.Member(); !ok {
					return false
				}
			}
			if !r.Skip(depth - 1) {
				return false
			}
		}
		return true
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	return r.number()
}

func (r *Reader) word(w string) bool {
	if len(r.b)-r.i < len(w) || string(r.b[r.i:r.i+len(w)]) != w {
		return false
	}
	r.i += len(w)
	return true
}

// number reads any number.
func (r *Reader) number() bool {
	r.accept('-')
	if !r.accept('0') && !r.digits() {
		return false
	}
	if r.accept('.') && !r.digits() {
		return false
	}
	if r.accept('e') || r.accept('E') {
		if !r.accept('+') {
			r.accept('-')
		}
		if !r.digits() {
			return false
		}
	}
	return true
}

func (r *Reader) accept(c byte) bool {
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *Reader) digits() bool {
	start := r.i
	for r.i < len(r.b) && r.b[r.i]-'0' <= 9 {
		r.i++
	}
	return r.i > start
}

// Integer reads an integer in its only spelling at the beginning of b: digits without a leading
// zero, below 2^53. It returns the value and the number of digits, which is 0 if there is no such
// integer.
func Integer(b []byte) (v int64, n int) {
	if len(b) > MaxDigits+1 {
		b = b[:MaxDigits+1] // one digit too many cannot overflow
	}
	for _, c := range b {
		c -= '0'
		if c > 9 {
			break
		}
		v = v*10 + int64(c)
		n++
	}
	if v > MaxInteger || n > 1 && b[0] == '0' {
		return 0, 0
	}
	return v, n
}

// Rest returns everything up to the last brace, and leaves the brace to be read.
func (r *Reader) Rest() ([]byte, bool) {
	end := bytes.LastIndexByte(r.b, '}')
	if end < r.i {
		return nil, false
	}
	t := r.b[r.i:end:end]
	r.i = end
	return t, true
}
