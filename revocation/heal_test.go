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

// R11: after FLUSHALL the replicas put back what they hold exactly, whoever
// begins the new list, and a pod that boots meanwhile resurrects nobody.
func TestR11WhatTheStoreLostIsPutBack(t *testing.T) {
	for _, first := range []string{"a replica begins the new list", "a booting pod begins the new list"} {
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
				if first == "a booting pod begins the new list" {
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

// trimmedTo reads the log of s as if it began with number n.
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

// R10: a log trimmed past this replica's position is not skipped over.
func TestR10TrimmedMovesH0(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here, there := open(t, store), open(t, shared)
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
			t.Errorf("Decide = %v, want ask: what was trimmed is not known", v.Outcome)
		}
		wantVerdict(t, "by the exact set", here.Replica().Confirm(t.Context(), q), replica.Refuse, replica.RevokedSession)
		if s := here.Stats().State; s != "synced" {
			t.Errorf("State = %q", s)
		}
	})
}

// R10: what was revoked of a key or of everyone in a gap that was trimmed is no
// longer in the log, so a replica reads it where it still is.
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
				brief := revocation.Config{MaxIdle: time.Minute, Grace: time.Minute} // how long the log is
				here, there := openWith(t, store, brief), openWith(t, shared, brief)
				began := here.Replica().Anonymous().Epoch
				revoke(t, there, revocation.Session(sid(99)))
				time.Sleep(time.Second)
				store.silence()
				if _, err := there.Revoke(t.Context(), tt.target, revocation.Options{Until: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				for n := range 10 { // until the log holds nothing of that any more
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
				wantVerdict(t, "an anonymous session of before", here.Replica().Decide(q), replica.Refuse, tt.want)
			})
		})
	}
}

// R10: the log was trimmed past the last entry that a replica read, and it is another log:
// what that replica read of its own is not lost with it.
func TestR10WhatWasReadOutlivesATrimmedLog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		log := revlog.NewMemory()
		store := scriptedOver(log)
		l := open(t, store)
		q, kept := login(t, l, 1, "ada"), login(t, l, 2, "bob")
		was := log.State()
		revoke(t, l, revocation.Session(sid(1)))
		time.Sleep(time.Second)
		was.Head.N, was.Head.Chain, was.Head.MS = 7, [8]byte{7}, time.Now().UnixMilli()
		store.Replace(revlog.Restore(was, func(revlog.Change) error { return nil }))
		time.Sleep(within)
		if n := l.Stats().Anomalies["trimmed"]; n != 1 {
			t.Errorf("trimmed = %d: this shows nothing", n)
		}
		for name, l := range map[string]*revocation.List{"who read it": l, "who boots": open(t, store)} {
			wantVerdict(t, name, verdict(t, l, new(*q)), replica.Refuse, replica.RevokedSession)
			wantVerdict(t, name+", another session", verdict(t, l, new(*kept)), replica.Accept, replica.None)
		}
	})
}

// R10: after a failover that lost the tail of the log, whoever read the tail
// writes it again.
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

		// The replica that becomes primary has all but the last revocation.
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
			state.Exact = append(state.Exact, revlog.Entry{Scope: e.Scope, Tag: e.Tag, W: e.W, Until: e.Until})
		}
		revoke(t, here, revocation.Session(sid(1)))
		time.Sleep(time.Second)
		promoted := revlog.Restore(state, func(revlog.Change) error { return nil })
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

// snapshot returns a store that holds what s holds now.
func snapshot(t *testing.T, s revlog.Store) revlog.Store {
	t.Helper()
	e, h := entries(t, s)
	state := revlog.State{Head: h, Entries: e}
	state.Exact = append(state.Exact, e...)
	return revlog.Restore(state, func(revlog.Change) error { return nil })
}

// R10, R11: a list that may lack something says so, for whoever boots and knows
// nothing else.
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
				time.Sleep(12 * time.Minute) // beyond the ring: nothing can say it again
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
						t.Errorf("here, clear: %v", v.Outcome) // the window of what was lost settles it
					}
					time.Sleep(2 * time.Minute)
				}
			})
		})
	}
}

// R10: where little is revoked, the lost tail may be all there is in the ring. The
// entry before it shows that nothing else is missing, so nobody has to log in again.
func TestR10ALostTailOnAQuietListCostsNobodyALogin(t *testing.T) {
	for _, tt := range []struct {
		name         string
		earlier, new bool // entries long before, and by others since
		booted       bool // since the earlier ones
	}{
		{"the first entry ever", false, false, false},
		{"the first entry in a while", true, false, false},
		{"the first entry in a while, and others since", true, true, false},
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
				there.Close() // so that one replica has read what is lost
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

// R10: a snapshot from before the list was found to lack something is told so again.
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

// R2: whoever begins the new list may know nothing of the old one, whose log time was
// ahead of the clock. What is revoked first must not seem older than the tokens that
// are still around.
func TestR2ANewListThatCountsFromBehind(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		for range 20 { // each takes a ms of its own, so log time runs ahead
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

// R10: a list that lost a raise of born is told so again, and followed.
func TestR10ALostRaiseIsMadeAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		time.Sleep(time.Second)
		for range 2000 { // each takes a ms of its own, so log time gets ahead of the clock
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
			t.Fatalf("nothing was lost: born %d, %d, %v", lost.Born, raised.Born, err)
		}
		time.Sleep(within)
		if again, err := store.Create(t.Context(), revlog.CreateOptions{}); err != nil || again.Born < raised.Born {
			t.Errorf("born = %d, %v, was %d", again.Born, err, raised.Born)
		}
		for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
			if s := l.Stats(); s.State != "synced" || s.Anomalies["broken"] != 1 {
				t.Errorf("%s: %s, %v", name, s.State, s.Anomalies)
			}
		}
	})
}

// R11: a replica that needs several attempts to follow the new list does not doubt
// what others did there meanwhile.
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

// R10: between a restart from an old snapshot and the first replica that knows
// better, others believe the list and stamp what it does not know to be revoked.
// That holds no longer than until it is noticed.
func TestR10WhatWasStampedBeforeAnybodyNoticedIsInDoubt(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		away := scriptedOver(store)
		here := open(t, away)
		revoke(t, here, revocation.Session(sid(99)))
		old := snapshot(t, store)
		dead := login(t, here, 1, "ada")
		time.Sleep(time.Minute)
		revoke(t, here, revocation.Subject("ada"))
		time.Sleep(12 * time.Minute) // beyond the ring: nothing can say it again
		away.silence()
		store.Replace(old)
		booted := open(t, store)
		time.Sleep(time.Minute)
		v := verdict(t, booted, dead)
		wantVerdict(t, "while nobody knows", v, replica.Accept, replica.None)
		if !v.Renew {
			t.Fatal("not renewed: nothing to see here")
		}
		renewed := *dead
		renewed.Checked, renewed.Term = v.Checked, v.Term
		time.Sleep(time.Minute)

		away.Recover()
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "booted": booted} {
			for stamp, q := range map[string]*replica.Query{"as it was": dead, "renewed": &renewed} {
				if v := verdict(t, l, q); v.Outcome == replica.Accept {
					t.Errorf("%s accepts the token %s", name, stamp)
				}
			}
			wantVerdict(t, name+", a new login", verdict(t, l, login(t, l, 2, "ada")), replica.Accept, replica.None)
		}
	})
}
