package httpmw

import "strings"

// maxSame bounds how many cookies of one name are looked at: a browser sends several when a neighbouring host or
// an earlier Domain set one of the same name.
const maxSame = 4

// maxPairs bounds how many cookies are looked through. It is the limit of net/http.
const maxPairs = 3000

// found holds the values of our cookies in the order they came.
type found struct {
	session, anonymous pieces
	seen               [maxSame]string
	seens              int
}

// pieces are the values of a cookie that may be spread over several.
type pieces struct {
	head  [maxSame]string
	heads int
	more  bool // more than maxSame heads came
	tail  [maxCookies - 1][maxSame]string
	tails [maxCookies - 1]int
}

// scan looks for our cookies in the Cookie header fields. Names must match to the letter: browsers protect a
// prefix in whatever case, but a server that folded case would take "__host-" from those that do not. The cost is
// one pass over maxPairs cookies at most, whatever came, and nothing is allocated or copied.
func (k *cookieStyle) scan(fields []string, f *found) {
	pairs := 0
	for _, field := range fields {
		for rest := field; rest != ""; {
			if pairs++; pairs > maxPairs {
				return
			}
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			pair = trimSpace(pair)
			tail, ok := strings.CutPrefix(pair, k.session)
			if !ok || tail == "" {
				continue
			}
			if v, ok := strings.CutPrefix(tail, seenSuffix+"="); ok {
				f.seens = keep(&f.seen, f.seens, v)
			} else if tail, ok := strings.CutPrefix(tail, anonymousSuffix); ok {
				f.anonymous.take(tail)
			} else {
				f.session.take(tail)
			}
		}
	}
}

// take keeps a value, if what follows the cookie's name says that it is one of its pieces.
func (p *pieces) take(s string) {
	if v, ok := strings.CutPrefix(s, "="); ok {
		p.more = p.heads == maxSame
		p.heads = keep(&p.head, p.heads, v)
	} else if i, v, ok := cutTail(s); ok {
		p.tails[i-1] = keep(&p.tail[i-1], p.tails[i-1], v)
	}
}

// keep adds a value to those of its name, unless there are enough.
func keep(values *[maxSame]string, n int, v string) int {
	if n == maxSame {
		return n
	}
	values[n] = v
	return n + 1
}

// cutTail splits what follows the session's name in the cookie of a tail: ".1=value".
func cutTail(s string) (i int, value string, ok bool) {
	if len(s) < 3 || s[0] != '.' || s[1] < '1' || s[1] >= '0'+maxCookies || s[2] != '=' {
		return 0, "", false
	}
	return int(s[1] - '0'), s[3:], true
}

// trimSpace removes the white space that may stand around a pair: blanks and tabs, nothing of Unicode.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
