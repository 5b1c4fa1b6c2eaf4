package replica

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func withEffect(e revlog.Entry, does revlog.Effect, params string) revlog.Entry {
	e.Effect, e.Params = does.Byte(), params
	return e
}

// R36: what is asked of a subject ends none of its sessions, whenever they began.
func TestR36AskingEndsNothing(t *testing.T) {
	v := viewAt()
	v.now = newWindow(testM-hourMS).add([]revlog.Entry{withEffect(entryAt(testM-minuteMS, revlog.ScopeSubject, revlog.Tag{2}, testM), revlog.Reload, "")}, testM, retain)
	l := holding(t, Config{}, v)
	for _, epoch := range []int64{0, 1, 2, testEpoch} {
		q := someQuery()
		q.Epoch, q.Checked = epoch, testM-2*minuteMS
		if d := l.Decide(&q); d.Outcome != Accept || d.Asks != revlog.AsksReload {
			t.Errorf("of a session that began at %d: %+v", epoch, d)
		}
	}
}

// R36: a replica that leaves an inconsistent log goes on asking what it has read, the second time too.
func TestR36AnInconsistentLogForgetsNothingThatIsAsked(t *testing.T) {
	v := viewAt()
	v.now = newWindow(testM-hourMS).add([]revlog.Entry{withEffect(entryAt(testM-minuteMS, revlog.ScopeSubject, revlog.Tag{2}, testM), revlog.RequireLogin, "")}, testM, retain)
	v.kept = newWindow(testM - 2*hourMS)
	l := holding(t, Config{}, v)
	left := l.leave(l.leave(v, v.head), v.head)
	left.adrift, left.lacksGlobals = false, false
	l.view.Store(left)
	q := someQuery()
	q.Checked = testM // where a session is that was confirmed since
	if d := l.Decide(&q); d.Outcome != Accept || d.Asks != revlog.AsksLogin {
		t.Errorf("%+v", d)
	}
}

// R37: what ends slowly ends at once if all global entries are read again and another entry stands in
// its place, as when an entry of the log is read.
func TestR37AnotherOneAmongAllGlobalEntries(t *testing.T) {
	l := holding(t, Config{}, nil)
	signed := func(w int64, params string) revlog.Entry {
		e := withEffect(entryAt(0, revlog.ScopeEveryone, revlog.Tag{}, w), revlog.EndSlowly, params)
		e.MAC = l.tags.entryMAC(e)
		return e
	}
	first, second := signed(testM-hourMS, revlog.OverParams(time.Hour, [8]byte{1})), signed(testM, revlog.OverParams(2*time.Hour, [8]byte{2}))
	v := viewAt()
	v.globals = v.globals.with([]revlog.Entry{first}, 0)
	l.view.Store(v)
	l.withGlobals(v, revlog.Page{Globals: []revlog.Entry{first}})
	if n := l.outbox.n.Load(); n != 0 {
		t.Errorf("of the same one, %d are sent", n)
	}
	l.withGlobals(v, revlog.Page{Globals: []revlog.Entry{second}})
	if w := l.outbox.w(revlog.Key{Scope: revlog.ScopeEveryone}); w != first.W {
		t.Errorf("everything up to %d is ended, want %d", w, first.W)
	}
}
