package token

import "bytes"

// IsMethod reports whether a session can say that its subject was authenticated by a method of this
// name: 1 to [MaxMethod] bytes of printable ASCII without space, quotation mark and backslash, which
// are the names of RFC 8176 §6.1. So no method is ever written with escapes.
func IsMethod[S ~[]byte | ~string](name S) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return 0 < len(name) && len(name) <= MaxMethod
}

// addMethod makes a name the method n of c. It reports whether c can have one more of that name.
func addMethod(c *Session, n int, name []byte) bool {
	if n == MaxMethods || !IsMethod(name) {
		return false
	}
	for _, have := range c.Methods[:n] {
		if bytes.Equal(have, name) {
			return false
		}
	}
	c.Methods[n] = name
	return true
}

// methodsLen returns how long [appendMethods] writes, and whether readers accept it.
func methodsLen(c *Session) (n int, ok bool) {
	var read Session
	for i, name := range c.Methods {
		switch {
		case len(name) == 0:
		case i > 0 && len(c.Methods[i-1]) == 0, !addMethod(&read, i, name):
			return 0, false
		case i == 0:
			n = len(`,"amr":[""]`) + len(name)
		default:
			n += len(`,""`) + len(name)
		}
	}
	return n, true
}

// appendMethods appends the member amr, unless there are no methods.
func appendMethods(b []byte, c *Session) []byte {
	if len(c.Methods[0]) == 0 {
		return b
	}
	before := `,"amr":["`
	for _, name := range c.Methods {
		if len(name) == 0 {
			break
		}
		b = append(append(b, before...), name...)
		before = `","`
	}
	return append(b, `"]`...)
}
