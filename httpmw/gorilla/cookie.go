package gorilla

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
)

const (
	maxCodecs  = 8
	maxCookies = 4    // of the old name in one request
	maxValue   = 4096 // bytes; browsers keep no longer cookie
)

// find returns the values of the old cookie as the old application sees them, at most maxCookies, and none that is too
// long. A header without the name costs one scan.
func find(r *http.Request, name string) (values []string) {
	if !slices.ContainsFunc(r.Header["Cookie"], func(field string) bool { return strings.Contains(field, name) }) {
		return nil
	}
	for _, c := range r.CookiesNamed(name) {
		if len(c.Value) <= maxValue && len(values) < maxCookies {
			values = append(values, c.Value)
		}
	}
	return values
}

// past is what an old cookie says.
type past[T any] struct {
	httpmw.Past
	id   httpmw.Identity
	data T
}

// open returns what the first good one of the old cookies says.
func (m *Mover[T]) open(values []string) (p past[T], ok bool) {
	for _, value := range values {
		if p.Past, p.id, p.data, ok = m.openOne(value); ok {
			return p, true
		}
		m.count.invalid.Add(1)
	}
	return past[T]{}, false
}

func (m *Mover[T]) openOne(value string) (p httpmw.Past, id httpmw.Identity, data T, ok bool) {
	p, ok = parse(value)
	if !ok {
		return p, id, data, false
	}
	values, ok := decode(m.config.Codecs, m.config.Cookie, value)
	if !ok {
		return p, id, data, false
	}
	id, data, ok = m.config.Read(values)
	return p, id, data, ok
}

// parse takes a cookie of securecookie apart: base64 of "timestamp|value|mac". What it returns is proved by the codec
// only. The credential is what the mac covers: base64 has several spellings of one text, and the mac follows from
// the rest.
func parse(value string) (p httpmw.Past, ok bool) {
	if len(value) > maxValue {
		return p, false
	}
	b, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		return p, false
	}
	date, rest, ok := bytes.Cut(b, []byte("|"))
	if !ok {
		return p, false
	}
	signed, _, ok := bytes.Cut(rest, []byte("|"))
	if !ok {
		return p, false
	}
	seconds, err := strconv.ParseInt(string(date), 10, 64)
	if err != nil || seconds <= 0 || seconds > latest {
		return p, false
	}
	return httpmw.Past{Credential: b[:len(date)+1+len(signed)], Saved: time.Unix(seconds, 0)}, true
}

const latest = 1 << 40 // s; far beyond any clock, and good for arithmetic in ms

// decode opens a cookie with the first codec that can. What was encoded as JSON has no keys but strings, which
// encoding/json does not put into a map of any.
func decode(codecs []securecookie.Codec, name, value string) (map[any]any, bool) {
	for _, codec := range codecs {
		var values map[any]any
		err := codec.Decode(name, value, &values)
		if err == nil {
			return values, true
		}
		if errors.Is(err, securecookie.ErrMacInvalid) {
			continue // of other keys
		}
		var named map[string]any
		if codec.Decode(name, value, &named) != nil {
			continue
		}
		values = make(map[any]any, len(named))
		for k, v := range named {
			values[k] = v
		}
		return values, true
	}
	return nil, false
}
