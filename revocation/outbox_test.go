package revocation_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func sid(n int) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func TestR20ARevocationIsRefusedAtOnceWhateverTheStoreDoes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target revocation.Target
		want   replica.Reason
	}{
		{"session", revocation.Session(sid(1)), replica.RevokedSession},
		{"subject", revocation.Subject("ada"), replica.RevokedSubject},
		{"group", revocation.Group("tenant:7"), replica.RevokedGroup},
		{"key", revocation.Key("kid-one"), replica.RevokedKey},
		{"everyone", revocation.Everyone(), replica.RevokedEveryone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store)
				q := login(t, here, 1, "ada", "tenant:7")
				store.silence()
				if _, err := here.Revoke(t.Context(), tt.target, revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
					t.Fatalf("Revoke = %v", err)
				}
				wantVerdict(t, "here, at once", here.Replica().Decide(q), replica.Refuse, tt.want)
				if n := here.Stats().Outbox; n != 1 {
					t.Errorf("Outbox = %d, want 1", n)
				}
				time.Sleep(grace + time.Minute)
				wantVerdict(t, "here, after G", here.Replica().Decide(q), replica.Refuse, tt.want)

				store.Recover()
				time.Sleep(time.Second)
				if n := here.Stats().Outbox; n != 0 {
					t.Errorf("Outbox = %d, want 0 once the log shows it", n)
				}
				wantVerdict(t, "here, from the log", verdict(t, here, q), replica.Refuse, tt.want)
				wantVerdict(t, "there", verdict(t, there, q), replica.Refuse, tt.want)
			})
		})
	}
}

func TestR20ARetryNeverMovesW(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		old := login(t, there, 1, "ada")
		refuse := func(context.Context, revlog.Write) (revlog.Written, error) {
			return revlog.Written{}, errSilent
		}
		store.Hook(func(s *revlogtest.Hooks) { s.Write = refuse })
		if _, err := here.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err == nil {
			t.Fatal("Revoke returned no error although the store does not write")
		}
		time.Sleep(10 * time.Second) // longer than S, so "now" of the retry would apply to the new login
		later := login(t, there, 2, "ada")
		store.Recover()
		time.Sleep(time.Second)
		wantVerdict(t, "begun before", verdict(t, there, old), replica.Refuse, replica.RevokedSubject)
		wantVerdict(t, "begun after, there", verdict(t, there, later), replica.Accept, replica.None)
		wantVerdict(t, "begun after, here", verdict(t, here, later), replica.Accept, replica.None)
		batches := store.Writes()
		if last := batches[len(batches)-1].(revlog.Append).Assertions[0]; last.When != revlog.AsGiven {
			t.Errorf("the retry does not carry the first W: %+v", last)
		}
	})
}

// R3, R5: if log time stood still, as after a clock was set back, a revocation that is sent late
// moves it to its own time. Otherwise a session that begins after that W would be ahead of the next
// "now", and outlive it.
func TestR20ARetryBringsItsTimeAlong(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		time.Sleep(time.Second)
		still := time.Now().UnixMilli()
		store.silence()
		time.Sleep(time.Hour)
		if _, err := here.Revoke(t.Context(), revocation.Everyone(), revocation.Options{}); err == nil {
			t.Fatal("Revoke returned no error although the store is silent")
		}
		store.Recover()
		store.Hook(func(s *revlogtest.Hooks) {
			in := s.Store
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := in.Read(ctx, c)
				if p.Head.N == 0 {
					p.Head.MS = still
				}
				return p, err
			}
		})
		time.Sleep(within)
		batches := store.Writes()
		last := batches[len(batches)-1].(revlog.Append)
		if len(last.Assertions) != 1 || last.Assertions[0].Scope != revlog.ScopeEveryone {
			t.Fatalf("sent %+v", last)
		}
		if w := last.Assertions[0].W; last.Floor < w-within.Milliseconds() {
			t.Errorf("W = %d, but log time is moved only to %d", w, last.Floor)
		}
	})
}

// R20: a replica with slow reads must not overestimate log time. Otherwise it would refuse by a
// higher watermark than the one in the store.
func TestR20TheStoresWIsTheOneThatCounts(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		store.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				time.Sleep(400 * time.Millisecond) // on the way to the store
				return store.Unwrap().Read(ctx, c)
			}
		})
		l := open(t, store)
		time.Sleep(time.Second)
		for i := range 10 {
			time.Sleep(73 * time.Millisecond)
			revoke(t, l, revocation.Subject("ada"))
			q := login(t, l, 1, "ada")
			wantVerdict(t, "a login right after", verdict(t, l, q), replica.Accept, replica.None)
			if len(store.Writes()) > 2+i {
				t.Fatal("written again although it was acknowledged")
			}
		}
	})
}

// R5: a revocation of "now" applies to sessions that began elsewhere while this replica was cut
// off.
func TestR20NowIsNowAfterALongSilence(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here, there := open(t, store), open(t, shared)
		time.Sleep(time.Second)
		store.silence()
		time.Sleep(10 * time.Minute)
		thief := login(t, there, 1, "ada")
		time.Sleep(time.Minute)
		if _, err := here.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatalf("Revoke = %v", err)
		}
		wantVerdict(t, "here", here.Replica().Decide(thief), replica.Refuse, replica.RevokedSubject)
		store.Recover()
		time.Sleep(within)
		wantVerdict(t, "there", verdict(t, there, thief), replica.Refuse, replica.RevokedSubject)
		wantVerdict(t, "a login since", verdict(t, there, login(t, there, 2, "ada")), replica.Accept, replica.None)
	})
}

// R20: an acknowledged write can be lost with a primary. The replica that made it sends it again.
func TestR20ALostRevocationIsSentAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		q, other := login(t, here, 1, "ada"), login(t, here, 2, "bob")
		time.Sleep(time.Second)
		store.Hook(func(s *revlogtest.Hooks) { // a primary that dies before anybody read the write
			s.Write = func(ctx context.Context, b revlog.Write) (revlog.Written, error) {
				h, err := s.Store.Create(ctx, revlog.CreateOptions{})
				at := revlog.Position{MS: h.MS, N: h.N + 1}
				h.N++
				return revlog.Written{Head: h, Results: []revlog.Result{{Position: at, Changed: true, W: revlog.Forever}}}, err
			}
		})
		revoke(t, here, revocation.Session(sid(1)))
		store.Recover()
		revoke(t, there, revocation.Session(sid(2))) // takes the number of the lost entry
		time.Sleep(within)
		wantVerdict(t, "here", verdict(t, here, q), replica.Refuse, replica.RevokedSession)
		wantVerdict(t, "there", verdict(t, there, q), replica.Refuse, replica.RevokedSession)
		wantVerdict(t, "the other", verdict(t, here, other), replica.Refuse, replica.RevokedSession)
		if n := here.Stats().Outbox; n != 0 {
			t.Errorf("Outbox = %d", n)
		}
	})
}

// R20: if the view of the replica that made a revocation begins after its entry, only the outbox
// knows it when the store loses it.
func TestR20WhatAViewSkipsStaysInTheOutbox(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := scriptedOver(memory)
		here := openWith(t, store, revocation.Config{MaxIdle: 25 * time.Minute, Grace: 5 * time.Minute})
		login(t, here, 1, "ada")
		revoke(t, here, revocation.Session(sid(1)))
		time.Sleep(time.Second)
		before := memory.State()
		revoke(t, here, revocation.Session(sid(2)))
		time.Sleep(20 * time.Minute) // no recent entry shows where the logs part
		restart := func() {
			store.Replace(memoryOf(before))
		}
		restart()
		revoke(t, here, revocation.Session(sid(3)))
		time.Sleep(2 * within)
		restart()
		time.Sleep(2 * within)
		there := openWith(t, store, revocation.Config{MaxIdle: 25 * time.Minute, Grace: 5 * time.Minute})
		if _, revoked, err := there.Revoked(t.Context(), revocation.Session(sid(3))); !revoked || err != nil {
			t.Errorf("another replica: %v, %v", revoked, err)
		}
		time.Sleep(time.Hour)
		if n := here.Stats().Outbox; n != 0 {
			t.Errorf("Outbox = %d", n)
		}
	})
}

// R20: Close writes everything in the outbox, however much it is.
func TestR20CloseDrains(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		const many = 2500
		last := login(t, there, 0, "ada")
		store.silence()
		for i := range many {
			here.Revoke(t.Context(), revocation.Session(sid(i)), revocation.Options{})
		}
		store.Recover()
		if err := here.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		time.Sleep(within)
		binary.BigEndian.PutUint64(last.Session[8:], many-1)
		wantVerdict(t, "the last one", verdict(t, there, last), replica.Refuse, replica.RevokedSession)
		if _, err := here.Revoke(t.Context(), revocation.Everyone(), revocation.Options{}); !errors.Is(err, revocation.ErrClosed) {
			t.Errorf("Revoke after Close = %v", err)
		}
	})
}

// Close tries more than once, and follows a list that took the place of the one it knew.
func TestR20CloseSendsWhatWaitsOnceTheStoreReturns(t *testing.T) {
	for _, row := range []struct {
		name     string
		comeBack func(scripted)
	}{
		{"as it was", func(s scripted) { s.Recover() }},
		{"with nothing in it", func(s scripted) { s.flush(); s.Recover() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here := open(t, store)
				store.silence()
				here.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{})
				time.AfterFunc(within/2, func() { row.comeBack(store) })
				if err := here.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				if _, ok, err := open(t, store).Revoked(t.Context(), revocation.Subject("ada")); !ok || err != nil {
					t.Errorf("Revoked = %v, %v", ok, err)
				}
			})
		})
	}
}

func TestR20CloseSaysWhatIsLost(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		store.silence()
		l.Revoke(t.Context(), revocation.Everyone(), revocation.Options{})
		if err := l.Close(); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Close = %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("a second Close = %v", err)
		}
	})
}

func TestR20TheOutboxIsBounded(t *testing.T) {
	if racing {
		t.Skip("65,536 revocations, one after the other: no concurrency to check under the race detector")
	}
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		first := login(t, l, 0, "ada")
		store.silence()
		const limit = 1 << 16
		for i := range limit + 10 {
			if _, err := l.Revoke(t.Context(), revocation.Session(sid(i)), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
				t.Fatalf("Revoke = %v", err)
			}
		}
		if n := l.Stats().Outbox; n != limit {
			t.Errorf("Outbox = %d, want %d", n, limit)
		}
		first.Session = [16]byte{}
		wantVerdict(t, "the first one", l.Replica().Decide(first), replica.Refuse, replica.RevokedSession)
		if _, err := l.Revoke(t.Context(), revocation.Session(sid(3)), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("one that waits already: %v", err)
		}
		store.Recover()
		time.Sleep(20 * time.Second)
		if n := l.Stats().Outbox; n != 0 {
			t.Errorf("Outbox = %d when the store is back", n)
		}
	})
}

func TestR5BeforeTheFutureIsRefusedAndLeavesNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		q := login(t, l, 1, "ada")
		for _, ahead := range []time.Duration{time.Second, within + time.Second, 24 * 365 * time.Hour} {
			_, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Before: time.Now().Add(ahead)})
			if !errors.Is(err, revocation.ErrFuture) {
				t.Errorf("before %v ahead: %v", ahead, err)
			}
		}
		if n := l.Stats().Outbox; n != 0 {
			t.Errorf("Outbox = %d", n)
		}
		wantVerdict(t, "after all these errors", l.Replica().Decide(q), replica.Accept, replica.None)
		if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Before: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, "begun after Before", verdict(t, l, q), replica.Accept, replica.None)
	})
}
