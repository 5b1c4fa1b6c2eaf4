package capacity

import "fmt"

// Warnings says what of e will not do.
func Warnings(e Estimate) (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if e.Cookies.Session > surelyFits {
		add("A session of more than %d bytes may not fit: Set returns ErrTooLarge. Keep the data in a database, and its key in the session.", surelyFits)
	}
	if e.Replica.Filters == mostFilters {
		add("The filters of a replica are full before the window ends, so it asks Redis about sessions that were away for long.")
	}
	if e.Keys.HalfSpent > 0 && e.Keys.HalfSpent < 30 {
		add("A key is half spent in %.1f days: set RotateEvery, or rotate more often than that.", e.Keys.HalfSpent)
	}
	if e.Redis.Core > busy {
		add("Redis works on one core, and needs %.0f %% of it: use fewer and larger replicas.", 100*e.Redis.Core)
	}
	return all
}

const (
	surelyFits = 3100 // bytes: the cookie of the renewal and both attributes fit beside it
	busy       = 0.5  // of a core
)
