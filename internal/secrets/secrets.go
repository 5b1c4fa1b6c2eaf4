// Package secrets recognises secrets that are not random.
package secrets

import (
	"bytes"
	"errors"
	"fmt"
)

// Min is how many bytes a secret of printable characters needs: 18 random bytes in base64.
const Min = 24

// leastDistinct is how many different bytes a secret needs. Of random ones of Min bytes, fewer than one
// in 10^14 has fewer in base64, and one in 30,000 in hexadecimal.
const leastDistinct = 8

// ErrWeak: the secret is one that people type or copy from examples.
var ErrWeak = errors.New("is not random: use 32 random bytes")

// Check returns an error that completes a sentence about a secret of printable characters, unless it
// has Min bytes and may be random.
func Check(s string) error {
	switch {
	case len(s) < Min:
		return fmt.Errorf("has %d bytes and needs at least %d", len(s), Min)
	case Weak([]byte(s)):
		return ErrWeak
	}
	return nil
}

// Weak reports whether b has few different bytes, says something twice or more often, or is an even
// progression such as abc or 0, 1, 2.
func Weak(b []byte) bool { return distinct(b) < leastDistinct || repeats(b) || even(b) }

func distinct(b []byte) (n int) {
	var seen [256]bool
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// repeats reports whether b is a shorter one over and over; the last may be cut off.
func repeats(b []byte) bool {
	for n := leastDistinct; n <= len(b)/2; n++ { // a shorter one has fewer different bytes
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	return false
}

func even(b []byte) bool {
	for i := 2; i < len(b); i++ {
		if b[i]-b[i-1] != b[1]-b[0] {
			return false
		}
	}
	return true
}
