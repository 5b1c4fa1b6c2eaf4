package token

import (
	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

const (
	// maxHeader is the greatest length of a header that other software wrote, in bytes of JSON.
	maxHeader = 384
	// kidSize is the length of a kid: 64 bits in base64url.
	kidSize = 11
)

// header returns the encoded header of tokens of kind k under the key kid.
func header(kid string, k kind) string {
	return string(jwe.AppendEncode(nil, []byte(`{"alg":"dir","enc":"A256GCM","kid":"`+kid+`","typ":"`+k.typ()+`"}`)))
}

// parseHeader reads an encoded header that is spelled differently from what [header] writes: the
// same four members in any order, each of them once, with the same values, and with whatever white
// space and escapes JSON allows. Everything else is refused: zip, crit, keys and addresses of keys,
// other algorithms. buf must be empty with a capacity of maxHeader; kid points into it.
func parseHeader(buf []byte, encoded string) (kid []byte, k kind, ok bool) {
	if jwe.DecodedLen(len(encoded)) > maxHeader {
		return nil, 0, false
	}
	raw, ok := jwe.AppendDecode(buf, encoded)
	if !ok {
		return nil, 0, false
	}
	r := strictjson.NewReader(raw)
	if !r.Next('{') {
		return nil, 0, false
	}
	var h fields
	for first := true; !r.Next('}'); first = false {
		if !first && !r.Next(',') {
			return nil, 0, false
		}
		name, ok := r.Member()
		if !ok {
			return nil, 0, false
		}
		value, ok := r.Text()
		if !ok {
			return nil, 0, false
		}
		if h, ok = h.with(name, value); !ok {
			return nil, 0, false
		}
	}
	return h.kid, h.kind, h.alg && h.enc && h.typ && h.kid != nil && r.Done()
}

// fields are the members of a header that came so far.
type fields struct {
	alg, enc, typ bool
	kid           []byte
	kind          kind
}

// with returns f with one more member, and reports whether it is one of the four, came once and has
// a right value. (A method that changed f would have the member's bytes escape to the heap.)
func (f fields) with(name, value []byte) (_ fields, ok bool) {
	switch string(name) {
	case "alg":
		ok = !f.alg && string(value) == "dir"
		f.alg = true
	case "enc":
		ok = !f.enc && string(value) == "A256GCM"
		f.enc = true
	case "kid":
		ok = f.kid == nil && isKid(value)
		f.kid = value
	case "typ":
		ok = !f.typ
		f.kind, f.typ = kindOf(value)
		ok = ok && f.typ
	}
	return f, ok
}

// isKid reports whether kid is 64 bits in base64url, in their only spelling.
func isKid(kid []byte) bool {
	var id [8]byte
	_, ok := jwe.AppendDecode(id[:0], kid)
	return ok && len(kid) == kidSize
}
