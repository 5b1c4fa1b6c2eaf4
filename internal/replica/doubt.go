package replica

import (
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A doubt says what replicas may have accepted that followed a list since it lost data, before
// this replica did. They decided by what they had read of what was lost, and renewed tokens.
type doubt struct {
	list revlog.ListID
	// common is a log time. Each of those replicas had read what was lost up to there.
	common int64
	// born is how far the list has to say that it lacks something, because this replica cannot
	// write all that they had not read into the log. It is 0 if it can.
	born int64
}

// doubts returns the doubt about a list with the head h, which lost all that v holds. If an
// earlier attempt to write back got no answer, h may show what that attempt said, so its doubt
// counts as well.
func (l *Replica) doubts(v *view, h revlog.Head) doubt {
	within := l.Within().Milliseconds()
	d := doubt{list: h.ID, common: v.m.MS - 2*within}
	if v.tail != nil && len(v.tail.recent) > 0 { // nobody else need have read that
		d.common = min(d.common, v.tail.recent[0].Position.MS-1)
	}
	more := false // this replica may have read what they had not, and they decided without it
	switch known, term := v.reached(l.Within()); {
	case h.Known == 0, known > h.Born: // nobody came before, or the store now asks about all that they checked
	case term != h.KnownTerm:
		d.common, more = 0, true
	case h.Known < known-within:
		d.common, more = min(d.common, h.Known-within), true
	case h.Known > known+within: // perhaps of a list after this one, whose replicas need not have read all of this one
		d.common = 0
	}
	if !v.sent.IsZero() && h.MS-h.Born > since(v.sent, time.Now()).Milliseconds() {
		// The list is older than the last read of v, so it was not made in the place of that one. It
		// came back, and does not say that it lacks what was revoked in v since.
		d.common = 0
	}
	if more && !v.exactSince(d.common) {
		d.born = h.MS + within // later than any check until the store has the write
	}
	if before := l.doubted; before.list == h.ID {
		d.common, d.born = min(d.common, before.common), max(d.born, before.born)
	}
	l.doubted = d
	return d
}

// exactSince reports whether v holds exactly all that it has read after log time at.
func (v *view) exactSince(at int64) bool {
	exact := func(w *window) bool { return w.to <= at || w.recentFrom <= max(at, w.began) }
	for w := v.kept; w != nil; w = w.earlier {
		if !exact(w) {
			return false
		}
	}
	return exact(v.now)
}
