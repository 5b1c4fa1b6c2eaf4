package lograte

import (
	"errors"
	"io"
	"strings"
)

// A netError is a [net.Error]. Package net is not imported: package keys, which package token needs, has
// no network.
type netError interface {
	error
	Timeout() bool
	Temporary() bool
}

// Kind returns what errors have in common that are logged once: their text without digits, since ports
// and times differ each time, and without the part that says how a connection failed. Kind of nil is "".
func Kind(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	how := io.EOF.Error()
	if broken, ok := errors.AsType[netError](err); ok {
		how = broken.Error()
	}
	before, _, failed := strings.Cut(text, how)
	if failed {
		text = before + "(connection)"
	}
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, text)
}
