package revocation_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// R17: a store is emptied several times, before sessions are checked again or long after. Sessions
// that a running replica knows stay logged in, and revoked sessions stay refused.
func TestR17LostAgainAndAgain(t *testing.T) {
	for _, between := range []time.Duration{300 * time.Millisecond, time.Second, 5 * time.Second, 5 * time.Minute} {
		for _, times := range []int{1, 2, 5} {
			t.Run(fmt.Sprint(times, " times, ", between), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					store := script()
					l := open(t, store)
					alive, gone := login(t, l, 1, "ada"), login(t, l, 2, "ada")
					time.Sleep(time.Second)
					revoke(t, l, revocation.Session(sid(2)))
					time.Sleep(time.Minute)
					for range times {
						store.flush()
						time.Sleep(between)
						if v := verdict(t, l, gone); v.Outcome == replica.Accept {
							t.Error("a revoked session was accepted")
						}
					}
					wantVerdict(t, "alive", verdict(t, l, alive), replica.Accept, replica.None)
					time.Sleep(2 * time.Minute)
					wantVerdict(t, "alive, later", verdict(t, l, alive), replica.Accept, replica.None)
					if v := verdict(t, l, gone); v.Outcome != replica.Refuse {
						t.Errorf("the revoked session: %v %v", v.Outcome, v.Reason)
					}
				})
			})
		}
	}
}

// R17: a kept window decides no longer once another list was lost of which this replica does not
// know everything.
func TestR17AGapBetweenTwoLossesIsNotSkipped(t *testing.T) {
	for _, tt := range []struct {
		name string
		gap  func(*testing.T, scripted, *revocation.List)
		want replica.Outcome // a minute after the second loss
	}{
		{"no gap", func(*testing.T, scripted, *revocation.List) {}, replica.Accept},
		{"revoked in bulk", func(t *testing.T, _ scripted, l *revocation.List) {
			if _, err := l.RevokeMany(t.Context(), slices.Values([]revocation.Target{revocation.Session(sid(1))}), nil); err != nil {
				t.Fatal(err)
			}
		}, replica.Refuse},
		{"an entry that cannot be read", func(t *testing.T, store scripted, l *revocation.List) {
			forged(t, store, revlog.Assertion{Scope: revlog.ScopeSession, Tag: l.Tag(revocation.Session(sid(1))), Version: 0x22, Effect: revlog.End.Byte()})
		}, replica.Refuse},
		{"trimmed", func(t *testing.T, store scripted, l *revocation.List) {
			there := open(t, store.Unwrap())
			revoke(t, there, revocation.Session(sid(7)))
			time.Sleep(within)
			store.silence()
			revoke(t, there, revocation.Session(sid(8)))
			time.Sleep(time.Second)
			revoke(t, there, revocation.Session(sid(9)))
			if err := there.Close(); err != nil {
				t.Error(err)
			}
			store.Recover()
			store.Hook(func(h *revlogtest.Hooks) { h.Read = trimmedTo(h.Store, 3) })
		}, replica.Refuse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				q := login(t, l, 1, "ada")
				time.Sleep(time.Minute)
				store.flush()
				time.Sleep(2 * within)
				wantVerdict(t, "after the first loss", verdict(t, l, new(*q)), replica.Accept, replica.None)
				tt.gap(t, store, l)
				time.Sleep(2 * within)
				store.Recover()
				store.flush()
				time.Sleep(time.Minute + within)
				if v := verdict(t, l, q); v.Outcome != tt.want {
					t.Errorf("after the second one: %v (%v), want %v", v.Outcome, v.Reason, tt.want)
				}
			})
		})
	}
}

// R17: nor does it if that list was lost before this replica joined it, and by its clock the bulk
// revocation there is from before the loss.
func TestR17AGapBeforeThisReplicaCameIsNotSkipped(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Minute)
		behind := revlog.NewMemory()
		behind.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
		there := open(t, behind)
		if _, err := there.RevokeMany(t.Context(), slices.Values([]revocation.Target{revocation.Session(sid(1))}), nil); err != nil {
			t.Fatal(err)
		}
		if err := there.Close(); err != nil {
			t.Error(err)
		}
		store.Replace(behind)
		time.Sleep(2 * within)
		store.flush()
		time.Sleep(time.Minute + within)
		wantVerdict(t, "after the second loss", verdict(t, l, q), replica.Refuse, replica.ListLost)
	})
}

// R26: entries that were written back after one loss are written back after the next ones too, so a
// replica that boots finds them in the store. They are not forgotten if another replica had read
// further in the lost list.
func TestR26WhatWasWrittenBackIsWrittenBackAgain(t *testing.T) {
	for _, further := range []bool{false, true} {
		bubble.Test(t, func(t *testing.T) {
			store := script()
			l := open(t, store)
			gone := login(t, l, 2, "ada")
			time.Sleep(time.Second)
			revoke(t, l, revocation.Session(sid(2)))
			time.Sleep(time.Minute)
			for i := range 4 {
				store.flush()
				time.Sleep(time.Minute)
				booted := openWith(t, store, revocation.Config{})
				wantVerdict(t, fmt.Sprint("at a replica that booted after loss ", i+1), verdict(t, booted, gone), replica.Refuse, replica.RevokedSession)
				if err := booted.Close(); err != nil {
					t.Error(err)
				}
				if further {
					tellKnown(t, store, 77)
					time.Sleep(time.Second)
				}
			}
		})
	}
}

// R26: a store that comes back with an older list held some entries all the time. A replica does
// not conclude from them that another replica has written back the rest.
func TestR26AnOlderListThatComesBackLacksTheRest(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		first, second := login(t, l, 1, "ada"), login(t, l, 2, "bob")
		time.Sleep(time.Second)
		revoke(t, l, revocation.Session(sid(1)))
		time.Sleep(time.Minute)
		old := snapshot(t, store)
		revoke(t, l, revocation.Session(sid(2)))
		time.Sleep(time.Minute)
		store.flush()
		time.Sleep(time.Minute)
		store.Replace(old)
		time.Sleep(time.Minute)
		booted := open(t, store)
		for name, q := range map[string]*replica.Query{"first": first, "second": second} {
			wantVerdict(t, "at a replica that booted, the "+name, verdict(t, booted, q), replica.Refuse, replica.RevokedSession)
		}
	})
}

// R26: nor from an entry that is there because it was revoked again after the loss.
func TestR26WhatIsRevokedAgainIsNotTheRest(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 200, "ada")
		revokeEach(t, l, 1000, 7)
		time.Sleep(time.Minute)
		before, _ := entries(t, store)
		anew := revlog.NewMemory()
		store.Replace(anew)
		store.Hook(func(h *revlogtest.Hooks) {
			h.Create = func(ctx context.Context, o revlog.CreateOptions) (revlog.Head, error) {
				head, err := anew.Create(ctx, o)
				if err == nil {
					_, err = anew.Write(ctx, revlog.Append{List: head.ID, Assertions: []revlog.Assertion{before[1].Again()}})
				}
				return head, err
			}
		})
		time.Sleep(time.Minute)
		store.Recover()
		refusedBy(t, map[string]*revocation.List{"booted": open(t, store)}, q, 1000, 7)
	})
}

// R26: a store is emptied, and the first replica that follows the new list was cut off before. It
// asks the store about a session and renews it, although another replica, still cut off, has read
// its revocation. When that replica is back, no replica accepts the renewed token. The entries that
// it brings go into the log, whatever their age. If it does not have them exactly, every check made
// meanwhile is in doubt.
func TestR26WhatTheFirstToReturnHadNotRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before time.Duration // from the revocation to the loss
		losses int
		want   replica.Outcome
	}{
		{"a minute ago", time.Minute, 1, replica.Refuse},
		{"lost again", time.Minute, 2, replica.Refuse},
		{"beyond the recent entries", 12 * time.Minute, 1, replica.Undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				first, second := scriptedOver(store), scriptedOver(store)
				behind, ahead := open(t, first), open(t, second)
				q := login(t, behind, 1, "ada")
				time.Sleep(time.Minute)
				first.silence()
				revoke(t, ahead, revocation.Session(sid(1)))
				time.Sleep(tt.before)
				second.silence()
				store.flush()
				first.Recover()
				for range tt.losses - 1 {
					time.Sleep(time.Minute)
					store.flush()
				}
				time.Sleep(3 * within)
				v := verdict(t, behind, q)
				wantVerdict(t, "before any replica notices", v, replica.Accept, replica.None)
				if !v.Renew {
					t.Fatal("not renewed: this test shows nothing")
				}
				renewed := *q
				renewed.Checked, renewed.Term = v.Checked, v.Term
				time.Sleep(time.Minute)

				second.Recover()
				time.Sleep(within)
				for name, l := range map[string]*revocation.List{"behind": behind, "ahead": ahead, "booted": open(t, store)} {
					if v := verdict(t, l, &renewed); v.Outcome != tt.want {
						t.Errorf("%s: %v, want %v", name, v.Outcome, tt.want)
					}
				}
			})
		})
	}
}

// R17: a replica reads a new list from its beginning, although the list says by then that it is
// complete from a later time on. Otherwise its window lacks what the new list took first, and
// answers for it after another loss.
func TestR17ANewListIsReadFromItsBeginning(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		near := scriptedOver(store)
		here, there := open(t, near), open(t, store)
		q := login(t, here, 3, "ada")
		time.Sleep(time.Second)
		near.silence()
		store.flush()
		time.Sleep(within)
		revoke(t, there, revocation.Session(sid(3)))
		time.Sleep(time.Second)
		h, err := store.Create(t.Context(), revlog.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		raise := revlog.Repair{List: h.ID, Known: h.Known, KnownTerm: h.KnownTerm, Born: h.MS + within.Milliseconds()}
		if _, err := store.Write(t.Context(), raise); err != nil {
			t.Fatal(err)
		}
		near.Recover()
		time.Sleep(20 * time.Minute) // no replica holds the entry itself any more
		store.flush()
		time.Sleep(2 * within)
		if v := verdict(t, here, q); v.Outcome == replica.Accept {
			t.Errorf("accepted: %+v", v)
		}
	})
}
