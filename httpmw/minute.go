package httpmw

import (
	"sync/atomic"
	"time"
)

// A minutely limits a log line to one a minute. The zero value is ready.
type minutely struct{ last atomic.Int64 } // Unix second of the last line

// due reports whether a minute has passed since it last reported true.
func (m *minutely) due(now time.Time) bool {
	last := m.last.Load()
	return now.Unix()-last >= 60 && m.last.CompareAndSwap(last, now.Unix())
}
