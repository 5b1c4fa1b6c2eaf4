package token

import (
	"bytes"

	"github.com/wafer-sessions/wafer/internal/jwe"
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
	var has int
	ok := parseMembers(b, sessionNames, func(r *reader, name string) (ok bool) {
		switch name {
		case "aud":
			has |= aud
			c.Audience, ok = r.audience()
			return ok && 0 < len(c.Audience) && len(c.Audience) <= MaxAudience
		case "sid":
			has |= sid
			return r.bytes16((*[16]byte)(&c.ID))
		case "sub":
			c.Subject, ok = r.text()
			return ok && len(c.Subject) <= MaxSubject
		case "stg":
			return r.bytes16((*[16]byte)(&c.SubjectTag))
		case "grp":
			return r.groups(c)
		case "auth_time":
			has |= authTime
			c.AuthTime, ok = r.integer()
		case "ep":
			c.Epoch, ok = r.integer()
		case "iat":
			has |= iat
			c.IssuedAt, ok = r.integer()
		case "exp":
			has |= exp
			c.Expires, ok = r.integer()
		case "end":
			has |= end
			c.End, ok = r.integer()
		case "chk":
			c.Checked, ok = r.integer()
		case "ln":
			c.Line, ok = r.line()
		case "dat":
			c.Data, ok = r.rest()
		}
		return ok
	})
	return ok && has == required
}

// parseSeen reads the claims of a seen token under the rules of [parseSession].
func parseSeen(b []byte, c *Seen) bool {
	*c = Seen{}
	const (
		sid = 1 << iota
		iat
		exp
		required = 1<<iota - 1
	)
	var has int
	ok := parseMembers(b, seenNames, func(r *reader, name string) (ok bool) {
		switch name {
		case "sid":
			has |= sid
			return r.bytes16((*[16]byte)(&c.ID))
		case "iat":
			has |= iat
			c.IssuedAt, ok = r.integer()
		case "exp":
			has |= exp
			c.Expires, ok = r.integer()
		case "chk":
			c.Checked, ok = r.integer()
		case "ln":
			c.Line, ok = r.line()
		}
		return ok
	})
	return ok && has == required
}

// The names of the members that are known.
var (
	sessionNames = []string{"aud", "sid", "sub", "stg", "grp", "auth_time", "ep", "iat", "exp", "end", "chk", "ln", "dat"}
	seenNames    = []string{"sid", "iat", "exp", "chk", "ln"}
)

// parseMembers reads an object and has value read the value of each known member.
func parseMembers(b []byte, known []string, value func(r *reader, name string) bool) bool {
	r := reader{b: b}
	var names [maxMembers][]byte
	if !r.next('{') {
		return false
	}
	for n := 0; !r.next('}'); n++ {
		if n == maxMembers || n > 0 && !r.next(',') {
			return false
		}
		name, ok := r.name()
		if !ok {
			return false
		}
		for _, other := range names[:n] {
			if bytes.EqualFold(name, other) {
				return false
			}
		}
		names[n] = name
		k := -1
		for i := range known {
			if bytes.EqualFold(name, []byte(known[i])) {
				k = i
			}
		}
		switch {
		case k < 0:
			ok = r.skip(maxDepth)
		default:
			ok = string(name) == known[k] && value(&r, known[k])
		}
		if !ok {
			return false
		}
	}
	return r.done()
}

// audience reads aud, which may be an array of one (RFC 7519 §4.1.3).
func (r *reader) audience() ([]byte, bool) {
	if !r.next('[') {
		return r.text()
	}
	aud, ok := r.text()
	return aud, ok && r.next(']')
}

func (r *reader) bytes16(dst *[16]byte) bool {
	s, ok := r.text()
	return ok && jwe.Decode16(dst, s)
}

func (r *reader) groups(c *Session) bool {
	if !r.next('[') {
		return false
	}
	for c.Groups = 0; !r.next(']'); c.Groups++ {
		if c.Groups == MaxGroups || c.Groups > 0 && !r.next(',') || !r.bytes16((*[16]byte)(&c.GroupTags[c.Groups])) {
			return false
		}
	}
	return true
}

func (r *reader) line() (uint32, bool) {
	v, ok := r.integer()
	return uint32(v), ok && v == int64(uint32(v))
}

// rest reads everything up to the last brace, which it leaves to be read.
func (r *reader) rest() ([]byte, bool) {
	end := bytes.LastIndexByte(r.b, '}')
	if end < r.i {
		return nil, false
	}
	t := r.b[r.i:end:end]
	r.i = end
	return t, true
}
