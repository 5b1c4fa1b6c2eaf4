package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxBody bounds a request's body. The longest that makes sense holds a subject of 256 bytes and a reason of 200, escaped.
const maxBody = 8 << 10

// read takes the members of a request's body, one flat JSON object, into the pointers of fields. An empty body is an empty object.
func (c *call) read(fields map[string]any) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, maxBody))
	if err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
			return &problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: "The body is too long."}
		}
		return malformed("The body did not arrive.")
	}
	contentType := c.Header.Values("Content-Type")
	if len(body) == 0 && len(contentType) == 0 {
		return nil
	}
	if len(contentType) != 1 || !isJSON(contentType[0]) {
		return &problem{Status: http.StatusUnsupportedMediaType, Code: "media_type", Detail: "The body must be application/json."}
	}
	return parse(body, fields)
}

func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/json" {
		return false
	}
	charset, named := params["charset"]
	return !named || charset == "utf-8" || charset == "UTF-8"
}

// parse is stricter than encoding/json, which takes "ID" for "id", the last of two "id", and other bytes for what is not UTF-8: whoever
// checked the body before us could then have read another id in it than we revoke.
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
			return malformed(fmt.Sprintf("The body has a member %.40q, which is not known here.", name))
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
			return malformed("The member " + name + " is not of its type.")
		}
	}
	if _, err := dec.Token(); err != nil {
		return malformed("The body is not JSON.")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("Something follows the JSON object.")
	}
	return nil
}

// halved reports whether a JSON value has an escape for one half of a surrogate pair without the other (RFC 8259 §8.2).
// encoding/json reads U+FFFD there, others something else.
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

func malformed(detail string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "body", Detail: detail}
}

func invalid(detail string) *problem {
	return &problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: detail}
}

// maxReason is how many bytes of a reason the audit log keeps.
const maxReason = 200

func checkReason(reason string) error {
	if len(reason) > maxReason {
		return invalid("The reason is longer than 200 bytes.")
	}
	for _, r := range reason {
		if unicode.IsControl(r) {
			return invalid("The reason has control characters.")
		}
	}
	return nil
}
