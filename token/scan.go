package token

import (
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

// scanSession reads claims in the canonical form, which is what appendSession writes, as long as no
// string needs an escape. It returns false for everything else, and may have changed c by then;
// [parseSession] then decides. Where scanSession returns true, parseSession reads the same.
func scanSession(b []byte, c *Session) bool {
	s := scanner{b: b}
	s.expect(`{"aud":"`)
	c.Audience = s.text(MaxAudience)
	s.expect(`,"sid":"`)
	s.bytes16((*[16]byte)(&c.ID))
	if s.take(`,"sub":"`) {
		c.Subject = s.text(MaxSubject)
	}
	if s.take(`,"stg":"`) {
		s.bytes16((*[16]byte)(&c.SubjectTag))
	}
	if s.take(`,"grp":["`) {
		s.bytes16((*[16]byte)(&c.GroupTags[0]))
		for c.Groups = 1; c.Groups < MaxGroups && s.take(`,"`); c.Groups++ {
			s.bytes16((*[16]byte)(&c.GroupTags[c.Groups]))
		}
		s.expect(`]`)
	}
	s.expect(`,"auth_time":`)
	c.AuthTime = s.integer()
	if s.take(`,"amr":["`) {
		s.methods(c)
	}
	if s.take(`,"ep":`) {
		c.Epoch = s.integer()
	}
	if s.take(`,"ld":`) {
		c.Loaded = s.integer()
	}
	s.expect(`,"iat":`)
	c.IssuedAt = s.integer()
	s.expect(`,"exp":`)
	c.Expires = s.integer()
	s.expect(`,"end":`)
	c.End = s.integer()
	c.Remembered = s.take(`,"rem":true`)
	if s.take(`,"chk":`) {
		c.Checked = s.integer()
	}
	if s.take(`,"ln":`) {
		c.Term = s.term()
	}
	if s.take(`,"ver":`) {
		c.Version = s.integer()
	}
	if s.take(`,"dat":`) {
		c.Data = s.rest()
	} else {
		s.expect(`}`)
	}
	return !s.failed && len(s.b) == 0 && len(c.Audience) > 0
}

// scanRenewal is to [parseRenewal] what [scanSession] is to parseSession.
func scanRenewal(b []byte, c *Renewal) bool {
	s := scanner{b: b}
	s.expect(`{"sid":"`)
	s.bytes16((*[16]byte)(&c.ID))
	if s.take(`,"ld":`) {
		c.Loaded = s.integer()
	}
	s.expect(`,"iat":`)
	c.IssuedAt = s.integer()
	s.expect(`,"exp":`)
	c.Expires = s.integer()
	if s.take(`,"chk":`) {
		c.Checked = s.integer()
	}
	if s.take(`,"ln":`) {
		c.Term = s.term()
	}
	s.expect(`}`)
	return !s.failed && len(s.b) == 0
}

// A scanner reads the text that it is told to expect. Once something else comes, it has failed: it
// finds nothing more, and its results mean nothing.
type scanner struct {
	b      []byte // the text not read yet
	failed bool
}

func (s *scanner) fail() { s.b, s.failed = nil, true }

// take reads lit if it comes next.
func (s *scanner) take(lit string) bool {
	if len(s.b) >= len(lit) && string(s.b[:len(lit)]) == lit {
		s.b = s.b[len(lit):]
		return true
	}
	return false
}

// expect reads lit, which must come next.
func (s *scanner) expect(lit string) {
	if !s.take(lit) {
		s.fail()
	}
}

// text reads a string without escapes, and the quote after it.
func (s *scanner) text(limit int) []byte {
	var all byte
	for i, c := range s.b {
		if c == '"' {
			t := s.b[:i:i]
			if i > limit || all >= utf8.RuneSelf && !utf8.Valid(t) {
				break
			}
			s.b = s.b[i+1:]
			return t
		}
		if c < ' ' || c == '\\' {
			break
		}
		all |= c
	}
	s.fail()
	return nil
}

// bytes16 reads 16 bytes in base64url, and the quote after them.
func (s *scanner) bytes16(dst *[16]byte) {
	if len(s.b) <= 22 || s.b[22] != '"' || !jwe.Decode16(dst, s.b[:22]) {
		s.fail()
		return
	}
	s.b = s.b[23:]
}

// methods reads names of methods from behind the first quote on, and the bracket after them.
func (s *scanner) methods(c *Session) {
	for n := 0; ; n++ {
		if !addMethod(c, n, s.text(MaxMethod)) {
			s.fail()
			return
		}
		if !s.take(`,"`) {
			break
		}
	}
	s.expect(`]`)
}

func (s *scanner) integer() int64 {
	v, n := strictjson.Integer(s.b)
	if n == 0 {
		s.fail()
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *scanner) term() uint32 {
	v := s.integer()
	if v != int64(uint32(v)) {
		s.fail()
	}
	return uint32(v)
}

// rest reads everything up to the brace that ends the claims, and the brace.
func (s *scanner) rest() []byte {
	end := len(s.b) - 1
	if end < 0 || s.b[end] != '}' {
		s.fail()
		return nil
	}
	t := s.b[:end:end]
	s.b = s.b[len(s.b):]
	return t
}
