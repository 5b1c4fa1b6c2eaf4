package backchannel

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

var errMalformed = errors.New("backchannel: malformed")

// maxDepth is how deep the JSON of a header or of claims may be nested.
const maxDepth = 16

// object returns the members of b, one JSON object. It is stricter than encoding/json, which takes "SUB" for "sub" and the last of two: whoever
// checked or signed the bytes could have read another token in them than we do.
func object(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errMalformed
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := unique(dec, 0); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errMalformed
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil || members == nil {
		return nil, errMalformed
	}
	return members, nil
}

// unique reads one value and refuses members that are there twice, at any depth.
func unique(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil || depth > maxDepth {
		return errMalformed
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			t, err := dec.Token()
			name, ok := t.(string)
			if err != nil || !ok || seen[name] {
				return errMalformed
			}
			seen[name] = true
		}
		if err := unique(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return errMalformed
	}
	return nil
}

// text returns a member that must be a string, "" if it is not there.
func text(members map[string]json.RawMessage, name string) (string, error) {
	raw, there := members[name]
	if !there {
		return "", nil
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", errMalformed
	}
	return *s, nil
}

// seconds returns a NumericDate (RFC 7519 section 2): seconds since 1970, perhaps with a fraction, which is cut off.
func seconds(members map[string]json.RawMessage, name string) (t int64, there bool, err error) {
	raw, there := members[name]
	if !there {
		return 0, false, nil
	}
	var f *float64
	if json.Unmarshal(raw, &f) != nil || f == nil || *f < 0 || *f > 1<<40 {
		return 0, true, errMalformed
	}
	return int64(math.Floor(*f)), true, nil
}

// texts returns a member that is a string or an array of strings.
func texts(members map[string]json.RawMessage, name string) ([]string, error) {
	if s, err := text(members, name); err == nil {
		return []string{s}, nil
	}
	var list []*string
	if json.Unmarshal(members[name], &list) != nil {
		return nil, errMalformed
	}
	all := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, errMalformed
		}
		all[i] = *s
	}
	return all, nil
}

// unbase64 decodes base64url without padding and refuses all but one spelling: Go's decoder skips line breaks, even when strict.
func unbase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errMalformed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errMalformed
	}
	return b, nil
}
