package oauth

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// A token is the parameter "token".
type token struct {
	first  string
	others []string
	kind   kind
}

// A kind is what a token says that it is. Whether that is true, only opening it shows.
type kind uint8

const (
	unknown kind = iota
	bearer
	cookies // a session token, alone or with others
	renewal // without its session
)

func kindOf(parts []string) kind {
	switch typ := typeOf(parts[0]); {
	case len(parts) > maxParts:
		return unknown
	case typ == "session+jwt":
		return cookies
	case typ == "bearer+jwt" && len(parts) == 1:
		return bearer
	case typ == "seen+jwt":
		return renewal
	}
	return unknown
}

// typeOf returns the "typ" in the header of a token (docs/format.md), "" if there is none.
func typeOf(compact string) string {
	encoded, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	var header struct {
		Type string `json:"typ"`
	}
	if json.Unmarshal(raw, &header) != nil {
		return ""
	}
	return header.Type
}
