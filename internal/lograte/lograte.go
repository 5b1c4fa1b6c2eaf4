// Package lograte keeps failures that repeat from flooding a log.
package lograte

import (
	"sync"
	"time"
)

const every = time.Minute

// A Limiter allows one line of each kind a minute. There must be few kinds, such as the constant
// messages of a package. The zero value is ready to use. A Limiter is safe for concurrent use.
type Limiter struct {
	mu   sync.Mutex // owns last
	last map[string]*seen
}

type seen struct {
	at    time.Time // of the last line
	times int       // lines suppressed since then
}

// Allow reports whether a line of that kind may be logged now.
func (l *Limiter) Allow(kind string) bool {
	_, ok := l.Count(kind)
	return ok
}

// Count is Allow, and also returns how many lines of that kind there were since the last one that
// was allowed, including this one.
func (l *Limiter) Count(kind string) (times int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	k, known := l.last[kind]
	switch {
	case !known:
		if l.last == nil {
			l.last = map[string]*seen{}
		}
		k = &seen{}
		l.last[kind] = k
	case now.Sub(k.at) < every:
		k.times++
		return 0, false
	}
	times = k.times + 1
	*k = seen{at: now}
	return times, true
}
