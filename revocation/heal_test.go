package revocation_test

import (
	"context"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R11: after FLUSHALL the replicas write back the entries that they hold exactly, whichever replica
// creates the new list. A replica that boots meanwhile accepts no revoked session.
func TestR11WhatTheStoreLostIsPutBack(t *testing.T) {
	for _, first := range []string{"a running replica creates the new list", "a booting replica creates the new list"} {
		t.Run(first, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store)
				time.Sleep(time.Minute)
				clear := login(t, here, 9, "zoe", "tenant:1")
				victims := map[string]*replica.Query{}
				for i, target := range []revocation.Target{
					revocation.Session(sid(1)), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Key("kid-two"),
				} {
					q := login(t, here, byte(i+1), "ada", "tenant:7")
					if target.Scope() == revlog.ScopeSession {
						q.Subject, q.Groups = here.Tag(revocation.Subject("bob")), 0
					}
					if target.Scope() == revlog.ScopeKey {
						q.Subject, q.Groups, q.Keys[1] = here.Tag(revocation.Subject("bob")), 0, "kid-two"
					}
					if target.Scope() == revlog.ScopeGroup {
						q.Subject = here.Tag(revocation.Subject("bob"))
					}
					victims[target.Scope().String()] = q
					time.Sleep(time.Second)
					revoke(t, here, target)
				}
				time.Sleep(time.Second)
				store.flush()
				var booted *revocation.List
				if first == "a booting replica creates the new list" {
					booted = open(t, store)
				}
				time.Sleep(within)
				if booted == nil {
					booted = open(t, store)
				}
				time.Sleep(time.Second)
				for name, l := range map[string]*revocation.List{"here": here, "there": there, "booted": booted} {
					for scope, q := range victims {
						c := *q
						if v := verdict(t, l, &c); v.Outcome != replica.Refuse {
							t.Errorf("%s, %s: %v", name, scope, v.Outcome)
						}
					}
				}
				wantVerdict(t, "here, clear", verdict(t, here, clear), replica.Accept, replica.None)
				c := *clear
				wantVerdict(t, "booted, clear", verdict(t, booted, &c), replica.Undecided, replica.Silent)
				for _, l := range []*revocation.List{here, there, booted} {
					q := login(t, l, 50, "ada", "tenant:7")
					q.Keys = [2]string{}
					wantVerdict(t, "a new login", verdict(t, l, q), replica.Accept, replica.None)
				}
				if a := here.Stats().Anomalies; a["lost"]+a["other_list"] == 0 || a["republished"] == 0 {
					t.Errorf("not counted: %v", a)
				}
			})
		})
	}
}

// trimmedTo reads the log of s as if entry n were its first one.
func trimmedTo(s revlog.Store, n int64) func(context.Context, revlog.Cursor) (revlog.Page, error) {
	return func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
		p, err := s.Read(ctx, c)
		for len(p.Entries) > 0 && p.Entries[0].Position.N < n {
			p.Entries = p.Entries[1:]
		}
		if len(p.Entries) > 0 {
			p.Oldest = p.Entries[0].Position
		}
		return p, err
	}
}

// R10: if the log was trimmed past the position of a replica, the replica does not skip the gap.
func TestR10ATrimmedLogMovesTheWindowStart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		quiet := revocation.Config{NoCanary: true} // numbers of entries matter
		here, there := openWith(t, store, quiet), openWith(t, shared, quiet)
		q := login(t, here, 1, "ada")
		revoke(t, there, revocation.Session(sid(99)))
		time.Sleep(time.Second)
		store.silence()
		time.Sleep(time.Minute)
		revoke(t, there, revocation.Session(sid(1)))
		time.Sleep(time.Minute)
		revoke(t, there, revocation.Session(sid(98)))
		store.Recover()
		store.Hook(func(h *revlogtest.Hooks) { h.Read = trimmedTo(shared, 3) })
		time.Sleep(time.Second)
		if n := here.Stats().Anomalies["trimmed"]; n != 1 {
			t.Errorf("trimmed %d times", n)
		}
		if v := here.Replica().Decide(q); v.Outcome != replica.Ask {
			t.Errorf("Decide = %v, want ask: the trimmed entries are unknown", v.Outcome)
		}
		wantVerdict(t, "by the exact set", here.Replica().Confirm(t.Context(), q), replica.Refuse, replica.RevokedSession)
		if s := here.Stats().State; s != "synced" {
			t.Errorf("State = %q", s)
		}
	})
}

// R10: if the trimmed gap held global entries, the log lacks them, so the replica reads all global
// entries from their own key.
func TestR10GlobalEntriesOfATrimmedGapAreRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target revocation.Target
		want   replica.Reason
	}{
		{"key", revocation.Key("leaked"), replica.RevokedKey},
		{"everyone", revocation.Everyone(), replica.RevokedEveryone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				shared := revlog.NewMemory()
				store := scriptedOver(shared)
				brief := revocation.Config{MaxIdle: time.Minute, Grace: time.Minute} // the length of the log
				here, there := openWith(t, store, brief), openWith(t, shared, brief)
				began := here.Replica().Anonymous().Epoch
				revoke(t, there, revocation.Session(sid(99)))
				time.Sleep(time.Second)
				store.silence()
				if _, err := there.Revoke(t.Context(), tt.target, revocation.Options{Until: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				for n := range 10 { // until the log holds none of these entries
					time.Sleep(time.Minute)
					revoke(t, there, revocation.Session(sid(n)))
				}
				store.Recover()
				time.Sleep(time.Second)
				if s := here.Stats(); s.State != "synced" || s.Anomalies["trimmed"] != 1 {
					t.Errorf("State = %q, trimmed %d times", s.State, s.Anomalies["trimmed"])
				}
				now := here.Replica().Anonymous()
				q := &replica.Query{Keys: [2]string{"leaked"}, Epoch: began, Checked: now.Checked, Term: now.Term}
				wantVerdict(t, "an anonymous session from before", here.Replica().Decide(q), replica.Refuse, tt.want)
			})
		})
	}
}

// R10: the log was trimmed past the last entry that a replica read, and it is another log. The
// replica keeps the entries that it read from the first one, also if log time jumped by more than
// the retention (R27): sessions do not age by that.
func TestR10WhatWasReadOutlivesATrimmedLog(t *testing.T) {
	for _, jump := range []time.Duration{0, 3 * time.Hour} {
		bubble.Test(t, func(t *testing.T) {
			log := revlog.NewMemory()
			store := scriptedOver(log)
			l := open(t, store)
			q, kept := login(t, l, 1, "ada"), login(t, l, 2, "bob")
			was := log.State()
			revoke(t, l, revocation.Session(sid(1)))
			time.Sleep(time.Second)
			was.Head.N, was.Head.Chain, was.Head.MS = 7, [8]byte{7}, time.Now().Add(jump).UnixMilli()
			store.Replace(memoryOf(was))
			time.Sleep(within)
			if n := l.Stats().Anomalies["trimmed"]; n != 1 {
				t.Errorf("trimmed = %d: this test shows nothing", n)
			}
			booted := open(t, store)
			wantVerdict(t, "a replica that read it", verdict(t, l, new(*q)), replica.Refuse, replica.RevokedSession)
			wantVerdict(t, "another session", verdict(t, l, new(*kept)), replica.Accept, replica.None)
			if jump == 0 { // else all sessions of before expire there
				wantVerdict(t, "a replica that boots", verdict(t, booted, new(*q)), replica.Refuse, replica.RevokedSession)
				wantVerdict(t, "another session", verdict(t, booted, new(*kept)), replica.Accept, replica.None)
			}
		})
	}
}

// R10: after a failover that lost the end of the log, a replica that read those entries writes them
// again.
func TestR10ALostTailIsWrittenAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here := open(t, store)
		q := login(t, here, 1, "ada")
		for i := range 5 {
			revoke(t, here, revocation.Session(sid(10+i)))
		}
		time.Sleep(time.Second)

		// The server that becomes the primary has all but the last revocation.
		head, err := shared.Create(t.Context(), revlog.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := shared.Read(t.Context(), revlog.Cursor{List: head.ID, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		state := revlog.State{Head: p.Head, Entries: p.Entries}
		state.Head.MS = p.Head.MS
		for _, e := range p.Entries {
			state.Exact = append(state.Exact, revlog.Entry{Effect: e.Effect, Scope: e.Scope, Tag: e.Tag, W: e.W, Until: e.Until})
		}
		revoke(t, here, revocation.Session(sid(1)))
		time.Sleep(time.Second)
		promoted := memoryOf(state)
		store.Replace(promoted)
		time.Sleep(within)
		if n := here.Stats().Anomalies["broken"]; n != 1 {
			t.Errorf("broken %d times", n)
		}
		wantVerdict(t, "here", verdict(t, here, q), replica.Refuse, replica.RevokedSession)
		booted := open(t, store)
		c := *q
		wantVerdict(t, "booted", verdict(t, booted, &c), replica.Refuse, replica.RevokedSession)
		if a, err := promoted.Confirm(t.Context(), revlog.Question{List: head.ID, Session: here.Tag(revocation.Session(sid(1)))}); err != nil || len(a.Found) == 0 {
			t.Errorf("the new primary does not have it: %+v, %v", a, err)
		}
	})
}

// snapshot returns a copy of the store s.
func snapshot(t *testing.T, s revlog.Store) revlog.Store {
	t.Helper()
	e, h := entries(t, s)
	state := revlog.State{Head: h, Entries: e}
	state.Exact = append(state.Exact, e...)
	return memoryOf(state)
}

// R10, R11: a list that may lack something says so to a replica that boots and has no other
// knowledge.
func TestR11AListThatLacksSomethingIsNotBelieved(t *testing.T) {
	for _, what := range []string{"an older list", "an older snapshot"} {
		t.Run(what, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store, older := script(), revlog.Store(revlog.NewMemory())
				here := open(t, store)
				if what == "an older list" {
					open(t, older).Close()
				} else {
					revoke(t, here, revocation.Session(sid(99)))
					older = snapshot(t, store)
				}
				time.Sleep(time.Minute)
				dead, clear := login(t, here, 1, "ada"), login(t, here, 2, "bob")
				time.Sleep(time.Minute)
				revoke(t, here, revocation.Session(sid(1)))
				time.Sleep(12 * time.Minute) // older than the recent entries: no replica can write it back
				store.Replace(older)
				time.Sleep(within)
				booted := open(t, store)
				for range 2 {
					for name, q := range map[string]*replica.Query{"revoked": dead, "clear": clear} {
						c := *q
						if v := verdict(t, booted, &c); v.Outcome == replica.Accept {
							t.Errorf("booted, %s: %v", name, v.Outcome)
						}
					}
					c, d := *dead, *clear
					if v := verdict(t, here, &c); v.Outcome == replica.Accept {
						t.Errorf("here, revoked: %v", v.Outcome)
					}
					if v := verdict(t, here, &d); v.Outcome != replica.Accept && what == "an older list" {
						t.Errorf("here, clear: %v", v.Outcome) // the kept window decides
					}
					time.Sleep(2 * time.Minute)
				}
			})
		})
	}
}

// R10: on a quiet list the lost end of the log may be all the recent entries. The entry before it
// shows that nothing else is missing, so nobody has to log in again.
func TestR10ALostTailOnAQuietListCostsNobodyALogin(t *testing.T) {
	for _, tt := range []struct {
		name         string
		earlier, new bool // entries long before, and entries of other replicas since
		booted       bool // the replicas boot after the earlier entries
	}{
		{"the first entry ever", false, false, false},
		{"the first entry in a while", true, false, false},
		{"the first entry in a while, and others write since", true, true, false},
		{"the first entry since a boot", true, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store)
				if tt.earlier {
					revoke(t, here, revocation.Session(sid(99)))
					time.Sleep(12 * time.Minute)
				}
				if tt.booted {
					here.Close()
					here = open(t, store)
				}
				clear, dead := login(t, here, 1, "ada"), login(t, here, 2, "bob")
				time.Sleep(time.Minute)
				old := snapshot(t, store)
				revoke(t, here, revocation.Session(sid(2)))
				time.Sleep(time.Second)
				there.Close() // so that one replica has read the entry that is lost
				store.Replace(old)
				if tt.new {
					other := openWith(t, store, revocation.Config{})
					revoke(t, other, revocation.Session(sid(98)))
				}
				time.Sleep(within)
				booted := open(t, store)
				for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
					c, d := *clear, *dead
					wantVerdict(t, name+", clear", verdict(t, l, &c), replica.Accept, replica.None)
					wantVerdict(t, name+", revoked", verdict(t, l, &d), replica.Refuse, replica.RevokedSession)
				}
			})
		})
	}
}

// R10: a snapshot that does not record a loss yet is marked incomplete again each time it is
// restored.
func TestR10TheSameSnapshotTwice(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		revoke(t, here, revocation.Session(sid(99)))
		old := func() revlog.Store { return snapshot(t, store) }
		first, second := old(), old()
		time.Sleep(time.Minute)
		dead := login(t, here, 1, "ada")
		time.Sleep(time.Minute)
		revoke(t, here, revocation.Session(sid(1)))
		time.Sleep(12 * time.Minute)
		for i, snapshot := range []revlog.Store{first, second} {
			store.Replace(snapshot)
			time.Sleep(within)
			booted := open(t, store)
			c, d := *dead, *dead
			if v := verdict(t, booted, &c); v.Outcome == replica.Accept {
				t.Errorf("restored %d times: a replica that boots accepts what was revoked", i+1)
			}
			if v := verdict(t, here, &d); v.Outcome == replica.Accept {
				t.Errorf("restored %d times: accepted", i+1)
			}
			booted.Close()
			revoke(t, here, revocation.Session(sid(97-i)))
			time.Sleep(time.Second)
		}
		if n := here.Stats().Anomalies["broken"]; n != 2 {
			t.Errorf("broken %d times", n)
		}
	})
}

// R2: the replica that creates the new list may not know the old one, whose log time was ahead of
// the clock. The first revocations in the new list must not seem older than tokens that are still
// in use.
func TestR2ANewListWithAnEarlierLogTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		for range 20 { // each takes its own ms, so log time gets ahead of the clock
			revoke(t, here, revocation.Everyone())
		}
		time.Sleep(210 * time.Millisecond)
		for range 500 {
			revoke(t, here, revocation.Everyone())
		}
		dead := login(t, here, 1, "ada")
		store.flush()
		booted := open(t, store)
		revoke(t, booted, revocation.Session(sid(1)))
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
			if v := verdict(t, l, dead); v.Outcome != replica.Refuse {
				t.Errorf("%s: %v %v", name, v.Outcome, v.Reason)
			}
		}
	})
}

// R2: a replica that creates a list on a store whose clock is behind starts it past all that the list
// before it may have come to, which other replicas have heard of and this one has not.
func TestR2ANewListStartsPastWhatOthersHaveHeard(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here, there := open(t, store), open(t, shared)
		time.Sleep(time.Minute)
		store.Hook(silenceReads)
		time.Sleep(300 * time.Millisecond)
		dead, alive := login(t, there, 1, "ada"), login(t, there, 2, "bob")
		if err := there.Close(); err != nil {
			t.Error(err)
		}
		store.Recover()
		behind := revlog.NewMemory()
		behind.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
		store.Replace(behind)
		time.Sleep(within)
		revoke(t, here, revocation.Session(sid(1)))
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "booted": open(t, store)} {
			if v := verdict(t, l, new(*dead)); v.Outcome != replica.Refuse {
				t.Errorf("%s: %v %v", name, v.Outcome, v.Reason)
			}
			if v := verdict(t, l, new(*alive)); v.Outcome == replica.Accept {
				t.Errorf("%s: the new list answers for a session that only the old one knows", name)
			}
		}
	})
}

// R26: a list may come back after another one was in its place whose log time was behind. What was
// revoked in that one then seems older than tokens of the first, so the log of the first must show it.
func TestR26WhatWasRevokedWhileAListWasAway(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		first, behind := revlog.NewMemory(), revlog.NewMemory()
		store := scriptedOver(first)
		here := open(t, store)
		time.Sleep(time.Minute)
		dead := login(t, here, 1, "ada")
		if err := here.Close(); err != nil {
			t.Error(err)
		}
		behind.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
		store.Replace(behind)
		booted := open(t, store)
		time.Sleep(within)
		revoke(t, booted, revocation.Session(sid(1)))
		time.Sleep(time.Minute)
		store.Replace(first)
		time.Sleep(2 * within)
		for name, l := range map[string]*revocation.List{"the one that revoked": booted, "one that boots": open(t, store)} {
			if v := verdict(t, l, new(*dead)); v.Outcome != replica.Refuse {
				t.Errorf("%s: %v %v", name, v.Outcome, v.Reason)
			}
		}
	})
}

// R10: if the store loses a raised Born, a replica raises it again, and follows the list.
func TestR10ALostRaiseIsMadeAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		time.Sleep(time.Second)
		for range 2000 { // each takes its own ms, so log time gets ahead of the clock
			revoke(t, here, revocation.Everyone())
		}
		store.flush()
		booted := open(t, store)
		revoke(t, booted, revocation.Session(sid(98)))
		tail := snapshot(t, store)
		time.Sleep(time.Second)
		raised, err := store.Create(t.Context(), revlog.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		store.Replace(tail)
		if lost, err := store.Create(t.Context(), revlog.CreateOptions{}); err != nil || lost.Born >= raised.Born {
			t.Fatalf("nothing was lost: Born = %d, %d, %v", lost.Born, raised.Born, err)
		}
		time.Sleep(within)
		if again, err := store.Create(t.Context(), revlog.CreateOptions{}); err != nil || again.Born < raised.Born {
			t.Errorf("Born = %d, %v, was %d", again.Born, err, raised.Born)
		}
		for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
			if s := l.Stats(); s.State != "synced" || s.Anomalies["broken"] != 1 {
				t.Errorf("%s: %s, %v", name, s.State, s.Anomalies)
			}
		}
	})
}

// R11: a replica that needs several attempts to join the new list does not put checks in doubt that
// others made there meanwhile.
func TestR11AnotherAttemptDoubtsNothingNew(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		link := scriptedOver(store)
		here := open(t, link)
		revoke(t, here, revocation.Session(sid(99)))
		time.Sleep(time.Second)
		link.Hook(func(s *revlogtest.Hooks) {
			s.Write = func(ctx context.Context, b revlog.Write) (revlog.Written, error) {
				if r, ok := b.(revlog.Repair); ok && len(r.Assertions) > 0 {
					return revlog.Written{}, errSilent
				}
				return store.Write(ctx, b)
			}
		})
		store.flush()
		booted := open(t, store)
		time.Sleep(5 * time.Second)
		q := login(t, booted, 1, "ada")
		time.Sleep(5 * time.Second)
		link.Recover()
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
			wantVerdict(t, name, verdict(t, l, q), replica.Accept, replica.None)
		}
	})
}

// R10: after a restart from an old snapshot, replicas that do not know the loss renew sessions
// whose revocation the snapshot lacks. Those checks are in doubt as soon as another replica notices
// the loss.
func TestR10ChecksBeforeALossIsNoticedAreInDoubt(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		away := scriptedOver(store)
		here := open(t, away)
		revoke(t, here, revocation.Session(sid(99)))
		old := snapshot(t, store)
		dead := login(t, here, 1, "ada")
		time.Sleep(time.Minute)
		revoke(t, here, revocation.Subject("ada"))
		time.Sleep(12 * time.Minute) // older than the recent entries: no replica can write it back
		away.silence()
		store.Replace(old)
		booted := open(t, store)
		time.Sleep(time.Minute)
		v := verdict(t, booted, dead)
		wantVerdict(t, "before any replica notices", v, replica.Accept, replica.None)
		if !v.Renew {
			t.Fatal("not renewed: this test shows nothing")
		}
		renewed := *dead
		renewed.Checked, renewed.Term = v.Checked, v.Term
		time.Sleep(time.Minute)

		away.Recover()
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
			for token, q := range map[string]*replica.Query{"not renewed": dead, "renewed": &renewed} {
				if v := verdict(t, l, q); v.Outcome == replica.Accept {
					t.Errorf("%s accepts the token that is %s", name, token)
				}
			}
			wantVerdict(t, name+", a new login", verdict(t, l, login(t, l, 2, "ada")), replica.Accept, replica.None)
		}
	})
}
