package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// A strict reads one JSON object whose members are all known: encoding/json takes
// "KID" for "kid", the last of two members of one name, and null for anything.
type strict struct{ dec *json.Decoder }

func newStrict(doc []byte) (strict, error) {
	if !utf8.Valid(doc) || !json.Valid(doc) {
		return strict{}, errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	return strict{dec}, nil
}

// object reads an object. For each member it calls read with the name, which reads
// the value and reports whether it knows the name. Members named in required must
// have come.
func (s strict) object(required []string, read func(name string) (known bool, err error)) error {
	if t, err := s.dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not an object")
	}
	var seen []string
	for s.dec.More() {
		t, err := s.dec.Token()
		if err != nil {
			return errors.New("not JSON")
		}
		name, _ := t.(string)
		if slices.Contains(seen, name) {
			return fmt.Errorf("%q comes twice", name)
		}
		known, err := read(name)
		if !known {
			return errors.New("a member is unknown") // its name may be a secret that slipped
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		seen = append(seen, name)
	}
	for _, name := range required {
		if !slices.Contains(seen, name) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	_, err := s.dec.Token() // the brace that More saw
	return err
}

// end reports an error if anything follows.
func (s strict) end() error {
	if _, err := s.dec.Token(); err != io.EOF {
		return errors.New("something follows")
	}
	return nil
}

func (s strict) text(to *string) (bool, error) {
	t, err := s.dec.Token()
	v, ok := t.(string)
	if err != nil || !ok {
		return true, errors.New("not a string")
	}
	*to = v
	return true, nil
}

// number reads a whole number from 1 to limit, written in digits alone.
func (s strict) number(to *int64, limit int64) (bool, error) {
	t, err := s.dec.Token()
	v, ok := t.(json.Number)
	if err != nil || !ok {
		return true, errors.New("not a number")
	}
	n, err := strconv.ParseInt(v.String(), 10, 64)
	if err != nil || n < 1 || n > limit || strconv.FormatInt(n, 10) != v.String() {
		return true, fmt.Errorf("not a whole number from 1 to %d", limit)
	}
	*to = n
	return true, nil
}

func readSet(doc []byte) (set jwkSet, err error) {
	if len(doc) > maxDocument {
		return set, fmt.Errorf("more than %d bytes", maxDocument)
	}
	s, err := newStrict(doc)
	if err != nil {
		return set, err
	}
	err = s.object([]string{"ring", "iat", "max_session", "list_key", "keys"}, func(name string) (bool, error) {
		switch name {
		case "ring":
			return s.text(&set.Ring)
		case "iat":
			return s.number(&set.IssuedAt, lastBegin)
		case "max_session":
			return s.number(&set.MaxSession, int64(LongestSession/time.Second))
		case "list_key":
			return s.text(&set.ListKey)
		case "keys":
			set.Keys, err = s.keys()
			return true, err
		}
		return false, nil
	})
	if err != nil {
		return set, err
	}
	return set, s.end()
}

func (s strict) keys() ([]jwk, error) {
	if t, err := s.dec.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("not an array")
	}
	var all []jwk
	for s.dec.More() {
		if len(all) == maxKeys {
			return nil, fmt.Errorf("more than %d", maxKeys)
		}
		k, err := s.key()
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", len(all), err)
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return nil, errors.New("none")
	}
	_, err := s.dec.Token() // the bracket that More saw
	return all, err
}

func (s strict) key() (k jwk, err error) {
	err = s.object([]string{"kty", "alg", "kid", "k", "iat", "nbf"}, func(name string) (bool, error) {
		switch name {
		case "kty":
			return s.text(&k.Kty)
		case "alg":
			return s.text(&k.Alg)
		case "kid":
			return s.text(&k.Kid)
		case "k":
			return s.text(&k.K)
		case "iat":
			return s.number(&k.IssuedAt, lastBegin)
		case "nbf":
			return s.number(&k.NotBefore, lastBegin)
		case "exp":
			return s.number(&k.Expires, lastSecond)
		case "revoked":
			return s.number(&k.Revoked, lastSecond)
		case "max_session":
			return s.number(&k.MaxSession, int64(LongestSession/time.Second))
		}
		return false, nil
	})
	return k, err
}
