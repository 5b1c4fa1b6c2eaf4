package revocation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// leap moves the log time of s ahead, as a clock that jumps does.
func leap(t *testing.T, s revlog.Store, by time.Duration) {
	t.Helper()
	h, err := s.Create(t.Context(), revlog.CreateOptions{Floor: time.Now().Add(by).UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	q := revlog.Assertion{Scope: revlog.ScopeSession, Tag: revlog.Tag{1}, W: revlog.Forever, Version: revlog.EntryVersion, Effect: revlog.End.Byte()}
	if _, err := s.Write(t.Context(), revlog.Bulk{List: h.ID, Assertions: []revlog.Assertion{q}}); err != nil {
		t.Fatal(err)
	}
}

// R27: the clock of the store jumps ahead by more than the retention. Sessions that a running
// replica knows stay logged in, and revoked sessions stay refused.
func TestR27AJumpOfTheClockLogsNobodyOut(t *testing.T) {
	for _, by := range []time.Duration{3 * time.Hour, 5 * 365 * 24 * time.Hour, 250 * 365 * 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlog.NewMemory()
				l := openWith(t, store, revocation.Config{MaxIdle: 20 * time.Minute})
				time.Sleep(10 * time.Minute)
				idle := login(t, l, 1, "ada")
				gone := login(t, l, 2, "eve", "tenant")
				everyone := login(t, l, 3, "zoe")
				out := login(t, l, 4, "ada")
				time.Sleep(3 * time.Minute)
				revoke(t, l, revocation.Subject("eve"))
				revoke(t, l, revocation.Session("AAAAAAAAAAAAAAAAAAAABA"))
				time.Sleep(3 * time.Minute)
				active := login(t, l, 5, "bob")
				time.Sleep(time.Second)

				leap(t, store, by)
				time.Sleep(time.Second)
				for name, q := range map[string]*replica.Query{"idle": idle, "active": active, "not revoked yet": everyone} {
					d := verdict(t, l, q)
					wantVerdict(t, name, d, replica.Accept, replica.None)
					if !d.Renew {
						t.Errorf("%s: not renewed", name)
					}
				}
				for name, q := range map[string]*replica.Query{"eve": gone, "ada": out} {
					if d := verdict(t, l, q); d.Outcome != replica.Refuse {
						t.Errorf("%s: %v after the jump", name, d.Outcome)
					}
				}
				if n := l.Stats().Anomalies["clock"]; n == 0 {
					t.Error("the jump was not counted")
				}
				revoke(t, l, revocation.Everyone())
				time.Sleep(within)
				if d := verdict(t, l, everyone); d.Outcome != replica.Refuse {
					t.Errorf("everyone was revoked: %v", d.Outcome)
				}

				time.Sleep(time.Hour)
				wantVerdict(t, "idle for longer than the retention", verdict(t, l, idle), replica.Refuse, replica.RevokedEveryone)
			})
		})
	}
}

// R27: after a jump only the window decides, because the store forgets by its clock.
func TestR27AStoreThatForgotIsNotAsked(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Minute)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Minute)
		if _, err := l.RevokeMany(t.Context(), func(yield func(revocation.Target) bool) {
			yield(revocation.Subject("eve"))
		}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c := *q
		if d := l.Replica().Decide(&c); d.Outcome != replica.Ask {
			t.Fatalf("before the jump, and below the floor: %v", d.Outcome)
		}
		leap(t, store.Unwrap(), 4*time.Hour)
		time.Sleep(time.Second)
		before := store.Confirms()
		wantVerdict(t, "below the floor", verdict(t, l, q), replica.Refuse, replica.Stale)
		if store.Confirms() != before {
			t.Error("the store was asked about entries that it has forgotten")
		}
	})
}

// R27: time that passes while the process runs is not a jump, even if the store was silent or
// answered from a primary without heartbeats.
func TestR27AnOutageIsNotAJump(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*revlogtest.Hooks)
	}{
		{"silent", silenceReads},
		{"standing still", func(s *revlogtest.Hooks) {
			began := time.Now()
			h, err := s.Store.Create(context.Background(), revlog.CreateOptions{})
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				return revlog.Page{Head: h, Heartbeat: time.Since(began)}, err
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := openWith(t, store, revocation.Config{MaxIdle: 20 * time.Minute})
				time.Sleep(time.Minute)
				q := login(t, l, 1, "ada")
				time.Sleep(time.Second)
				store.Hook(tt.fault)
				time.Sleep(time.Hour)
				store.Recover()
				time.Sleep(time.Second)
				wantVerdict(t, "idle for an hour", verdict(t, l, q), replica.Refuse, replica.Stale)
				if n := l.Stats().Anomalies["clock"]; n != 0 {
					t.Errorf("%d jumps", n)
				}
			})
		})
	}
}

// R27: one wrong clock does not spoil the list for good. A new list ends the damage, because
// nothing carries the wrong time into it.
func TestR27AWayBackFromAWrongClock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Hour)
		old := login(t, l, 1, "ada")
		leap(t, store.Unwrap(), 250*365*24*time.Hour)
		time.Sleep(time.Second)
		late := openWith(t, store, revocation.Config{}) // knows no other time
		d := verdict(t, l, old)
		old.Checked, old.Term = d.Checked, d.Term
		wrong := login(t, l, 2, "ada")
		revoke(t, l, revocation.Subject("eve"))
		revoke(t, late, revocation.Everyone())
		time.Sleep(time.Second)
		after := login(t, late, 3, "bob")

		store.flush()
		time.Sleep(5 * time.Second)
		h, err := store.Create(t.Context(), revlog.CreateOptions{})
		if err != nil || h.MS > time.Now().Add(time.Minute).UnixMilli() || h.Born > h.MS {
			t.Fatalf("log time of the new list is %v, it is complete from %v; %v", time.UnixMilli(h.MS), time.UnixMilli(h.Born), err)
		}
		for name, at := range map[string]*revocation.List{"a replica from before": l, "a replica that booted meanwhile": late} {
			q := *old
			wantVerdict(t, name+": everyone was revoked", verdict(t, at, &q), replica.Refuse, replica.RevokedEveryone)
			for _, q := range []replica.Query{*wrong, *after} {
				if d := verdict(t, at, &q); d.Outcome != replica.Refuse {
					t.Errorf("%s: a session that began in the wrong time: %v", name, d.Outcome)
				}
			}
			for _, user := range []string{"eve", "bob"} {
				s := login(t, at, 9, user)
				wantVerdict(t, name+": a new login", verdict(t, at, s), replica.Accept, replica.None)
				revoke(t, at, revocation.Subject(user))
				wantVerdict(t, name+": the same, revoked", verdict(t, at, s), replica.Refuse, replica.RevokedSubject)
			}
		}
	})
}

// R9: the age of a read is the time since it was sent, plus the age of the heartbeat that it
// returned.
func TestR9AViewIsAsOldAsItsHeartbeat(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Second)
		q := login(t, l, 1, "ada")
		store.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := s.Store.Read(ctx, c)
				p.Heartbeat = within - 100*time.Millisecond
				return p, err
			}
		})
		time.Sleep(within - time.Second)
		store.silence()
		time.Sleep(400 * time.Millisecond)
		c := *q
		if d := l.Replica().Decide(&c); d.Fresh || d.Renew {
			t.Errorf("Decide = %+v, with a heartbeat older than %v", d, within)
		}
	})
}

func TestR9AnAnswerIsAsOldAsItsHeartbeat(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(time.Second)
		q := login(t, l, 1, "ada")
		q.Term = 99 // must be looked up
		for _, tt := range []struct {
			took time.Duration
			want replica.Outcome
		}{{0, replica.Accept}, {400 * time.Millisecond, replica.Undecided}} {
			store.Hook(func(s *revlogtest.Hooks) {
				s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
					a, err := s.Store.Confirm(ctx, q)
					a.Heartbeat = within - 300*time.Millisecond
					time.Sleep(tt.took)
					return a, err
				}
			})
			if d := verdict(t, l, q); d.Outcome != tt.want {
				t.Errorf("an answer that took %v: %v, want %v", tt.took, d.Outcome, tt.want)
			}
			q.Session[0]++
			q = &replica.Query{Session: q.Session, Subject: q.Subject, Keys: q.Keys, Epoch: q.Epoch, Checked: q.Checked, Term: q.Term}
		}
	})
}

// R5: Options.Before is compared with log time. If the clock of this machine differs from it, the
// receipt says so.
func TestR5BeforeSaysThatClocksDiffer(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		l := open(t, store)
		time.Sleep(time.Minute)
		at := time.Now().Add(-time.Second)
		if r, err := l.Revoke(t.Context(), revocation.Subject("eve"), revocation.Options{Before: at}); err != nil || r.Ahead != 0 {
			t.Errorf("with equal clocks: %+v, %v", r, err)
		}
		leap(t, store, 14*time.Minute)
		time.Sleep(time.Second)
		session := login(t, l, 1, "ada")
		r, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Before: time.Now()})
		if d := verdict(t, l, session); err != nil || d.Outcome != replica.Accept {
			t.Fatalf("Decide = %v, %v", d.Outcome, err)
		}
		if r.Ahead < 13*time.Minute || r.Ahead > 14*time.Minute {
			t.Errorf("a session is not revoked, and the receipt says that log time is %v ahead", r.Ahead)
		}
		_, err = l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Before: time.Now().Add(time.Hour)})
		if !errors.Is(err, revocation.ErrFuture) || !strings.Contains(err.Error(), "log time is 2000-01-01T00:1") {
			t.Errorf("past log time: %v", err)
		}
	})
}

// R27: a session was checked in a list whose log time was hours ahead. The list that took its place
// has taken an end of the session since, and forgotten it because its own clock jumped. Its "not
// revoked" means nothing then, although the session was last checked a moment ago by that log time.
func TestR27CheckedInAnotherListAheadOfThisOne(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ahead, store := revlog.NewMemory(), revlog.NewMemory()
		jumped := func() time.Time { return time.Now().Add(5 * time.Hour) }
		ahead.SetClock(jumped)
		short := revocation.Config{MaxIdle: time.Hour}
		q := login(t, openWith(t, ahead, short), 1, "ada")
		l := openWith(t, store, short)
		revoke(t, l, revocation.Session(sid(1)))
		time.Sleep(time.Minute)
		store.SetClock(jumped)
		time.Sleep(time.Minute)
		revoke(t, l, revocation.Subject("bob")) // with a write, the store forgets
		booted := openWith(t, store, short)
		time.Sleep(time.Second)
		if v := verdict(t, booted, q); v.Outcome != replica.Refuse || v.Reason != replica.ListLost {
			t.Errorf("decided by %v (%v)", v.Outcome, v.Reason)
		}
	})
}
