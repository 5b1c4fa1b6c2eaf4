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
	var alg, enc, typ bool
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
		switch string(name) {
		case "alg":
			if alg || string(value) != "dir" {
				return nil, 0, false
			}
			alg = true
		case "enc":
			if enc || string(value) != "A256GCM" {
				return nil, 0, false
			}
			enc = true
		case "kid":
			if kid != nil || !isKid(value) {
				return nil, 0, false
			}
			kid = value
		case "typ":
			if typ {
				return nil, 0, false
			}
			if k, typ = kindOf(value); !typ {
				return nil, 0, false
			}
		default:
			return nil, 0, false
		}
	}
	return kid, k, alg && enc && typ && kid != nil && r.Done()
}

// isKid reports whether kid is 64 bits in base64url, in their only spelling.
func isKid(kid []byte) bool {
	var id [8]byte
	_, ok := jwe.AppendDecode(id[:0], kid)
	return ok && len(kid) == kidSize
}
