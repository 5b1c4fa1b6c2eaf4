package httpmw

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/token"
)

// A session whose data is too large for one cookie is spread over several, if Config.MaxCookies allows: the head,
// under the cookie's own name, with all its claims and the beginning of its data, and one or two tails, "<name>.1"
// and "<name>.2", with the rest. Each is a token of its own. A piece says in its audience that it is one and which:
// "<App>.0", "<App>.1", "<App>.2", so that nothing takes a piece for a session. In the place of the data it has
//
//	["<write id>", <count of pieces>, "<piece of the data>"]
//
// and pieces belong together if session id, write id and count are the same and every index is there. So only what
// one write sealed opens, however cookies of several writes, or of several sessions, were mixed.
const (
	// maxCookieHeader bounds what the browser sends back of ours, in bytes: nginx refuses 8,183 in all. A third of
	// what is left beside the renewal cookie goes to each piece, also if there are two, so that none is much
	// longer than others.
	maxCookieHeader = 7500
	roomForSeen     = 360
	maxPiece        = (maxCookieHeader - roomForSeen) / maxCookies

	writeIDBytes = 8
)

// pieceAudience is the audience of a piece.
func (c *core) pieceAudience(i int) string { return c.cfg.App + "." + strconv.Itoa(i) }

// piece is what stands in the place of the data.
type piece struct {
	write string
	count int
	data  string
}

func (p *piece) UnmarshalJSON(b []byte) error {
	var raw [3]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	return errors.Join(json.Unmarshal(raw[0], &p.write), json.Unmarshal(raw[1], &p.count), json.Unmarshal(raw[2], &p.data))
}

// appendPiece writes a piece as JSON. Quotation marks, of which JSON is full, trade places with apostrophes, of which
// it is not: otherwise the escapes would cost a fifth of the room.
func appendPiece(b []byte, write string, count int, data []byte) []byte {
	b = append(b, `["`+write+`",`+strconv.Itoa(count)+`,"`...)
	for _, c := range data {
		switch c = trade(c); {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, fmt.Sprintf(`\u%04x`, c)...)
		default:
			b = append(b, c)
		}
	}
	return append(b, `"]`...)
}

func trade(c byte) byte {
	switch c {
	case '"':
		return '\''
	case '\'':
		return '"'
	}
	return c
}

// gather puts the data of a session back together whose head was opened. It reports false if a piece is missing, or
// of another write.
func (c *core) gather(o *opened, from *pieces, now time.Time) bool {
	var head piece
	if json.Unmarshal(o.tok.Data, &head) != nil || head.count < 2 || head.count > maxCookies {
		return false
	}
	data := make([]byte, 0, head.count*maxPiece)
	data = append(data, head.data...)
	for i := 1; i < head.count; i++ {
		tail, ok := c.findTail(o, from, i, &head, now)
		if !ok {
			return false
		}
		data = append(data, tail...)
	}
	for i := range data {
		data[i] = trade(data[i])
	}
	o.tok.Data = data
	return true
}

// findTail looks among the cookies of one tail's name for the one that belongs to the head.
func (c *core) findTail(o *opened, from *pieces, i int, head *piece, now time.Time) (string, bool) {
	for _, compact := range from.tail[i-1][:from.tails[i-1]] {
		var t token.Session
		if c.sealer.OpenSession(nil, compact, &t, now) != nil || t.ID != o.tok.ID || string(t.Audience) != c.pieceAudience(i) {
			continue
		}
		var p piece
		if json.Unmarshal(t.Data, &p) == nil && p.write == head.write && p.count == head.count {
			return p.data, true
		}
	}
	return "", false
}

// sealPieces spreads a session over as few cookies as it takes and returns their lines, or a *SizeError.
func (c *core) sealPieces(t *token.Session, lifetime int64, now time.Time) ([]string, error) {
	id := make([]byte, writeIDBytes)
	rand.Read(id) // never fails
	write := base64.RawURLEncoding.EncodeToString(id)
	var pieces [][]byte
	rest := t.Data
	for i := 0; len(rest) > 0 || i < 2; i++ {
		if i == c.cfg.MaxCookies {
			return nil, c.piecesTooLarge(t, rest)
		}
		room, err := c.pieceRoom(t, i, write, now)
		if err != nil {
			return nil, err
		}
		if room <= 0 { // the claims alone fill it
			return nil, c.piecesTooLarge(t, rest)
		}
		n, _ := fits(rest, room)
		pieces = append(pieces, rest[:n])
		rest = rest[n:]
	}
	lines := make([]string, len(pieces))
	for i, data := range pieces {
		value, err := c.sealPiece(t, i, write, len(pieces), data, now)
		if err != nil {
			return nil, err
		}
		lines[i] = c.cookie.line(pieceName(c.cookie.nameOf(t), i), value, lifetime)
	}
	return lines, nil
}

func (c *core) sealPiece(t *token.Session, i int, write string, count int, data []byte, now time.Time) (string, error) {
	p := *t
	if i > 0 { // a tail says no more than whose it is
		p = token.Session{ID: t.ID, Validity: token.Validity{IssuedAt: t.IssuedAt, Expires: t.End}, End: t.End}
	}
	p.Audience = []byte(c.pieceAudience(i))
	p.Data = appendPiece(nil, write, count, data)
	value, err := c.sealer.SealSession(nil, &p, now)
	if err != nil {
		return "", unsealed(err)
	}
	return string(value), nil
}

// pieceRoom returns how many bytes of data, escaped, a piece can hold.
func (c *core) pieceRoom(t *token.Session, i int, write string, now time.Time) (int, error) {
	empty, err := c.sealPiece(t, i, write, maxCookies, nil, now)
	if err != nil {
		return 0, err
	}
	// Name, "=", value, and "; " before the next.
	return (maxPiece-len(pieceName(c.cookie.nameOf(t), i))-len("=; ")-len(empty))*3/4 - 1, nil
}

// fits returns how much of data has room, without cutting a character in two, and how much room it takes.
func fits(data []byte, room int) (n, taken int) {
	for n < len(data) {
		cost, size := 1, 1
		switch b := trade(data[n]); {
		case b == '"' || b == '\\':
			cost = 2
		case b < ' ':
			cost = len(`\u0000`)
		case b >= utf8.RuneSelf:
			_, size = utf8.DecodeRune(data[n:])
			cost = size
		}
		if taken+cost > room {
			break
		}
		n, taken = n+size, taken+cost
	}
	return n, taken
}

// piecesTooLarge says by how much the data is too large when rest is what is left with all cookies full. Without that
// it fits. Where else to cut is a guess, since how much room a byte takes depends on what it is; the margin covers
// what closes the JSON again.
func (c *core) piecesTooLarge(t *token.Session, rest []byte) error {
	_, taken := fits(rest, math.MaxInt)
	most := c.cfg.MaxCookies * maxPiece
	return &SizeError{Size: most + taken*4/3 + 1, Max: most, Data: len(t.Data), Cut: min(len(rest)+16, len(t.Data))}
}

// isPiece reports whether an opened token is the head of a session in pieces.
func (c *core) isPiece(t *token.Session) bool {
	rest, ok := bytes.CutPrefix(t.Audience, []byte(c.cfg.App))
	return ok && string(rest) == ".0"
}
