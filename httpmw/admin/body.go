package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxBody bounds a request's body. The longest useful one holds an id of 256 bytes and two texts of
// 200, all escaped.
const maxBody = 8 << 10

// bodyTime is how long a body of that size may take to arrive.
var bodyTime = timeout

// read reads a request's body, one flat JSON object, into the struct that to points to. An empty body
// is an empty object.
func (c *call) read(to any) error {
	conn := http.NewResponseController(c.w) // the server may have no limit of its own
	_ = conn.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, maxBody))
	if err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
			return refuse(http.StatusRequestEntityTooLarge, "too_large", "The body is too long.")
		}
		return malformed("The body did not arrive.") // the server must not wait for the rest, so the limit stays
	}
	_ = conn.SetReadDeadline(time.Time{})
	contentType := c.Header.Values("Content-Type")
	if len(body) == 0 && len(contentType) == 0 {
		return nil
	}
	if len(contentType) != 1 || !isJSON(contentType[0]) {
		return refuse(http.StatusUnsupportedMediaType, "media_type", "The body must be application/json.")
	}
	return parse(body, members(to))
}

// members returns a pointer to each field of the struct that to points to, by the field's name in
// JSON.
func members(to any) map[string]any {
	v, all := reflect.ValueOf(to).Elem(), map[string]any{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		all[name] = v.Field(i).Addr().Interface()
	}
	return all
}

func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/json" {
		return false
	}
	charset, named := params["charset"]
	return !named || charset == "utf-8" || charset == "UTF-8"
}

// parse reads a flat object into the pointers of fields. It is stricter than encoding/json, which
// accepts "ID" for "id", takes the last of two "id", and replaces bytes that are not UTF-8: a proxy
// that checked the body could then have read another id than the one that is revoked.
func parse(body []byte, fields map[string]any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return malformed("The body is not a JSON object.")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return malformed("The body is not JSON.")
		}
		to, known := fields[name]
		switch {
		case !known:
			return malformed(fmt.Sprintf("The body has an unknown member %.40q.", name))
		case seen[name]:
			return malformed("The body has the member " + name + " twice.")
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return malformed("The body is not JSON.")
		}
		if !utf8.Valid(value) || halved(value) {
			return malformed("The member " + name + " holds bytes that are not UTF-8, or half of a surrogate pair.")
		}
		if bytes.Equal(value, []byte("null")) || json.Unmarshal(value, to) != nil {
			return malformed("The member " + name + " has the wrong type.")
		}
	}
	if _, err := dec.Token(); err != nil {
		return malformed("The body is not JSON.")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("The body has more than one JSON value.")
	}
	return nil
}

// halved reports whether a JSON value escapes one half of a surrogate pair without the other
// (RFC 8259 §8.2). encoding/json reads U+FFFD there, and other parsers read something else.
func halved(value []byte) bool {
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		r, escaped := unit(value[i:])
		switch {
		case !escaped:
			i++
		case !utf16.IsSurrogate(r):
			i += 5
		default:
			low, _ := unit(value[i+6:])
			if utf16.DecodeRune(r, low) == unicode.ReplacementChar {
				return true
			}
			i += 11
		}
	}
	return false
}

// unit reads one \uXXXX.
func unit(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	return rune(n), err == nil
}
