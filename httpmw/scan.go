package httpmw

import "strings"

// maxSame bounds how many cookies of one name are looked at: a browser sends several when a neighbouring host or
// an earlier Domain set one of the same name.
const maxSame = 4

// found holds the values of our cookies in the order they came.
type found struct {
	session, seen   [maxSame]string
	sessions, seens int
}

// scan looks for our cookies in the Cookie header fields. Names must match to the letter: browsers protect a
// prefix in whatever case, but a server that folded case would take "__host-" from those that do not. The cost is
// one pass, whatever came, and nothing is allocated or copied.
func (k *cookieStyle) scan(fields []string, f *found) {
	for _, field := range fields {
		for rest := field; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			pair = trimSpace(pair)
			tail, ok := strings.CutPrefix(pair, k.session)
			if !ok || tail == "" {
				continue
			}
			if tail[0] == '=' {
				if f.sessions < maxSame {
					f.session[f.sessions] = tail[1:]
					f.sessions++
				}
			} else if v, ok := strings.CutPrefix(tail, seenSuffix+"="); ok && f.seens < maxSame {
				f.seen[f.seens] = v
				f.seens++
			}
		}
	}
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
