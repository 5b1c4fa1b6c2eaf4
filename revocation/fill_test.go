package revocation_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// longLog returns a store whose log holds three revocations a minute of the last
// forty, the sessions 1 to 120, and a session that was last checked when it began.
func longLog(t *testing.T) (scripted, *replica.Query) {
	t.Helper()
	s := script()
	l := open(t, s)
	q := login(t, l, 200, "ada")
	for i := range 120 {
		time.Sleep(20 * time.Second)
		revoke(t, l, revocation.Session(sid(i+1)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return s, q
}

// session returns q with another session id.
func session(q *replica.Query, n byte) *replica.Query {
	return &replica.Query{
		Session: [16]byte{15: n}, Subject: q.Subject, GroupTags: q.GroupTags, Groups: q.Groups, Keys: q.Keys,
		Epoch: q.Epoch, Checked: q.Checked, Term: q.Term,
	}
}

func TestR15TheOlderLogIsFilledIn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, q := longLog(t)
		l := open(t, store)
		if w := l.Stats().Window; w > 11*time.Minute {
			t.Fatalf("Window = %v at once: this test shows nothing", w)
		}
		if v := l.Replica().Decide(q); v.Outcome != replica.Ask {
			t.Fatalf("before: %v", v.Outcome)
		}
		time.Sleep(time.Second)
		if w := l.Stats().Window; w < 40*time.Minute {
			t.Errorf("Window = %v, want all of the log", w)
		}
		if n := l.Stats().Entries; n != 120 {
			t.Errorf("Entries = %d, want 120, each once", n)
		}
		wantVerdict(t, "checked before the whole log", l.Replica().Decide(q), replica.Accept, replica.None)
		for i := range 120 {
			if v := verdict(t, l, session(q, byte(i+1))); v.Outcome != replica.Refuse {
				t.Fatalf("session %d: %v", i+1, v.Outcome)
			}
		}
	})
}

// R15: a store that many replicas read at once answers each of them slowly. A replica is ready
// after a second even so, with the part of the log that it has read by then.
func TestR15ReadyAfterASecond(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, q := longLog(t)
		first := open(t, store)
		recent := login(t, first, 201, "bob")
		for i := range 100 {
			revoke(t, first, revocation.Session(sid(1000+i)))
			time.Sleep(2 * time.Second)
		}
		first.Close()
		store.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				time.Sleep(150 * time.Millisecond)
				c.Limit = min(c.Limit, 10)
				return s.Store.Read(ctx, c)
			}
		})
		began := time.Now()
		l := open(t, store)
		if took := time.Since(began); took < 500*time.Millisecond || took > 1500*time.Millisecond {
			t.Errorf("ready after %v", took)
		}
		if w := l.Stats().Window; w < within || w > time.Minute {
			t.Errorf("Window = %v", w)
		}
		if v := l.Replica().Decide(recent); v.Outcome != replica.Ask {
			t.Errorf("checked before the part that it has read: %v", v.Outcome)
		}
		wantVerdict(t, "by a question to the store", verdict(t, l, recent), replica.Accept, replica.None)
		time.Sleep(10 * time.Second)
		wantVerdict(t, "once the recent entries are read", l.Replica().Decide(recent), replica.Accept, replica.None)
		time.Sleep(30 * time.Second)
		wantVerdict(t, "once the whole log is read", l.Replica().Decide(q), replica.Accept, replica.None)
	})
}

// R15: entries that a replica fills in are kept exactly if they are recent. The replica refuses by
// them without a question, and writes them back to a store that lost them.
func TestR15RecentEntriesAreKnownExactly(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(*testing.T, *revocation.List) // happens before they are read
	}{
		{"nothing since", func(*testing.T, *revocation.List) {}},
		{"more since", func(t *testing.T, l *revocation.List) { revoke(t, l, revocation.Session(sid(300))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				first := open(t, store)
				q := login(t, first, 1, "ada")
				revoke(t, first, revocation.Session(sid(1)))
				time.Sleep(time.Minute)
				first.Close()
				var slow atomic.Bool
				slow.Store(true)
				store.Hook(func(s *revlogtest.Hooks) {
					s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
						if slow.Load() && c.Limit < 10_000 {
							return revlog.Page{}, errSilent
						}
						return s.Store.Read(ctx, c)
					}
				})
				l := open(t, store)
				tt.then(t, l)
				time.Sleep(time.Second)
				if v := l.Replica().Decide(q); v.Outcome != replica.Ask {
					t.Fatalf("before: %v", v.Outcome)
				}
				slow.Store(false)
				time.Sleep(time.Second)
				wantVerdict(t, "after", l.Replica().Decide(q), replica.Refuse, replica.RevokedSession)
				store.flush()
				time.Sleep(10 * time.Second)
				there := open(t, store.Unwrap())
				wantVerdict(t, "at another replica, after they were written back", verdict(t, there, q), replica.Refuse, replica.RevokedSession)
			})
		})
	}
}

// R15: a global entry in the recent part of the log counts, even if the store has lost it
// elsewhere.
func TestR15GlobalEntriesOfTheLogCount(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		first := open(t, store)
		q := login(t, first, 1, "ada")
		revoke(t, first, revocation.Everyone())
		time.Sleep(time.Minute)
		store.Hook(func(h *revlogtest.Hooks) {
			h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := h.Store.Read(ctx, c)
				p.Globals = nil
				return p, err
			}
		})
		l := open(t, store)
		wantVerdict(t, "at once", l.Replica().Decide(q), replica.Refuse, replica.RevokedEveryone)
	})
}

func TestR15FillingGoesOnPastWhatHasNoEntries(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(*testing.T, *revocation.List)
	}{
		{"no entries at all", func(*testing.T, *revocation.List) {}},
		{"only entries older than the window may reach", func(t *testing.T, l *revocation.List) {
			revoke(t, l, revocation.Session(sid(1)))
			time.Sleep(40 * time.Minute)
		}},
		{"only entries older than the first part", func(t *testing.T, l *revocation.List) { revoke(t, l, revocation.Session(sid(1))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store, short := script(), revocation.Config{MaxIdle: 30 * time.Minute, Grace: time.Minute}
				first := openWith(t, store, short)
				tt.before(t, first)
				q := login(t, first, 2, "ada")
				time.Sleep(25 * time.Minute)
				l := openWith(t, store, short)
				if v := l.Replica().Decide(q); v.Outcome != replica.Ask {
					t.Fatalf("before: %v", v.Outcome)
				}
				time.Sleep(time.Second)
				wantVerdict(t, "last checked 25 minutes ago", l.Replica().Decide(q), replica.Accept, replica.None)
			})
		})
	}
}

// R15: a replica does not treat a part of the log that a page skipped as read.
func TestR15AGapEndsTheFilling(t *testing.T) {
	for _, tt := range []struct {
		name string
		page func(revlog.Page) revlog.Page
	}{
		{"one entry is missing", func(p revlog.Page) revlog.Page {
			p.Entries = append(p.Entries[:30:30], p.Entries[31:]...)
			return p
		}},
		{"the last ones are missing", func(p revlog.Page) revlog.Page {
			p.Entries, p.More = p.Entries[:20], false
			return p
		}},
		{"the whole log was trimmed meanwhile", func(p revlog.Page) revlog.Page {
			p.Entries, p.Oldest = nil, revlog.Position{}
			return p
		}},
		{"all but the newest was trimmed meanwhile", func(p revlog.Page) revlog.Page {
			p.Entries = p.Entries[len(p.Entries)-1:]
			p.Oldest = p.Entries[0].Position
			return p
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store, q := longLog(t)
				store.Hook(func(s *revlogtest.Hooks) {
					s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
						p, err := s.Store.Read(ctx, c)
						if err == nil && len(p.Entries) > 60 {
							p = tt.page(p)
						}
						return p, err
					}
				})
				l := open(t, store)
				short := l.Stats().Window
				time.Sleep(time.Second)
				if w := l.Stats().Window; w < short || w > 11*time.Minute {
					t.Errorf("Window = %v, was %v", w, short)
				}
				q = session(q, 25)
				if v := l.Replica().Decide(q); v.Outcome != replica.Ask {
					t.Errorf("Decide = %v, want ask", v.Outcome)
				}
				wantVerdict(t, "revoked before the gap", l.Replica().Confirm(t.Context(), q), replica.Refuse, replica.RevokedSession)
			})
		})
	}
}

func TestR15FillingTakesManyPages(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, q := longLog(t)
		var reads atomic.Int64
		store.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				reads.Add(1)
				c.Limit = 7
				return s.Store.Read(ctx, c)
			}
		})
		l := open(t, store)
		revoke(t, l, revocation.Session(sid(121))) // the log grows while older entries are filled in
		time.Sleep(10 * time.Second)
		if n := reads.Load(); n < 120/7 {
			t.Errorf("%d reads: this test shows nothing", n)
		}
		if n := l.Stats().Entries; n != 121 {
			t.Errorf("Entries = %d, want 121", n)
		}
		wantVerdict(t, "checked before the whole log", l.Replica().Decide(q), replica.Accept, replica.None)
	})
}

// R12: once an unreadable entry has moved the window start, filling in older entries does not move
// it back.
func TestR12FillingDoesNotUncoverAForgery(t *testing.T) {
	for _, when := range []string{"before boot", "after boot"} {
		t.Run(when, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store, q := longLog(t)
				victim := session(q, 199)
				forge := func() {
					// A real revocation in the form of a later version, which this replica cannot
					// read.
					c := open(t, revlog.NewMemory())
					forged(t, store.Unwrap(), revlog.Assertion{Scope: revlog.ScopeSession, Tag: c.Tag(revocation.Session(sid(199))), W: revlog.Forever, Version: 9, Effect: revlog.End.Byte()})
				}
				if when == "before boot" {
					forge()
					time.Sleep(time.Minute)
				}
				var slow atomic.Bool
				store.Hook(func(s *revlogtest.Hooks) {
					s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
						if slow.Load() {
							c.Limit = 1 // a piece of 50 ms holds few of these
							time.Sleep(20 * time.Millisecond)
						}
						return s.Store.Read(ctx, c)
					}
				})
				l := open(t, store)
				if when == "after boot" {
					slow.Store(true)
					time.Sleep(time.Second)
					forge()
					time.Sleep(time.Second)
					slow.Store(false)
				}
				time.Sleep(time.Minute)
				if n := l.Stats().Anomalies["forged"]; n == 0 {
					t.Fatal("the replica noticed no forgery")
				}
				if v := l.Replica().Decide(victim); v.Outcome != replica.Ask {
					t.Errorf("Decide = %v with a window of %v, want ask", v.Outcome, l.Stats().Window)
				}
				wantVerdict(t, "by the exact set", l.Replica().Confirm(t.Context(), victim), replica.Undecided, replica.Silent)
			})
		})
	}
}

func TestRevokedAsksForOneScopeOnly(t *testing.T) {
	targets := []revocation.Target{
		revocation.Session(sid(1)), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Key("k"), revocation.Everyone(),
	}
	for i, target := range targets {
		t.Run(fmt.Sprint(target.Scope()), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				l := open(t, revlog.NewMemory())
				time.Sleep(time.Minute)
				revoke(t, l, target)
				time.Sleep(time.Second)
				for j, other := range targets {
					since, ok, err := l.Revoked(t.Context(), other)
					if err != nil || ok != (i == j) {
						t.Errorf("Revoked(%v) = %v, %v", other.Scope(), ok, err)
					}
					whenever := other.Scope() == revlog.ScopeSession || other.Scope() == revlog.ScopeKey
					if ok && since.IsZero() != whenever {
						t.Errorf("Revoked(%v) since %v", other.Scope(), since)
					}
				}
			})
		})
	}
}
