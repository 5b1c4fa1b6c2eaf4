package httpmw

import (
	"iter"
	"strings"
)

const (
	// maxSame bounds how many cookies of one name are looked at. A browser sends several when a
	// neighbouring host or an earlier Domain set one of the same name.
	maxSame = 4

	// maxPairs bounds how many cookies are looked through. It is the limit of net/http.
	maxPairs = 3000
)

// found holds the values of our cookies, in the order they came.
type found struct {
	session, anonymous, renewal values
	chunks                      chunkCookies
}

// values are those of the cookies of one name.
type values struct {
	of   [maxSame]string
	n    int
	more bool // more than maxSame came
}

func (v *values) all() []string { return v.of[:v.n] }

func (v *values) add(value string) {
	if v.n == maxSame {
		v.more = true
		return
	}
	v.of[v.n] = value
	v.n++
}

// size returns how many bytes the values have together.
func (v *values) size() (n int) {
	for _, value := range v.all() {
		n += len(value)
	}
	return n
}

// scan looks for our cookies in the Cookie header fields. Names must match to the letter: browsers
// protect a prefix in any case, but a server that folded case would accept "__host-" from browsers
// that do not protect it. The cost is one pass over at most maxPairs cookies, and nothing is
// allocated or copied.
func (k *cookieStyle) scan(fields []string, f *found) {
	for pair := range cookies(fields) {
		rest, ok := strings.CutPrefix(pair, k.session)
		if !ok {
			continue
		}
		if value, ok := strings.CutPrefix(rest, renewalSuffix+"="); ok {
			f.renewal.add(value)
			continue
		}
		to := &f.session
		if r, ok := strings.CutPrefix(rest, anonymousSuffix); ok {
			to, rest = &f.anonymous, r
		}
		if value, ok := strings.CutPrefix(rest, "="); ok {
			to.add(value)
		} else if isChunk(rest) {
			f.chunks = fields
		}
	}
}

// cookies goes through the pairs of the Cookie header fields, at most maxPairs of them.
func cookies(fields []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		pairs := 0
		for _, field := range fields {
			for rest := field; rest != ""; {
				if pairs++; pairs > maxPairs {
					return
				}
				var pair string
				pair, rest, _ = strings.Cut(rest, ";")
				if !yield(trimSpace(pair)) {
					return
				}
			}
		}
	}
}

// trimSpace removes the blanks and tabs around a pair, and no other white space.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
