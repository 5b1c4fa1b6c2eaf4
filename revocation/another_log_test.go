package revocation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R10: a replica that boots knows the newest entry, however old it is. So it notices if another log
// has another entry in that place.
func TestR10AReplicaThatJustBootedSeesAnotherLog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		log := revlog.NewMemory()
		first := open(t, log)
		was := log.State()
		revoke(t, first, revocation.Session(sid(9)))
		time.Sleep(time.Minute)
		store := scriptedOver(log)
		l := open(t, store)
		time.Sleep(time.Second)

		another := memoryOf(was)
		there := open(t, another)
		q := login(t, there, 1, "ada")
		time.Sleep(time.Second)
		revoke(t, there, revocation.Session(sid(1))) // in the place of the newest one
		time.Sleep(5 * time.Second)
		store.Replace(another)
		revoke(t, there, revocation.Session(sid(2)))
		time.Sleep(within)
		wantVerdict(t, "revoked in the place of the entry that it had read", verdict(t, l, q), replica.Refuse, replica.RevokedSession)
	})
}

// partedLogs returns a replica of a store, and one of another store, whose log went another way from
// the beginning on and ended the session q.
func partedLogs(t *testing.T) (store scripted, l *revocation.List, another *revlog.Memory, there *revocation.List, q *replica.Query) {
	t.Helper()
	log := revlog.NewMemory()
	store = scriptedOver(log)
	l = open(t, store)
	another = memoryOf(log.State())
	there = open(t, another)
	q = login(t, there, 1, "ada")
	time.Sleep(time.Second)
	revoke(t, there, revocation.Session(sid(1)))
	return store, l, another, there, q
}

// R10: it notices this even if it has read no entry. If a log has all its entries from the first
// one on, and some of them are older than the log time of this replica, then it is another log.
func TestR10AReplicaThatReadNoEntrySeesAnotherLog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, l, another, there, q := partedLogs(t)
		time.Sleep(time.Minute)
		store.Replace(another)
		revoke(t, there, revocation.Session(sid(2)))
		time.Sleep(within)
		wantVerdict(t, "revoked in the other log", l.Replica().Decide(q), replica.Refuse, replica.RevokedSession)
		if a := l.Stats().Anomalies; a["broken"] != 1 || a["trimmed"] != 0 {
			t.Errorf("counted as %v", a)
		}
	})
}

// R10: another log is read from its beginning, also if that is older than the moment from which
// the list is complete.
func TestR10AnotherLogIsReadFromItsBeginning(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, l, another, _, q := partedLogs(t)
		time.Sleep(time.Second)
		tellKnown(t, store, 77) // complete from now on
		time.Sleep(time.Minute)
		store.Replace(another)
		time.Sleep(within)
		wantVerdict(t, "revoked in the other log", l.Replica().Decide(q), replica.Refuse, replica.RevokedSession)
		if a := l.Stats().Anomalies; a["broken"] != 1 || a["inconsistent"] != 0 {
			t.Errorf("counted as %v", a)
		}
	})
}

// R10: a log that is inconsistent in itself is followed from its end. What it has of
// everyone before that is read where it still is.
func TestR10GlobalEntriesOfAnInconsistentLogAreRead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here, there := open(t, store), open(t, shared)
		began := here.Replica().Anonymous().Epoch
		time.Sleep(time.Second)
		store.Hook(silenceReads)
		for n := range 3 {
			revoke(t, there, revocation.Session(sid(n)))
		}
		revoke(t, there, revocation.Everyone())
		state := shared.State()
		state.Entries = slices.Delete(state.Entries, 1, 2)
		store.Recover()
		store.Replace(memoryOf(state))
		time.Sleep(within)
		if s := here.Stats(); s.State != "synced" || s.Anomalies["inconsistent"] != 1 {
			t.Errorf("State = %q, inconsistent %d times", s.State, s.Anomalies["inconsistent"])
		}
		now := here.Replica().Anonymous()
		q := &replica.Query{Epoch: began, Checked: now.Checked, Term: now.Term}
		wantVerdict(t, "an anonymous session of before", here.Replica().Decide(q), replica.Refuse, replica.RevokedEveryone)
	})
}

// R15: if all of the log was trimmed, a replica that begins to follow it knows nothing of what was
// revoked before.
func TestR15ALogThatWasTrimmedWhollyShowsNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := scriptedOver(revlog.NewMemory())
		here := open(t, store)
		time.Sleep(time.Second)
		store.silence()
		another := revlog.NewMemory()
		there := open(t, another)
		q := login(t, there, 1, "ada")
		time.Sleep(time.Second)
		revoke(t, there, revocation.Session(sid(1)))
		time.Sleep(time.Second)
		state := another.State()
		state.Entries = nil
		trimmed := func() *revlog.Memory { return memoryOf(state) }
		booted := open(t, trimmed())
		store.Recover()
		store.Replace(trimmed())
		time.Sleep(2 * within)
		wantVerdict(t, "at a replica that booted since", verdict(t, booted, q), replica.Refuse, replica.RevokedSession)
		wantVerdict(t, "at one that came from another list", verdict(t, here, q), replica.Refuse, replica.RevokedSession)
	})
}

// R10: a replica revoked a key at a primary that nobody followed any more, and then did not hear from
// the store for longer than the retention. The log that it comes back to was trimmed past its position,
// and nothing of what it read is still of use but the end of that key, which is remembered for years.
func TestR10AKeyOutlivesAGapInTheLog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := scriptedOver(memory)
		short := revocation.Config{MaxIdle: 10 * time.Minute, Grace: time.Minute, NoCanary: true}
		l := openWith(t, store, short)
		time.Sleep(time.Second)
		promoted := memoryOf(memory.State())
		revoke(t, l, revocation.Key("leaked"))
		time.Sleep(time.Second)
		store.Fail()
		other := openWith(t, promoted, short)
		for i := range 4 {
			time.Sleep(10 * time.Minute)
			revoke(t, other, revocation.Session(sid(i+1)))
		}
		store.Hook(func(h *revlogtest.Hooks) { h.Store = promoted })
		store.Recover()
		time.Sleep(2 * time.Second)
		if !other.Replica().KeyRevoked("leaked") {
			t.Error("the other replica knows nothing of the key")
		}
	})
}
