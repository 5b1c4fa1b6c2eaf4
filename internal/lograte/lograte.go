// Package lograte keeps what goes wrong again and again from flooding a log.
package lograte

import (
	"sync"
	"time"
)

const every = time.Minute

// A Limiter lets one line of each kind through in a minute. Kinds are few, such as
// the constant messages of a package. The zero value is ready, and safe for
// concurrent use.
type Limiter struct {
	mu   sync.Mutex // owns last
	last map[string]time.Time
}

// Allow reports whether a line of that kind may be logged now.
func (l *Limiter) Allow(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, ok := l.last[kind]; ok && now.Sub(last) < every {
		return false
	}
	if l.last == nil {
		l.last = map[string]time.Time{}
	}
	l.last[kind] = now
	return true
}
