package strictjson

import (
	"bytes"
	"errors"
	"fmt"
)

// A Value is one JSON value that was checked completely: no object in it has two members with the
// same name.
type Value []byte

var (
	errSyntax = errors.New("not JSON")
	errRepeat = errors.New("repeated member")
)

// Parse checks that b is one value, nested at most [MaxDepth] deep. It does not change b.
func Parse(b []byte) (Value, error) {
	r := Reader{b: bytes.Clone(b)} // strings are unescaped in place
	if err := r.unique(MaxDepth); err != nil {
		return nil, err
	}
	if !r.Done() {
		return nil, errSyntax
	}
	return bytes.TrimSpace(b), nil
}

// unique reads any value, and refuses an object with repeated members at any depth.
func (r *Reader) unique(depth int) error {
	if !r.opens('{') && !r.opens('[') {
		if !r.Skip(0) {
			return errSyntax
		}
		return nil
	}
	if depth == 0 {
		return errSyntax
	}
	open := r.b[r.i]
	r.i++
	names := map[string]bool{}
	for first := true; !r.Next(open + 2); first = false { // } is { + 2, ] is [ + 2
		if !first && !r.Next(',') {
			return errSyntax
		}
		if open == '{' {
			name, ok := r.Member()
			if !ok {
				return errSyntax
			}
			if names[string(name)] {
				return errRepeat
			}
			names[string(name)] = true
		}
		if err := r.unique(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) opens(c byte) bool {
	r.space()
	return r.i < len(r.b) && r.b[r.i] == c
}

// Text returns v, which must be a string.
func (v Value) Text() (string, error) {
	r := Reader{b: bytes.Clone(v)}
	s, ok := r.Text()
	if !ok {
		return "", errors.New("not a string")
	}
	return string(s), nil
}

// Integer returns v, which must be an integer from low to high in its only spelling.
func (v Value) Integer(low, high int64) (int64, error) {
	r := Reader{b: v}
	n, ok := r.Integer()
	if !ok || !r.Done() || n < low || n > high {
		return 0, fmt.Errorf("not a whole number from %d to %d", low, high)
	}
	return n, nil
}

// Elements returns the values of v, which must be an array.
func (v Value) Elements() ([]Value, error) {
	r := Reader{b: bytes.Clone(v)}
	if !r.Next('[') {
		return nil, errors.New("not an array")
	}
	var all []Value
	for first := true; !r.Next(']'); first = false {
		if !first {
			r.Next(',')
		}
		all = append(all, r.value(v))
	}
	return all, nil
}

// Members returns the members of v, which must be an object.
func (v Value) Members() (map[string]Value, error) {
	r := Reader{b: bytes.Clone(v)}
	if !r.Next('{') {
		return nil, errors.New("not an object")
	}
	all := map[string]Value{}
	for first := true; !r.Next('}'); first = false {
		if !first {
			r.Next(',')
		}
		name, _ := r.Member()
		key := string(name)
		all[key] = r.value(v)
	}
	return all, nil
}

// value returns the next value that r reads, as it stands in original.
func (r *Reader) value(original Value) Value {
	r.space()
	start := r.i
	r.Skip(MaxDepth)
	return original[start:r.i:r.i]
}
