// Package logtest keeps what is logged, so that tests can look for it.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// A Log is where a slog.Handler writes. The zero value is empty. It is safe for concurrent use, and can
// be read while it is written.
type Log struct {
	mu  sync.Mutex // owns buf
	buf bytes.Buffer
}

// Write appends b.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String returns all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Count returns how many lines contain all parts.
func (l *Log) Count(parts ...string) (n int) {
next:
	for line := range strings.Lines(l.String()) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		n++
	}
	return n
}
