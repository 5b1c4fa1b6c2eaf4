package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// replicated makes n replicas of the store hold what is written.
func (s scripted) replicated(n int) {
	s.Hook(func(s *revlogtest.Hooks) {
		in := s.Store
		s.Write = func(ctx context.Context, b revlog.Write) (revlog.Written, error) {
			w, err := in.Write(ctx, b)
			w.Replicas = min(n, ackOf(b).Replicas)
			return w, err
		}
	})
}

func ackOf(w revlog.Write) revlog.Ack {
	switch w := w.(type) {
	case revlog.Append:
		return w.Ack
	case revlog.Succession:
		return w.Ack
	case revlog.Bulk:
		return w.Ack
	}
	return revlog.Ack{}
}

// R7, R20: if Revoke returns no error, the revocation is acknowledged as Config.Ack says, the
// second time like the first. Until then it stays in the outbox.
func TestR20SuccessMeansAcknowledgedTheSecondTimeToo(t *testing.T) {
	for _, target := range []revocation.Target{
		revocation.Session(sid1), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Key("kid-one"), revocation.Everyone(),
	} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				store.replicated(1)
				l := openWith(t, store, revocation.Config{Ack: revlog.Ack{Replicas: 1}})
				again := func(when string) {
					t.Helper()
					for range 3 {
						if r, err := l.Revoke(t.Context(), target, revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
							t.Fatalf("%s: Revoke = %+v, %v", when, r, err)
						}
						time.Sleep(time.Second)
					}
					if n := l.Stats().Outbox; n != 1 {
						t.Errorf("%s: Outbox = %d", when, n)
					}
				}
				store.silence()
				again("the store is silent")
				store.Recover()
				store.replicated(0)
				again("the store has it, but no replica of the store")
				if err := l.Close(); !errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("Close = %v", err)
				}

				l = openWith(t, store, revocation.Config{Ack: revlog.Ack{Replicas: 1}})
				again("another process repeats it")
				store.replicated(1)
				time.Sleep(time.Second)
				if n := l.Stats().Outbox; n != 0 {
					t.Errorf("Outbox = %d, with a replica of the store", n)
				}
				if r, err := l.Revoke(t.Context(), target, revocation.Options{}); err != nil || r.Replicas != 1 {
					t.Errorf("with a replica of the store: Revoke = %+v, %v", r, err)
				}
			})
		})
	}
}

// A waiting revocation that is made again with lower values keeps the higher ones.
func TestR20ASecondRevocationTakesNothingAway(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		store.Hook(func(s *revlogtest.Hooks) {
			s.Write = func(context.Context, revlog.Write) (revlog.Written, error) {
				return revlog.Written{}, errSilent
			}
		})
		until := time.Now().Add(1000 * time.Hour)
		if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Until: until}); err == nil {
			t.Fatal("Revoke returned no error although the store is silent")
		}
		store.Recover()
		revoke(t, l, revocation.Subject("ada"))
		log, _ := entries(t, store)
		if got := log[len(log)-1].Until; got != until.UnixMilli() {
			t.Errorf("remembered for %v less than the first call asked for", until.Sub(time.UnixMilli(got)))
		}
	})
}

// R20: an account that signs in and out while the store is silent takes only a few places in the
// outbox. One more logout revokes all its sessions instead.
func TestR20OneSubjectDoesNotFillTheOutbox(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		first, late := login(t, here, 1, "mallory"), login(t, here, 2, "mallory")
		victim := login(t, here, 3, "ada")
		store.silence()
		mallory := revocation.Options{Subject: "mallory"}
		for n := range 64 {
			here.Revoke(t.Context(), revocation.Session(sid(1000+n)), mallory)
		}
		wantVerdict(t, "after 64", here.Replica().Decide(first), replica.Accept, replica.None)
		if n := here.Stats().Outbox; n != 64 {
			t.Errorf("Outbox = %d after 64", n)
		}
		for n := range 5000 {
			if _, err := here.Revoke(t.Context(), revocation.Session(sid(2000+n)), mallory); !errors.Is(err, revocation.ErrUnavailable) || errors.Is(err, revocation.ErrOutboxFull) {
				t.Fatalf("Revoke = %v", err)
			}
		}
		if n := here.Stats().Outbox; n != 65 {
			t.Errorf("Outbox = %d after many", n)
		}
		wantVerdict(t, "every session of that subject", here.Replica().Decide(first), replica.Refuse, replica.RevokedSubject)
		victim.Session = [16]byte{15: 3}
		if _, err := here.Revoke(t.Context(), revocation.Session(sid(3)), revocation.Options{Subject: "ada"}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatalf("Revoke = %v", err)
		}
		wantVerdict(t, "the logout of another subject", here.Replica().Decide(victim), replica.Refuse, replica.RevokedSession)

		store.Recover()
		time.Sleep(within)
		wantVerdict(t, "there, every session of that subject", verdict(t, there, late), replica.Refuse, replica.RevokedSubject)
		wantVerdict(t, "there, another subject", verdict(t, there, victim), replica.Refuse, replica.RevokedSession)
		again := login(t, here, 4, "mallory")
		for n := range 100 { // the places are free again
			here.Revoke(t.Context(), revocation.Session(sid(1<<20+n)), mallory)
		}
		time.Sleep(within)
		wantVerdict(t, "with a store that answers, sessions end one by one", verdict(t, there, again), replica.Accept, replica.None)
	})
}

// R20: revocations on their way to a store that answers do not count as waiting, however many there
// are at once. A revocation that waits already takes no second place.
func TestR20OnlyWhatWaitsIsCounted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		last := login(t, l, 1, "demo")
		demo := revocation.Options{Subject: "demo"}
		store.Hook(func(s *revlogtest.Hooks) {
			in := s.Store
			s.Write = func(ctx context.Context, b revlog.Write) (revlog.Written, error) {
				time.Sleep(100 * time.Millisecond)
				return in.Write(ctx, b)
			}
		})
		var all sync.WaitGroup
		for n := range 500 {
			all.Go(func() {
				if _, err := l.Revoke(t.Context(), revocation.Session(sid(1000+n)), demo); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		wantVerdict(t, "after 500 at once", verdict(t, l, last), replica.Accept, replica.None)
		store.silence()
		for range 2 {
			for n := range 64 {
				l.Revoke(t.Context(), revocation.Session(sid(2000+n)), demo)
			}
		}
		wantVerdict(t, "after 64, twice", l.Replica().Decide(last), replica.Accept, replica.None)
		demo.Before = time.Now().Add(-time.Hour) // which means nothing for a session
		l.Revoke(t.Context(), revocation.Session(sid(3000)), demo)
		wantVerdict(t, "after one more", l.Replica().Decide(last), replica.Refuse, replica.RevokedSubject)
	})
}

// R20: a revocation for which the outbox has no room fails and does nothing, unless the store takes
// it at once.
func TestR20AFullOutboxSaysSo(t *testing.T) {
	if racing {
		t.Skip("65,536 revocations, one after the other: no concurrency to check under the race detector")
	}
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		lost, taken := login(t, here, 1, "ada"), login(t, here, 2, "bob")
		store.silence()
		for n := range 1 << 16 {
			here.Revoke(t.Context(), revocation.Subject(fmt.Sprint("user ", n)), revocation.Options{})
		}
		_, err := here.Revoke(t.Context(), revocation.Session(sid(1)), revocation.Options{})
		if !errors.Is(err, revocation.ErrOutboxFull) || !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Revoke = %v", err)
		}
		if s := here.Stats(); s.Full != 1 || s.Outbox != 1<<16 {
			t.Errorf("Full = %d, Outbox = %d", s.Full, s.Outbox)
		}
		wantVerdict(t, "the one that failed", here.Replica().Decide(lost), replica.Accept, replica.None)
		store.Recover()
		if r, err := here.Revoke(t.Context(), revocation.Session(sid(2)), revocation.Options{}); err != nil || !r.Changed {
			t.Errorf("with a store that answers: Revoke = %+v, %v", r, err)
		}
		wantVerdict(t, "here, at once", here.Replica().Decide(taken), replica.Refuse, replica.RevokedSession)
		time.Sleep(20 * time.Second)
		wantVerdict(t, "there", verdict(t, there, taken), replica.Refuse, replica.RevokedSession)
		if n := here.Stats().Outbox; n != 0 {
			t.Errorf("Outbox = %d when the store is back", n)
		}
	})
}

// R20: after a bulk that did not finish, replicas know none of its revocations. If one of them is
// revoked again without an error, every replica must learn of it.
func TestR20ARevocationOfAnUnfinishedBulkMakesAnEntry(t *testing.T) {
	for name, target := range map[string]revocation.Target{
		"session": revocation.Session(sid1), "subject": revocation.Subject("ada"), "group": revocation.Group("tenant:7"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				bulk, here, there := open(t, store), open(t, store), open(t, store)
				q := login(t, here, 1, "ada", "tenant:7")
				time.Sleep(5 * time.Second)
				before := time.Now()
				store.Hook(func(s *revlogtest.Hooks) {
					in := s.Store
					s.Write = func(ctx context.Context, b revlog.Write) (revlog.Written, error) {
						if w, ok := b.(revlog.Bulk); ok && w.Recheck {
							return revlog.Written{}, errSilent
						}
						return in.Write(ctx, b)
					}
				})
				one := func(yield func(revocation.Target) bool) { yield(target) }
				if _, err := bulk.RevokeMany(t.Context(), one, nil); !errors.Is(err, revocation.ErrUnavailable) {
					t.Fatalf("RevokeMany = %v", err)
				}
				time.Sleep(5 * time.Second)
				wantVerdict(t, "there, before any replica knows", verdict(t, there, q), replica.Accept, replica.None)
				o := revocation.Options{}
				if target.Scope() != revlog.ScopeSession {
					o.Before = before
				}
				if _, err := here.Revoke(t.Context(), target, o); err != nil {
					t.Fatal(err)
				}
				time.Sleep(within)
				if v := verdict(t, there, q); v.Outcome != replica.Refuse {
					t.Errorf("there: %v %v", v.Outcome, v.Reason)
				}
			})
		})
	}
}
