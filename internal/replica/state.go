package replica

import (
	"context"
	"log/slog"
	"time"
)

// state is what Stats calls the state of l at now.
func (l *Replica) state(now time.Time) string {
	v := l.view.Load()
	switch {
	case l.store == nil:
		return "disabled"
	case l.closed.Load():
		return "closed"
	case v == nil:
		return "booting"
	case v.age(now) <= l.Within():
		return "synced"
	case l.silent.Load():
		return "cut_off"
	}
	return "stale"
}

// told holds what was logged last. The reader owns it.
type told struct {
	waitsFor error     // to join the list
	failed   error     // of the last read
	worst    int       // state since the list was synced: 0 synced, 1 stale, 2 cut off, 3 beyond the grace
	since    time.Time // when the list was read last, if it is not synced
}

// tell logs each change of state once: when the replica becomes stale, is cut off, accepts
// no more sessions, and is in step again.
func (l *Replica) tell(now time.Time) {
	v, s := l.view.Load(), l.state(now)
	switch s {
	case "closed":
		return
	case "synced":
		if l.told.worst > 0 {
			l.log.Info("revocation: the list is synced again", "store", l.where(), "after", now.Sub(l.told.since).Round(time.Millisecond))
		}
		l.told.worst = 0
		return
	}
	age := v.age(now)
	rank, level, msg := 1, slog.LevelWarn, "revocation: the list is stale: sessions are accepted only after asking the store, and no session is renewed"
	switch {
	case age > l.Grace():
		rank, level, msg = 3, slog.LevelError, "revocation: the list is out of touch for longer than its grace: no session is accepted that the store is not asked about"
	case s == "cut_off":
		rank, msg = 2, "revocation: the list is cut off: the store does not answer, and sessions are accepted from memory until the grace is over"
	}
	if rank <= l.told.worst {
		return
	}
	if l.told.worst == 0 {
		l.told.since = now.Add(-age)
	}
	l.told.worst = rank
	args := []any{"store", l.where(), "age", age.Round(time.Millisecond), "grace", l.Grace()}
	if l.told.failed != nil {
		args = append(args, "error", l.told.failed)
	}
	l.log.Log(context.Background(), level, msg, args...)
}

// noteTerm logs that there is a new primary, which has the list of the one before and may
// lack its newest entries.
func (l *Replica) noteTerm(before, v *view) {
	if before == nil || before.head.ID != v.head.ID || before.head.Term() == v.head.Term() || before.head.Term() == 0 {
		return
	}
	l.counters.terms.Add(1)
	l.log.Info("revocation: the store has a new primary", "store", l.where(), "position", v.m.String())
}

// notePause logs that this process did not run for longer than S. Until it has read again,
// its decisions asked the store or waited.
func (l *Replica) notePause(late time.Duration) {
	if late <= l.Within() {
		return
	}
	l.counters.pauses.Add(1)
	l.seldom(slog.LevelWarn, "revocation: this process did not run for a while, or its clock was changed", "for", late.Round(time.Millisecond))
}

// seldom logs msg at most once a minute, with the number of times that it was due since.
func (l *Replica) seldom(level slog.Level, msg string, args ...any) {
	if times, ok := l.rate.Count(msg); ok {
		if times > 1 {
			args = append(args, "times", times)
		}
		l.log.Log(context.Background(), level, msg, args...)
	}
}
