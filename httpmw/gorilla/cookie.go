package gorilla

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
)

const (
	maxCodecs  = 8
	maxCookies = 4    // of the old name in one request
	maxValue   = 4096 // bytes; browsers keep no longer cookie
)

// find returns the values of the old cookie as the old application sees them, at most maxCookies,
// and none that is too long. A header without the name costs one scan.
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
	adopt.Predecessor
	id   httpmw.Identity
	data T
}

// open returns what the good ones of the old cookies say.
func (m *Mover[T]) open(ctx context.Context, values []string) (all []past[T]) {
	for _, value := range values {
		p, ok := parse(value)
		if !ok {
			m.count.note(ctx, m.config.Logger, m.config.Cookie, malformed)
			continue
		}
		values, f, ok := decode(m.config.Codecs, m.config.Cookie, value)
		if !ok {
			m.count.note(ctx, m.config.Logger, m.config.Cookie, f)
			continue
		}
		id, data, ok := m.config.Read(values)
		if !ok {
			m.count.declined.Add(1)
			continue
		}
		all = append(all, past[T]{p, id, data})
	}
	return all
}

// parse takes a cookie of securecookie apart: base64 of "timestamp|value|mac". Only the codec
// proves what it returns. The credential is what the mac covers, because base64 has several
// spellings of one text, and the mac follows from the rest.
func parse(value string) (p adopt.Predecessor, ok bool) {
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
	return adopt.Predecessor{Credential: b[:len(date)+1+len(signed)], Saved: time.Unix(seconds, 0)}, true
}

const latest = 1 << 40 // s; far beyond any clock, and good for arithmetic in ms

// decode opens a cookie with the first codec that can, or returns the fault of the codec that came
// furthest. What was encoded as JSON has only string keys, which encoding/json does not put into a
// map of any.
func decode(codecs []securecookie.Codec, name, value string) (_ map[any]any, furthest fault, ok bool) {
	for _, codec := range codecs {
		values := map[any]any{}
		err := codec.Decode(name, value, &values)
		if err == nil {
			return values, 0, true
		}
		if errors.Is(err, securecookie.ErrMacInvalid) {
			furthest = max(furthest, keys)
			continue
		}
		var named map[string]any
		if err := codec.Decode(name, value, &named); err != nil {
			furthest = max(furthest, faultOf(err))
			continue
		}
		for k, v := range named {
			values[k] = v
		}
		return values, 0, true
	}
	return nil, furthest, false
}

// faultOf returns what a codec whose keys fit complains about.
func faultOf(err error) fault {
	var e securecookie.Error
	if errors.As(err, &e) && e.Cause() != nil {
		return encoding
	}
	return limits
}
