package revocation_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// puts writes entries to the exact set, like somebody who can write to the store but lacks the list
// key.
func (s scripted) puts(all ...revlog.Entry) {
	s.Hook(func(s *revlogtest.Hooks) {
		st := s.Store.(*revlog.Memory).State()
		st.Exact = append(st.Exact, all...)
		s.Store = memoryOf(st)
	})
}

func forgery(l *revocation.List, target revocation.Target) revlog.Entry {
	far := time.Now().Add(time.Hour).UnixMilli()
	e := revlog.Entry{
		Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: target.Scope(), Tag: l.Tag(target),
		W: far, Limit: far, Until: far + time.Hour.Milliseconds(), MAC: [8]byte{1},
	}
	if target.Scope() == revlog.ScopeSession || target.Scope() == revlog.ScopeKey {
		e.W, e.Limit = revlog.Forever, revlog.Forever
	}
	return e
}

// sign signs e with the list key.
func sign(e *revlog.Entry) {
	key := revlogtest.Secrets(1).ListSecret("wafer list: entry mac")
	h := hmac.New(sha256.New, key[:])
	h.Write(e.AppendSigned(nil))
	copy(e.MAC[:], h.Sum(nil))
}

// asksAll makes replicas ask about every session that was checked before now.
func asksAll(t *testing.T, l *revocation.List) {
	t.Helper()
	if _, err := l.RevokeMany(t.Context(), func(func(revocation.Target) bool) {}, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// R32: an entry with a wrong proof refuses nobody. It may hide a revocation, so the replica does
// not decide, begin or continue a session by that answer. The store still counts as answering.
func TestR32AForgedFindingDecidesNothing(t *testing.T) {
	for _, tt := range []struct {
		target revocation.Target
		known  bool // a view in step decides without it
	}{
		{revocation.Session(sid(1)), false}, {revocation.Subject("ada"), false}, {revocation.Group("tenant:7"), false},
		{revocation.Key("kid-one"), true}, {revocation.Everyone(), true},
	} {
		t.Run(tt.target.String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				q := login(t, l, 1, "ada", "tenant:7")
				time.Sleep(time.Second)
				store.puts(forgery(l, tt.target))
				asksAll(t, l)
				want, reason := replica.Undecided, replica.Silent
				if tt.known {
					want, reason = replica.Accept, replica.None
				}
				wantVerdict(t, "in step", verdict(t, l, q), want, reason)
				if s := l.Stats(); s.State != "synced" || s.Anomalies["forged"] == 0 {
					t.Errorf("%s, counted %v", s.State, s.Anomalies)
				}
				_, err := l.Replica().Begin(t.Context(), replica.Login{Subject: q.Subject, Groups: q.GroupTags[:q.Groups]})
				if named := tt.target.Scope() == revlog.ScopeSubject || tt.target.Scope() == revlog.ScopeGroup; errors.Is(err, revocation.ErrUnavailable) != named {
					t.Errorf("Begin = %v", err)
				}
				c := *q
				if _, err := l.Replica().Succeed(t.Context(), &c, replica.Succession{Kind: replica.SetGroups, Login: replica.Login{Subject: q.Subject}}); !errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("Succeed = %v", err) // to the store, the session looks revoked
				}
				_, ok, err := l.Revoked(t.Context(), tt.target)
				if ok || errors.Is(err, revocation.ErrLookup) == tt.known {
					t.Errorf("Revoked = %v, %v", ok, err)
				}
				store.Hook(func(s *revlogtest.Hooks) { silenceReads(s) })
				time.Sleep(5 * time.Second)
				wantVerdict(t, "stale", verdict(t, l, q), replica.Undecided, replica.Silent)
				if s := l.Stats().State; s != "stale" {
					t.Errorf("the replica is %s", s)
				}
			})
		})
	}
}

// R32: a forged entry about everyone may hide a revocation of a moment ago. A login right after
// that revocation does not begin before it, and is not refused for it.
func TestR32AForgeryAboutEveryoneHidesNothingFromALogin(t *testing.T) {
	for _, since := range []bool{false, true} {
		bubble.Test(t, func(t *testing.T) {
			store := script()
			here, there := open(t, store), open(t, store)
			q := login(t, there, 1, "bob")
			time.Sleep(time.Second)
			revoke(t, here, revocation.Everyone())
			store.puts(forgery(here, revocation.Everyone()))
			b := replica.Login{Subject: there.Tag(revocation.Subject("ada"))}
			if since {
				b.Since = there.Now(t.Context()).LogTime()
			}
			start, err := there.Replica().Begin(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			ada := &replica.Query{Subject: b.Subject, Epoch: start.Epoch, Checked: start.Checked, Term: start.Term}
			time.Sleep(within)
			for _, l := range []*revocation.List{here, there} {
				wantVerdict(t, "a session that began since", verdict(t, l, ada), replica.Accept, replica.None)
				wantVerdict(t, "a session from before", verdict(t, l, q), replica.Refuse, replica.RevokedEveryone)
			}
		})
	}
}

// R32: a revocation next to a forged entry counts.
func TestR32AForgeryMasksNoOtherScope(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store.Unwrap())
		q := login(t, here, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		store.Hook(func(s *revlogtest.Hooks) { silenceReads(s) })
		revoke(t, there, revocation.Subject("ada"))
		store.puts(forgery(here, revocation.Session(sid(1))), forgery(here, revocation.Group("tenant:7")))
		time.Sleep(5 * time.Second)
		wantVerdict(t, "beside two forgeries", verdict(t, here, q), replica.Refuse, replica.RevokedSubject)
	})
}

// R12: it is unknown to which sessions a global entry of a newer release applies.
func TestR12AGlobalEntryOfANewerRelease(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Second)
		e := forgery(l, revocation.Everyone())
		e.Effect, e.Params = 0x90, "mfa"
		sign(&e)
		store.puts(e)
		asksAll(t, l)
		wantVerdict(t, "in step", verdict(t, l, q), replica.Undecided, replica.Silent)
		if n := l.Stats().Anomalies; n["unknown"] == 0 || n["forged"] > 0 {
			t.Errorf("counted %v", n)
		}
	})
}

// R32: if log time is past the limit of a "now" when it reaches the store, the replica makes it
// again. It then applies to every session that began until then, even if the replica reads nothing
// meanwhile.
func TestR32ALateNowRevokesEverySession(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		t.Run(target.String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store.Unwrap())
				time.Sleep(time.Second)
				store.Hook(func(s *revlogtest.Hooks) { silenceReads(s) })
				_, h := entries(t, store.Unwrap())
				if _, err := store.Unwrap().Read(t.Context(), revlog.Cursor{List: h.ID, Floor: h.MS + time.Hour.Milliseconds()}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				q := login(t, there, 1, "ada", "tenant:7")
				if q.Epoch < h.MS+time.Hour.Milliseconds() {
					t.Fatal("this test shows nothing")
				}
				revoke(t, here, target)
				time.Sleep(within)
				if v := verdict(t, there, q); v.Outcome != replica.Refuse {
					t.Errorf("%+v", v)
				}
				if n := here.Stats().Anomalies["late"]; n != 1 {
					t.Errorf("counted %d", n)
				}
			})
		})
	}
}

// R32: a store may claim that every limit is too low. The replica then does not write a revocation
// without effect. It keeps refusing, and keeps trying.
func TestR32AStoreThatIsNeverInTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Second)
		store.Hook(func(s *revlogtest.Hooks) {
			s.Write = func(_ context.Context, w revlog.Write) (revlog.Written, error) {
				return revlog.Written{}, &revlog.LimitError{LogTime: time.Now().UnixMilli()}
			}
		})
		if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Revoke = %v", err)
		}
		wantVerdict(t, "here", verdict(t, l, q), replica.Refuse, replica.RevokedSubject)
		store.Recover()
		time.Sleep(time.Second)
		other := open(t, store.Unwrap())
		wantVerdict(t, "elsewhere", verdict(t, other, q), replica.Refuse, replica.RevokedSubject)
		if n := l.Stats().Outbox; n != 0 {
			t.Errorf("Outbox = %d", n)
		}
	})
}

// R32: an entry is written back exactly as its writer signed it.
func TestR32WriteBackKeepsTheProof(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Second)
		st := store.Unwrap().(*revlog.Memory)
		e := revlog.Entry{Version: 0x21, Effect: revlog.End.Byte(), Scope: revlog.ScopeSubject, Tag: l.Tag(revocation.Subject("ada")), Params: "why", Limit: time.Now().UnixMilli()}
		sign(&e)
		e.W = e.Limit - 100
		if _, err := st.Write(t.Context(), revlog.Append{List: st.State().Head.ID, Assertions: []revlog.Assertion{e.Again()}}); err != nil {
			t.Fatal(err)
		}
		revoke(t, l, revocation.Everyone())
		time.Sleep(time.Second)
		before := st.State()
		store.flush()
		time.Sleep(5 * time.Second)
		after := map[revlog.Key]revlog.Entry{}
		for _, e := range store.Unwrap().(*revlog.Memory).State().Exact {
			after[e.Key()] = e
		}
		for _, e := range before.Exact {
			if got := after[e.Key()]; got.MAC != e.MAC || got.Params != e.Params || got.Version != e.Version || got.W != e.W || got.Limit != e.Limit {
				t.Errorf("%v: written back as %+v, was %+v", e.Scope, got, e)
			}
		}
	})
}

// anonymousAt returns an anonymous session that begins now.
func anonymousAt(l *revocation.List) *replica.Query {
	now := l.Replica().Anonymous()
	return &replica.Query{Epoch: now.Epoch, Checked: now.Checked, Term: now.Term}
}

// wantHidden fails the test if l, in step, accepts q while a forged entry may hide what ended it, or
// does not refuse it once the real entry is there.
func wantHidden(t *testing.T, l *revocation.List, q *replica.Query, show func()) {
	t.Helper()
	for range 200 {
		time.Sleep(within / 100)
		if v := verdict(t, l, q); v.Outcome == replica.Accept && v.Fresh {
			t.Fatalf("accepted: %+v", v)
		}
	}
	show()
	time.Sleep(2 * within)
	wantVerdict(t, "once the real one is there", verdict(t, l, q), replica.Refuse, replica.RevokedEveryone)
}

// R32: a replica that skipped a part of the log may lack a revocation of everyone that a forged
// entry hides. It is out of step until it has read the real one.
func TestR32AForgeryAboutEveryoneBehindASkippedPart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := scriptedOver(memory)
		there := open(t, store)
		login(t, there, 1, "ada")
		revoke(t, there, revocation.Session(sid(1)))
		time.Sleep(time.Second)
		before := memory.State()
		revoke(t, there, revocation.Session(sid(2)))
		anonymous := anonymousAt(there)
		time.Sleep(20 * time.Minute) // no recent entry shows where the logs part
		store.silence()
		other := memoryOf(before)
		here := open(t, other)
		time.Sleep(time.Second)
		revoke(t, here, revocation.Everyone())
		revoke(t, here, revocation.Session(sid(3)))
		time.Sleep(time.Minute)
		real := other.State()
		store.Recover()
		store.Replace(other)
		store.puts(forgery(here, revocation.Everyone()))
		wantHidden(t, there, anonymous, func() { store.Replace(memoryOf(real)) })
	})
}

// R32: a new list was trimmed before this replica came to it. The trimmed part may have revoked
// everyone, and a forged entry hides that. The replica is out of step until it has read the real one.
func TestR32AForgeryAboutEveryoneInANewListThatWasTrimmed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := scriptedOver(revlog.NewMemory())
		there := open(t, store)
		anonymous := anonymousAt(there)
		time.Sleep(time.Second)
		store.silence()
		other := revlog.NewMemory()
		here := open(t, other)
		time.Sleep(time.Second)
		revoke(t, here, revocation.Everyone())
		time.Sleep(time.Minute)
		revoke(t, here, revocation.Session(sid(1)))
		time.Sleep(time.Minute)
		trimmed := other.State()
		trimmed.Entries = trimmed.Entries[1:]
		store.Recover()
		store.Replace(memoryOf(trimmed))
		store.puts(forgery(here, revocation.Everyone()))
		wantHidden(t, there, anonymous, func() { store.Replace(memoryOf(trimmed)) })
	})
}

// R32: a forged entry about everyone is replaced by a revocation that reaches less far than the one
// that it overwrote. Both are in force then, for a replica that knows the first one puts it back.
func TestR32WhatAForgeryOverwroteIsPutBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		began := time.Now().UnixMilli()
		revoke(t, l, revocation.Everyone())
		time.Sleep(time.Second)
		store.puts(forgery(l, revocation.Everyone()))
		if _, err := l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Before: time.Now().Add(-30 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		head, err := store.Create(t.Context(), revlog.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := store.Confirm(t.Context(), revlog.Question{List: head.ID, Session: revlog.Tag{1}})
		if w := a.W(revlog.Key{Scope: revlog.ScopeEveryone}); err != nil || w < began {
			t.Errorf("everyone is revoked up to %d, %v, want at least %d", w, err, began)
		}
	})
}

// R32: the same by a replica that has not read the first revocation yet. It reads before it
// overwrites. Otherwise a session could begin that the first one ends a moment later.
func TestR32WhatAForgeryHidesIsReadBeforeItIsOverwritten(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		time.Sleep(time.Minute)
		revoke(t, there, revocation.Everyone()) // which the other one has not read
		store.puts(forgery(here, revocation.Everyone()))
		if _, err := here.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Before: time.Now().Add(-30 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		s, err := here.Replica().Begin(t.Context(), replica.Login{Subject: here.Tag(revocation.Subject("ada"))})
		if err != nil {
			t.Fatal(err)
		}
		q := token(here, 1, s, "ada")
		for range 20 {
			for _, l := range []*revocation.List{here, there} {
				wantVerdict(t, "a login after it", verdict(t, l, q), replica.Accept, replica.None)
			}
			time.Sleep(within / 10)
		}
	})
}
