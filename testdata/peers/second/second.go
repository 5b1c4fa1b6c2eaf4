// Package second is a second implementation of docs/format.md, slow and made of
// nothing but the standard library: it shows that the page is enough to go by.
package second

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A JWK is a key of the ring, as section 1 has it.
type JWK struct {
	Kid     string `json:"kid"`
	K       string `json:"k"`
	Exp     int64  `json:"exp"`
	Revoked int64  `json:"revoked"`
}

// Claims are those of section 4, of any kind.
type Claims struct {
	Aud, Sub           string
	SID, STG           [16]byte
	GRP                [][16]byte
	AMR                []string
	AuthTime, EP, LD   int64
	IAT, EXP, End, CHK int64
	LN, Ver            int64
	Rem                bool
	Dat                []byte // nil: none
}

// Open follows section 8 and returns the reason if the token does not open.
func Open(ring []JWK, kind, token string, now int64) (c *Claims, reason string) {
	if len(token) > 4096 { // step 1
		return nil, "too long"
	}
	header, rest, ok := strings.Cut(token, ".") // step 2
	if !ok || len(rest) < 1+16+1+1+22 || rest[0] != '.' || rest[17] != '.' || rest[len(rest)-23] != '.' {
		return nil, "malformed"
	}
	iv, ct, tag := rest[1:17], rest[18:len(rest)-23], rest[len(rest)-22:]
	kid, typ, ok := readHeader(header) // step 3
	if !ok {
		return nil, "malformed"
	}
	var key *JWK // step 4
	for i := range ring {
		if ring[i].Kid == kid {
			key = &ring[i]
		}
	}
	switch {
	case key == nil:
		return nil, "unknown key"
	case typ != kind+"+jwt":
		return nil, "malformed"
	case key.Revoked != 0: // step 5
		return nil, "revoked key"
	case key.Exp != 0 && key.Exp <= now:
		return nil, "unknown key"
	}
	nonce, ok1 := decode(iv) // step 6
	sealed, ok2 := decode(ct)
	sum, ok3 := decode(tag)
	if !ok1 || !ok2 || !ok3 {
		return nil, "malformed"
	}
	k, _ := decode(key.K) // step 7
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, "unknown key"
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, "unknown key"
	}
	plaintext, err := gcm.Open(nil, nonce, append(sealed, sum...), []byte(header))
	if err != nil {
		return nil, "tampered"
	}
	if c, ok = ReadClaims(kind, plaintext); !ok { // step 8
		return nil, "malformed"
	}
	return c, ""
}

// decode is section 2.
func decode(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil && base64.RawURLEncoding.EncodeToString(b) == s
}

// readHeader is section 3.
func readHeader(segment string) (kid, typ string, ok bool) {
	b, ok := decode(segment)
	if !ok || len(b) > 384 {
		return "", "", false
	}
	members, ok := object(b, "")
	if !ok || len(members) != 4 {
		return "", "", false
	}
	text := make(map[string]string)
	for _, m := range members {
		s, ok := stringOf(m.value)
		if !ok {
			return "", "", false
		}
		text[m.name] = s
	}
	id, ok := decode(text["kid"])
	return text["kid"], text["typ"], ok && len(text) == 4 && len(id) == 8 && text["alg"] == "dir" && text["enc"] == "A256GCM" &&
		(text["typ"] == "session+jwt" || text["typ"] == "seen+jwt" || text["typ"] == "bearer+jwt")
}

// ReadClaims is sections 4 to 6.
func ReadClaims(kind string, plaintext []byte) (*Claims, bool) {
	c, has := new(Claims), make(map[string]bool)
	known, required, opaque := strings.Fields("sid iat exp chk ln"), strings.Fields("sid iat exp"), ""
	if kind != "seen" {
		known = strings.Fields("aud sid sub stg grp auth_time amr ep ld iat exp end rem chk ln ver dat")
		required, opaque = strings.Fields("aud sid auth_time iat exp end"), "dat"
	}
	members, ok := object(plaintext, opaque)
	if !ok || len(members) > 64 {
		return nil, false
	}
	for i, m := range members {
		for _, other := range members[:i] {
			if strings.EqualFold(m.name, other.name) {
				return nil, false
			}
		}
		isKnown := false
		for _, name := range known {
			if strings.EqualFold(name, m.name) && name != m.name {
				return nil, false
			}
			isKnown = isKnown || name == m.name
		}
		if isKnown {
			if !c.read(m.name, m.value) {
				return nil, false
			}
		} else if depth(m.value) > 16 {
			return nil, false
		}
		has[m.name] = true
	}
	for _, name := range required {
		if !has[name] {
			return nil, false
		}
	}
	return c, true
}

func (c *Claims) read(name string, value []byte) (ok bool) {
	switch name {
	case "aud":
		var list []json.RawMessage
		if json.Unmarshal(value, &list) == nil && len(list) == 1 {
			value = list[0]
		}
		c.Aud, ok = stringOf(value)
		return ok && 1 <= len(c.Aud) && len(c.Aud) <= 256
	case "sub":
		c.Sub, ok = stringOf(value)
		return ok && len(c.Sub) <= 256
	case "sid":
		c.SID, ok = bytes16(value)
	case "stg":
		c.STG, ok = bytes16(value)
	case "grp":
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || list == nil || len(list) > 8 {
			return false
		}
		for _, v := range list {
			tag, ok := bytes16(v)
			if !ok {
				return false
			}
			c.GRP = append(c.GRP, tag)
		}
		return true
	case "auth_time":
		c.AuthTime, ok = integer(value)
	case "amr":
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || list == nil || len(list) > 8 {
			return false
		}
		for _, v := range list {
			name, ok := stringOf(v)
			if !ok || !method.MatchString(name) || slices.Contains(c.AMR, name) {
				return false
			}
			c.AMR = append(c.AMR, name)
		}
		return true
	case "ep":
		c.EP, ok = integer(value)
	case "ld":
		c.LD, ok = integer(value)
	case "iat":
		c.IAT, ok = integer(value)
	case "exp":
		c.EXP, ok = integer(value)
	case "end":
		c.End, ok = integer(value)
	case "chk":
		c.CHK, ok = integer(value)
	case "ln":
		c.LN, ok = integer(value)
		return ok && c.LN < 1<<32
	case "rem":
		ok = json.Unmarshal(value, &c.Rem) == nil && string(value) != "null"
	case "ver":
		c.Ver, ok = integer(value)
	case "dat":
		c.Dat, ok = value, true
	}
	return ok
}

var method = regexp.MustCompile(`^[!#-\[\]-~]{1,16}$`)

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,15})$`)

func integer(value []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(value), 10, 64) // which takes a sign and zeros in front
	return v, err == nil && decimal.Match(value) && v < 1<<53
}

func stringOf(value []byte) (s string, ok bool) {
	return s, len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &s) == nil
}

func bytes16(value []byte) (out [16]byte, ok bool) {
	s, ok := stringOf(value)
	b, good := decode(s)
	if !ok || !good || len(b) != 16 {
		return out, false
	}
	return [16]byte(b), true
}

// A member of an object. The value is raw.
type member struct {
	name  string
	value []byte
}

// object reads the members of an object, which is all there is, in UTF-8 and
// without lone surrogates. The value of the member named opaque goes to the last
// brace.
func object(b []byte, opaque string) ([]member, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	var members []member
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, false
		}
		name, ok := token.(string)
		if !ok {
			return nil, false
		}
		if opaque != "" && name == opaque {
			start := int(d.InputOffset())
			start += bytes.IndexByte(b[start:], ':') + 1
			end := bytes.LastIndexByte(b, '}')
			if !bytes.HasPrefix(bytes.TrimLeft(b[int(d.InputOffset()):], whitespace), []byte(":")) || end < start || !clean(b[:start]) {
				return nil, false
			}
			return append(members, member{name, b[start:end:end]}), len(bytes.Trim(b[end+1:], whitespace)) == 0
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		members = append(members, member{name, value})
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return nil, false
	}
	return members, len(bytes.Trim(b[d.InputOffset():], whitespace)) == 0 && clean(b)
}

const whitespace = " \t\r\n"

var escapes = regexp.MustCompile(`\\u([dD][89a-bA-B][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F]|\\.`)

// clean reports whether JSON is UTF-8 without lone surrogates, which encoding/json
// replaces instead.
func clean(b []byte) bool {
	for _, m := range escapes.FindAllSubmatch(b, -1) {
		high, low := len(m[1]) > 0, len(m[2]) > 0
		if high != low || !high && len(m[0]) > 2 {
			return false
		}
	}
	return utf8.Valid(b)
}

// depth returns how deep arrays and objects nest.
func depth(value []byte) int {
	d := json.NewDecoder(bytes.NewReader(value))
	deepest, at := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			at++
		case json.Delim('}'), json.Delim(']'):
			at--
		}
		deepest = max(deepest, at)
	}
}
