package console

import "time"

// SetFormTime sets how long a form may take to arrive, and returns what that was before.
func SetFormTime(d time.Duration) time.Duration {
	before := formTime
	formTime = d
	return before
}
