package httpmw

import (
	"crypto/rand"
	"encoding/base64"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/token"
)

// A session whose data is too large for one cookie is spread over two or three, if
// Config.MaxCookies allows it. Each of them holds a chunk, which is a session token of its own. The
// first chunk has the cookie's own name, all claims and the beginning of the data. The others,
// "<name>.1" and "<name>.2", have the rest. The audience of a chunk says which one it is,
// "<App>.0", "<App>.1" or "<App>.2", so that no chunk can be mistaken for a session. In the place
// of the data it has
//
//	<write id>.<number of chunks>.<bytes of the data>
//
// Chunks belong together if their session id, write id and number are the same, and all of them
// must be there. So only what one write sealed opens, however cookies of several writes, or of
// several sessions, were mixed.
//
// The rest of the package meets chunks where a scan finds their cookies (isChunk), where a token
// opens that is one (gather), where a session is sealed that is too large (sealChunks), and where
// their cookies are expired (chunkCookies).
const (
	// maxCookieHeader bounds what the browser sends back of our cookies, in bytes: nginx refuses
	// 8,183 in all. Each chunk gets a third of what is left beside the renewal cookie, also if
	// there are only two.
	maxCookieHeader = 7500
	roomForRenewal  = 360
	maxChunk        = (maxCookieHeader - roomForRenewal) / maxCookies

	writeIDLength = 11 // 8 bytes in base64url
)

// chunkCookies are the Cookie header fields of a request in which a chunk came that is not a first
// one. It is nil in all other requests.
type chunkCookies []string

// isChunk reports whether what follows the name of the session cookie, or of the anonymous one, is
// that of a chunk's cookie: ".1=value".
func isChunk(rest string) bool {
	return len(rest) >= 3 && rest[0] == '.' && '1' <= rest[1] && rest[1] < '0'+maxCookies && rest[2] == '='
}

// chunkName returns the name of the cookie with chunk i.
func chunkName(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "." + strconv.Itoa(i)
}

// values goes through the cookies with chunk i, at most maxSame of them.
func (c chunkCookies) values(name string, i int) iter.Seq[string] {
	return func(yield func(string) bool) {
		n, prefix := 0, chunkName(name, i)+"="
		for pair := range cookies(c) {
			value, ok := strings.CutPrefix(pair, prefix)
			if !ok {
				continue
			}
			if n++; n > maxSame || !yield(value) {
				return
			}
		}
	}
}

// size returns how many bytes of chunks came beside the first one.
func (c chunkCookies) size(name string) (n int) {
	if c == nil {
		return 0
	}
	for i := 1; i < maxCookies; i++ {
		for value := range c.values(name, i) {
			n += len(value)
		}
	}
	return n
}

// expired returns lines that expire the chunks that came, from an index on.
func (c chunkCookies) expired(k *cookieStyle, name string, from int) (lines []string) {
	if c == nil {
		return nil
	}
	for i := from; i < maxCookies; i++ {
		for range c.values(name, i) {
			lines = append(lines, k.expired(chunkName(name, i)))
			break
		}
	}
	return lines
}

// spreads reports whether this Manager writes chunks. It reads those of others in any case.
func (c *core) spreads() bool { return c.cfg.MaxCookies > 1 }

func (c *core) chunkAudience(i int) string { return c.cfg.App + "." + strconv.Itoa(i) }

// A chunk is what stands in the place of the data.
type chunk struct {
	write string
	count int
	data  []byte
}

func (h *chunk) append(b []byte) []byte {
	b = append(b, h.write...)
	b = append(b, '.', '0'+byte(h.count), '.')
	return append(b, h.data...)
}

func parseChunk(b []byte) (h chunk, ok bool) {
	const data = writeIDLength + len(".2.")
	if len(b) < data || b[writeIDLength] != '.' || b[data-1] != '.' {
		return h, false
	}
	h = chunk{string(b[:writeIDLength]), int(b[data-2]) - '0', b[data:]}
	return h, 2 <= h.count && h.count <= maxCookies
}

// gather completes a session of which the first chunk was opened, with the others that came under
// the cookie's name. If it cannot, it returns false and says why in o.
func (c *core) gather(o *opened, name string, came chunkCookies, now time.Time) bool {
	if string(o.tok.Audience) != c.chunkAudience(0) {
		*o = opened{why: ErrWrongAudience}
		return false
	}
	first, ok := parseChunk(o.tok.Data)
	o.tok.Data, o.why = nil, ErrIncomplete
	if !ok {
		return false
	}
	data := append(make([]byte, 0, first.count*maxChunk), first.data...)
	for i := 1; i < first.count; i++ {
		next, ok := c.findChunk(o.tok.ID, &first, name, i, came, now)
		if !ok {
			return false
		}
		data = append(data, next...)
	}
	o.tok.Audience, o.tok.Data, o.why = []byte(c.cfg.App), data, nil
	return true
}

// findChunk looks for the chunk i that belongs to the first one.
func (c *core) findChunk(id token.ID, first *chunk, name string, i int, came chunkCookies, now time.Time) ([]byte, bool) {
	for compact := range came.values(name, i) {
		var t token.Session
		if c.sealer.OpenSession(nil, compact, &t, now) != nil || t.ID != id || string(t.Audience) != c.chunkAudience(i) {
			continue
		}
		if h, ok := parseChunk(t.Data); ok && h.write == first.write && h.count == first.count {
			return h.data, true
		}
	}
	return nil, false
}

// sealChunks spreads a session over as few cookies as it takes and returns their lines, or a
// *SizeError.
func (c *core) sealChunks(t *token.Session, lifetime int64, now time.Time) ([]string, error) {
	write := newWriteID()
	var parts [][]byte
	rest := t.Data
	for i := 0; len(rest) > 0 || i < 2; i++ {
		room := 0
		if i < c.cfg.MaxCookies {
			var err error
			if room, err = c.chunkRoom(t, i, write, now); err != nil {
				return nil, err
			}
		}
		if room <= 0 { // all cookies are full, or the claims alone fill the first
			most := c.cfg.MaxCookies * maxChunk
			return nil, &SizeError{Size: most + len(rest)*4/3 + 1, Max: most, Data: len(t.Data), Cut: len(rest)}
		}
		n := min(len(rest), room)
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	lines := make([]string, len(parts))
	for i, data := range parts {
		value, err := c.sealChunk(t, i, &chunk{write, len(parts), data}, now)
		if err != nil {
			return nil, err
		}
		lines[i] = c.cookie.line(chunkName(c.cookie.nameOf(t), i), value, lifetime)
	}
	return lines, nil
}

func newWriteID() string {
	var id [8]byte
	rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func (c *core) sealChunk(t *token.Session, i int, h *chunk, now time.Time) (string, error) {
	p := *t
	if i > 0 { // which session it belongs to, and no more
		p = token.Session{ID: t.ID, Validity: token.Validity{IssuedAt: t.IssuedAt, Expires: t.End}, End: t.End}
	}
	p.Audience = []byte(c.chunkAudience(i))
	p.Data = h.append(nil)
	value, err := c.sealer.SealSession(nil, &p, now)
	if err != nil {
		return "", c.unsealed(err, now)
	}
	return string(value), nil
}

// chunkRoom returns how many bytes of data chunk i can hold.
func (c *core) chunkRoom(t *token.Session, i int, write string, now time.Time) (int, error) {
	empty, err := c.sealChunk(t, i, &chunk{write, maxCookies, nil}, now)
	if err != nil {
		return 0, err
	}
	// Name, "=", value, and "; " before the next.
	return (maxChunk-len(chunkName(c.cookie.nameOf(t), i))-len("=; ")-len(empty))*3/4 - 1, nil
}
