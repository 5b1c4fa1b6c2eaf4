package token

import (
	"bytes"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

// maxMembers bounds how many members claims may have, known or not.
const maxMembers = 64

// parseSession reads claims of a session in whatever form JSON allows, and reports
// whether they are that. It is strict where leniency would let two readers
// understand different things: no name may come twice, or differ from another one
// or from a known one only in case (encoding/json takes SUB for sub), and known
// members have one type and, if numbers, one spelling. Members that are not known
// are ignored, so the format can grow while old and new replicas run together.
//
// dat is the exception: it is last, and everything behind its colon up to the
// brace that ends the claims belongs to it, whether or not that is one JSON value.
// So data that is not JSON stays where it is and cannot be taken for claims.
//
// Strings are unescaped in b, where the slices of c point.
func parseSession(b []byte, c *Session) bool {
	*c = Session{}
	const (
		aud = 1 << iota
		sid
		authTime
		iat
		exp
		end
		required = 1<<iota - 1
	)
	has := 0
	m := members{Reader: strictjson.NewReader(b), known: sessionNames}
	for m.more() {
		ok := false
		switch m.name {
		case "aud":
			has |= aud
			c.Audience, ok = m.audience()
		case "sid":
			has |= sid
			ok = m.bytes16((*[16]byte)(&c.ID))
		case "sub":
			c.Subject, ok = m.Text()
			ok = ok && len(c.Subject) <= MaxSubject
		case "stg":
			ok = m.bytes16((*[16]byte)(&c.SubjectTag))
		case "grp":
			ok = m.groups(c)
		case "auth_time":
			has |= authTime
			c.AuthTime, ok = m.Integer()
		case "ep":
			c.Epoch, ok = m.Integer()
		case "iat":
			has |= iat
			c.IssuedAt, ok = m.Integer()
		case "exp":
			has |= exp
			c.Expires, ok = m.Integer()
		case "end":
			has |= end
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
	return m.complete && has == required
}

// parseRenewal reads the claims of a renewal token under the rules of [parseSession].
func parseRenewal(b []byte, c *Renewal) bool {
	*c = Renewal{}
	const (
		sid = 1 << iota
		iat
		exp
		required = 1<<iota - 1
	)
	has := 0
	m := members{Reader: strictjson.NewReader(b), known: renewalNames}
	for m.more() {
		ok := false
		switch m.name {
		case "sid":
			has |= sid
			ok = m.bytes16((*[16]byte)(&c.ID))
		case "iat":
			has |= iat
			c.IssuedAt, ok = m.Integer()
		case "exp":
			has |= exp
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
	return m.complete && has == required
}

// The names of the members that are known.
var (
	sessionNames = []string{"aud", "sid", "sub", "stg", "grp", "auth_time", "ep", "iat", "exp", "end", "rem", "chk", "ln", "ver", "dat"}
	renewalNames = []string{"sid", "iat", "exp", "chk", "ln"}
)

// members goes through the members of an object, which is all there is to read.
type members struct {
	strictjson.Reader
	known    []string
	name     string // of the member whose value is to be read next
	complete bool   // the object ended as it should
	n        int
	names    [maxMembers][]byte
}

// more reads up to the value of the next known member, which the caller must then
// read. It reports false at the end of the object and where it is not one.
func (m *members) more() bool {
	if m.n == 0 && !m.Next('{') {
		return false
	}
	for ; !m.Next('}'); m.n++ {
		if m.n == maxMembers || m.n > 0 && !m.Next(',') {
			return false
		}
		name, ok := m.Member()
		if !ok || m.repeated(name) {
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

// repeated reports whether there was a member of this name already, in any case.
func (m *members) repeated(name []byte) bool {
	for _, other := range m.names[:m.n] {
		if bytes.EqualFold(name, other) {
			return true
		}
	}
	return false
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

func (m *members) term() (uint32, bool) {
	v, ok := m.Integer()
	return uint32(v), ok && v == int64(uint32(v))
}
