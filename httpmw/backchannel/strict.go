package backchannel

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"github.com/wafer-sessions/wafer/internal/strictjson"
)

var errMalformed = errors.New("backchannel: malformed")

// object returns the members of b, one JSON object.
func object(b []byte) (map[string]strictjson.Value, error) {
	v, err := strictjson.Parse(b)
	if err != nil {
		return nil, errMalformed
	}
	members, err := v.Members()
	if err != nil {
		return nil, errMalformed
	}
	return members, nil
}

// text returns a member that must be a string, or "" if it is missing.
func text(members map[string]strictjson.Value, name string) (string, error) {
	v, there := members[name]
	if !there {
		return "", nil
	}
	s, err := v.Text()
	if err != nil {
		return "", errMalformed
	}
	return s, nil
}

// seconds returns a NumericDate (RFC 7519 section 2): seconds since 1970. A fraction is dropped.
func seconds(members map[string]strictjson.Value, name string) (t int64, there bool, err error) {
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
func texts(members map[string]strictjson.Value, name string) ([]string, error) {
	if s, err := text(members, name); err == nil {
		return []string{s}, nil
	}
	list, err := members[name].Elements()
	if err != nil {
		return nil, errMalformed
	}
	all := make([]string, len(list))
	for i, v := range list {
		if all[i], err = v.Text(); err != nil {
			return nil, errMalformed
		}
	}
	return all, nil
}

// unbase64 decodes base64url without padding and refuses every spelling but one. Go's decoder skips
// line breaks, even when it is strict.
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
