package token

import (
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep the value of a member that is not known may nest, in
// arrays and objects.
const maxDepth = 16

// A reader reads JSON (RFC 8259) strictly: UTF-8 only, no lone surrogates, and
// whatever it skips is checked as well. It allocates nothing: strings are unescaped
// where they lie, which never makes them longer. A method that reports false leaves
// the reader somewhere, and nothing more can be done with it. What stands behind a
// number or a word is for the next call to accept, which knows what may follow.
type reader struct {
	b []byte
	i int
}

func (r *reader) space() {
	for r.i < len(r.b) {
		switch r.b[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

// next reads c if it comes next, and reports whether it did.
func (r *reader) next(c byte) bool {
	r.space()
	return r.accept(c)
}

// done reports whether there is nothing more to read.
func (r *reader) done() bool {
	r.space()
	return r.i == len(r.b)
}

// member reads the name of a member and the colon.
func (r *reader) member() ([]byte, bool) {
	name, ok := r.text()
	return name, ok && r.next(':')
}

// text reads a string.
func (r *reader) text() ([]byte, bool) {
	if !r.next('"') {
		return nil, false
	}
	start, w := r.i, r.i // what is unescaped is written at w
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

// escape reads what begins with a backslash.
func (r *reader) escape() (rune, bool) {
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

func (r *reader) hex4() (rune, bool) {
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

// integer reads an integer in its one spelling: digits without a sign, a leading
// zero, a fraction or an exponent, below 2^53.
func (r *reader) integer() (int64, bool) {
	r.space()
	v, n := integer(r.b[r.i:])
	r.i += n
	return v, n > 0
}

// boolean reads true or false.
func (r *reader) boolean() (v, ok bool) {
	r.space()
	v = r.word("true")
	return v, v || r.word("false")
}

// skip reads any value whose arrays and objects nest at most depth levels deep.
func (r *reader) skip(depth int) bool {
	r.space()
	if r.i == len(r.b) {
		return false
	}
	switch c := r.b[r.i]; c {
	case '"':
		_, ok := r.text()
		return ok
	case '{', '[':
		if depth == 0 {
			return false
		}
		r.i++
		for first := true; !r.next(c + 2); first = false { // } is { + 2, ] is [ + 2
			if !first && !r.next(',') {
				return false
			}
			if c == '{' {
				if _, ok := r.member(); !ok {
					return false
				}
			}
			if !r.skip(depth - 1) {
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

func (r *reader) word(w string) bool {
	if len(r.b)-r.i < len(w) || string(r.b[r.i:r.i+len(w)]) != w {
		return false
	}
	r.i += len(w)
	return true
}

// number reads any number.
func (r *reader) number() bool {
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

func (r *reader) accept(c byte) bool {
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *reader) digits() bool {
	start := r.i
	for r.i < len(r.b) && r.b[r.i]-'0' <= 9 {
		r.i++
	}
	return r.i > start
}
