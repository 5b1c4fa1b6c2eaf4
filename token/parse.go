package token

import (
	"bytes"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

// maxMembers is how many members claims may have, known and unknown ones together.
const maxMembers = 64

// parseSession reads the claims of a session in any form that JSON allows. It reports whether they
// are valid. It is strict where two lenient readers could understand different things: a name may
// not come twice, nor differ from another name or a known one only in case (encoding/json takes SUB
// for sub), and known members have one type and, if they are numbers, one spelling. Unknown members
// are ignored, so that the format can grow while old and new replicas run together.
//
// dat is the exception. It comes last, and everything from its colon to the brace that ends the
// claims belongs to it, whether or not that is one JSON value. So data that is not JSON stays where
// it is and cannot be read as claims.
//
// Strings are unescaped within b, and the slices of c point there.
func parseSession(b []byte, c *Session) bool {
	*c = Session{}
	m := members{Reader: strictjson.NewReader(b), known: sessionNames}
	for m.more() {
		ok := false
		switch m.name {
		case "aud":
			c.Audience, ok = m.audience()
		case "sid":
			ok = m.bytes16((*[16]byte)(&c.ID))
		case "sub":
			c.Subject, ok = m.Text()
			ok = ok && len(c.Subject) <= MaxSubject
		case "stg":
			ok = m.bytes16((*[16]byte)(&c.SubjectTag))
		case "grp":
			ok = m.groups(c)
		case "auth_time":
			c.AuthTime, ok = m.Integer()
		case "amr":
			ok = m.methods(c)
		case "ep":
			c.Epoch, ok = m.Integer()
		case "ld":
			c.Loaded, ok = m.Integer()
		case "iat":
			c.IssuedAt, ok = m.Integer()
		case "exp":
			c.Expires, ok = m.Integer()
		case "end":
			c.End, ok = m.Integer()
		case "rem":
			c.Remembered, ok = m.Boolean()
		case "chk":
			c.Checked, ok = m.Integer()
		case "ln":
			c.Term, ok = m.term()
		case "ver":
			c.Version, ok = m.Integer()
		case "dat":
			c.Data, ok = m.Rest()
		}
		if !ok {
			return false
		}
	}
	return m.complete && m.have("aud", "sid", "auth_time", "iat", "exp", "end")
}

// parseRenewal reads the claims of a renewal token under the rules of [parseSession].
func parseRenewal(b []byte, c *Renewal) bool {
	*c = Renewal{}
	m := members{Reader: strictjson.NewReader(b), known: renewalNames}
	for m.more() {
		ok := false
		switch m.name {
		case "sid":
			ok = m.bytes16((*[16]byte)(&c.ID))
		case "ld":
			c.Loaded, ok = m.Integer()
		case "iat":
			c.IssuedAt, ok = m.Integer()
		case "exp":
			c.Expires, ok = m.Integer()
		case "chk":
			c.Checked, ok = m.Integer()
		case "ln":
			c.Term, ok = m.term()
		}
		if !ok {
			return false
		}
	}
	return m.complete && m.have("sid", "iat", "exp")
}

// The names of the known members.
var (
	sessionNames = []string{"aud", "sid", "sub", "stg", "grp", "auth_time", "amr", "ep", "ld", "iat", "exp", "end", "rem", "chk", "ln", "ver", "dat"}
	renewalNames = []string{"sid", "ld", "iat", "exp", "chk", "ln"}
)

// members iterates over the members of an object.
type members struct {
	strictjson.Reader
	known    []string
	name     string // of the member to read next
	complete bool   // whether the object ended properly
	n        int
	names    [maxMembers][]byte
}

// more reads up to the value of the next known member, which the caller must then read. It returns
// false at the end of the object and where the object is malformed.
func (m *members) more() bool {
	if m.n == 0 && !m.Next('{') {
		return false
	}
	for ; !m.Next('}'); m.n++ {
		if m.n == maxMembers || m.n > 0 && !m.Next(',') {
			return false
		}
		name, ok := m.Member()
		if !ok || m.came(name) {
			return false
		}
		m.names[m.n] = name
		for _, known := range m.known {
			if bytes.EqualFold(name, []byte(known)) {
				m.n++
				m.name = known
				return string(name) == known
			}
		}
		if !m.Skip(strictjson.MaxDepth) {
			return false
		}
	}
	m.complete = m.Done()
	return false
}

// came reports whether a member of this name has come, in any case.
func (m *members) came(name []byte) bool {
	for _, other := range m.names[:m.n] {
		if bytes.EqualFold(name, other) {
			return true
		}
	}
	return false
}

// have reports whether members of all these names came.
func (m *members) have(names ...string) bool {
	for _, name := range names {
		if !m.came([]byte(name)) {
			return false
		}
	}
	return true
}

// audience reads aud, which may be an array of one (RFC 7519 §4.1.3).
func (m *members) audience() ([]byte, bool) {
	array := m.Next('[')
	aud, ok := m.Text()
	if !ok || array && !m.Next(']') {
		return nil, false
	}
	return aud, 0 < len(aud) && len(aud) <= MaxAudience
}

func (m *members) bytes16(dst *[16]byte) bool {
	s, ok := m.Text()
	return ok && jwe.Decode16(dst, s)
}

func (m *members) groups(c *Session) bool {
	if !m.Next('[') {
		return false
	}
	for c.Groups = 0; !m.Next(']'); c.Groups++ {
		if c.Groups == MaxGroups || c.Groups > 0 && !m.Next(',') || !m.bytes16((*[16]byte)(&c.GroupTags[c.Groups])) {
			return false
		}
	}
	return true
}

func (m *members) methods(c *Session) bool {
	if !m.Next('[') {
		return false
	}
	for n := 0; !m.Next(']'); n++ {
		if n > 0 && !m.Next(',') {
			return false
		}
		if method, ok := m.Text(); !ok || !addMethod(c, n, method) {
			return false
		}
	}
	return true
}

func (m *members) term() (uint32, bool) {
	v, ok := m.Integer()
	return uint32(v), ok && v == int64(uint32(v))
}
