package keys

import (
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/internal/strictjson"
)

// readObject reads doc, an object whose members must all be known. It calls read for each member,
// and read reports whether it knows the name. Members named in required must be present.
func readObject(doc strictjson.Value, required []string, read func(name string, v strictjson.Value) (known bool, err error)) error {
	members, err := doc.Members()
	if err != nil {
		return err
	}
	for name, v := range members {
		known, err := read(name, v)
		if !known {
			// not named: a secret may have slipped in as a name
			return errors.New("a member is unknown")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range required {
		if _, there := members[name]; !there {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

func readText(v strictjson.Value, to *string) (known bool, err error) {
	*to, err = v.Text()
	return true, err
}

// readNumber reads a whole number from 1 to limit.
func readNumber(v strictjson.Value, to *int64, limit int64) (known bool, err error) {
	*to, err = v.Integer(1, limit)
	return true, err
}

func readSet(doc []byte) (set jwkSet, err error) {
	if len(doc) > maxDocument {
		return set, fmt.Errorf("more than %d bytes", maxDocument)
	}
	all, err := strictjson.Parse(doc)
	if err != nil {
		return set, err
	}
	err = readObject(all, []string{"ring", "iat", "max_session", "list_key", "keys"}, func(name string, v strictjson.Value) (bool, error) {
		switch name {
		case "ring":
			return readText(v, &set.Ring)
		case "iat":
			return readNumber(v, &set.IssuedAt, lastBegin)
		case "max_session":
			return readNumber(v, &set.MaxSession, int64(LongestSession/time.Second))
		case "list_key":
			return readText(v, &set.ListKey)
		case "keys":
			set.Keys, err = readKeys(v)
			return true, err
		}
		return false, nil
	})
	return set, err
}

func readKeys(v strictjson.Value) ([]jwk, error) {
	elements, err := v.Elements()
	switch {
	case err != nil:
		return nil, err
	case len(elements) == 0:
		return nil, errors.New("empty")
	case len(elements) > maxKeys:
		return nil, fmt.Errorf("more than %d", maxKeys)
	}
	all := make([]jwk, len(elements))
	for i, e := range elements {
		if all[i], err = readKey(e); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return all, nil
}

func readKey(doc strictjson.Value) (k jwk, err error) {
	err = readObject(doc, []string{"kty", "alg", "kid", "k", "iat", "nbf"}, func(name string, v strictjson.Value) (bool, error) {
		switch name {
		case "kty":
			return readText(v, &k.Kty)
		case "alg":
			return readText(v, &k.Alg)
		case "kid":
			return readText(v, &k.Kid)
		case "k":
			return readText(v, &k.K)
		case "iat":
			return readNumber(v, &k.IssuedAt, lastBegin)
		case "nbf":
			return readNumber(v, &k.NotBefore, lastBegin)
		case "exp":
			return readNumber(v, &k.Expires, lastSecond)
		case "revoked":
			return readNumber(v, &k.Revoked, lastSecond)
		case "max_session":
			return readNumber(v, &k.MaxSession, int64(LongestSession/time.Second))
		}
		return false, nil
	})
	return k, err
}
