package httpmw

import (
	"slices"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/token"
)

// endings are why a session ended: most of the refusals, and what ends a session while it is here.
var endings = [...]string{
	"expired_idle", "expired_absolute", "revoked_session", "revoked_subject", "revoked_group", "revoked_key", "revoked_everyone", "list_lost",
	endedByLogout, endedByLogin,
}

const (
	endedByLogout = "logout"
	endedByLogin  = "login" // another session took its place
)

// rememberEnded is how many sessions a generation of ended holds.
const rememberEnded = 1 << 15

// ended counts sessions that ended, and how long they had lasted. A browser may go on sending the
// cookie of a session that has ended, so ended remembers which ones it has counted: the last 32,768
// of this process, or up to twice as many.
type ended struct {
	mu       sync.Mutex // owns now and old; taken only for sessions that have ended
	now, old map[token.ID]struct{}
	ages     [len(endings)]histogram.Histogram
}

// refused counts a session that was refused at now, at the first time that it is.
func (e *ended) refused(t *token.Session, why error, now time.Time) {
	if !listed(t) {
		return // nobody was logged in
	}
	name := Reason(why)
	end := now.UnixMilli()
	switch {
	case why == ErrExpiredIdle:
		end = min(end, t.Expires*1000)
	case why == ErrExpiredAbsolute:
		end = min(end, t.End*1000)
	}
	e.add(t.ID, name, time.Duration(end-t.Epoch)*time.Millisecond)
}

// add counts a session, once. It does not count one that ended for none of the endings.
func (e *ended) add(id token.ID, why string, age time.Duration) {
	i := slices.Index(endings[:], why)
	if i >= 0 && e.first(id) {
		e.ages[i].Observe(age)
	}
}

// first reports whether id was not seen before, and remembers it.
func (e *ended) first(id token.ID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, seen := e.now[id]; seen {
		return false
	}
	_, seen := e.old[id]
	if e.now == nil || len(e.now) >= rememberEnded {
		e.old, e.now = e.now, map[token.ID]struct{}{}
	}
	e.now[id] = struct{}{}
	return !seen
}

func (e *ended) all() map[string]histogram.Snapshot {
	all := map[string]histogram.Snapshot{}
	for i := range e.ages {
		all[endings[i]] = e.ages[i].Snapshot()
	}
	return all
}
