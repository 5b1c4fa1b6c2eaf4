package revocation_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// busy writes n entries to the list in s.
func busy(t *testing.T, s revlog.Store, l *revocation.List, n int) {
	t.Helper()
	for i := range n {
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], uint64(i)|1<<60)
		if _, err := l.Revoke(t.Context(), revocation.Session(base64.RawURLEncoding.EncodeToString(id[:])), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestR34WaitUntilEveryReplicaRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		n, busy int
	}{{"alone", 1, 0}, {"forty", 40, 0}, {"three, beside a busy log", 3, 30_000}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				memory := revlog.NewMemory()
				all := crew(t, memory, tt.n, revocation.Config{})
				busy(t, memory, all[0], tt.busy)
				time.Sleep(time.Second)
				for i := range 10 {
					user := "user " + string(rune('a'+i))
					q := login(t, all[0], byte(i), user)
					r, err := all[i%tt.n].Revoke(t.Context(), revocation.Subject(user), revocation.Options{Wait: 5 * time.Second})
					if err != nil || r.Fleet != tt.n || len(r.Behind) > 0 {
						t.Fatalf("%+v, %v", r, err)
					}
					if r.Took <= 0 || r.Took > 500*time.Millisecond {
						t.Errorf("it took %v", r.Took)
					}
					for _, l := range all {
						c := *q
						if v := l.Replica().Decide(&c); v.Outcome != replica.Refuse {
							t.Errorf("a replica that was waited for: %v", v.Outcome)
						}
					}
				}
			})
		})
	}
}

// A call for a target that is revoked already waits as well.
func TestR34WaitForWhatWasRevokedBefore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		all := crew(t, memory, 3, revocation.Config{})
		revoke(t, all[0], revocation.Session(sid1))
		r, err := all[1].Revoke(t.Context(), revocation.Session(sid1), revocation.Options{Wait: 5 * time.Second})
		if err != nil || r.Changed || r.Fleet != 3 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestR34WhoHasNotConfirmedIsNamed(t *testing.T) {
	read := func(h *revlogtest.Hooks) { silenceReads(h) }
	for _, tt := range []struct {
		name  string
		fault func(f *revlogtest.Faulty, l *revocation.List)
		wait  time.Duration
		took  time.Duration // at most
		gone  bool          // it is not named
	}{
		{"it hangs", func(f *revlogtest.Faulty, _ *revocation.List) { f.Fail() }, 3 * time.Second, 3100 * time.Millisecond, false},
		{"it hangs for longer than it is registered", func(f *revlogtest.Faulty, _ *revocation.List) { f.Fail() }, time.Minute, 16 * time.Second, false},
		{"it asks the store and does not read", func(f *revlogtest.Faulty, _ *revocation.List) { f.Hook(read) }, 3 * time.Second, 3100 * time.Millisecond, false},
		{"it closes before", func(_ *revlogtest.Faulty, l *revocation.List) { l.Close() }, 3 * time.Second, 500 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				memory := revlog.NewMemory()
				faulty := revlogtest.NewFaulty(memory)
				all := crew(t, memory, 20, revocation.Config{})
				one := crew(t, faulty, 1, revocation.Config{})[0]
				time.Sleep(20 * time.Second) // a list that is new has no complete registry yet
				id := named(t, memory, all)
				tt.fault(faulty, one)
				begun := time.Now()
				r, err := all[0].Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Wait: tt.wait})
				if took := time.Since(begun); took > tt.took {
					t.Errorf("Revoke took %v", took)
				}
				if r.Position == "" || !r.Changed || r.Fleet != 20 {
					t.Errorf("%+v", r)
				}
				if tt.gone {
					if err != nil || len(r.Behind) > 0 {
						t.Errorf("%v, %+v", err, r.Behind)
					}
					return
				}
				if !errors.Is(err, revocation.ErrBehind) || !strings.Contains(err.Error(), id) || errors.Is(err, revocation.ErrUnavailable) {
					t.Errorf("%v, want one that names %s", err, id)
				}
				if len(r.Behind) != 1 || r.Behind[0].ID != id {
					t.Errorf("behind: %+v", r.Behind)
				}
			})
		})
	}
}

// named returns the id of the replica that memory knows and that is none of all.
func named(t *testing.T, memory *revlog.Memory, all []*revocation.List) (id string) {
	t.Helper()
	registered, _ := memory.Replicas(t.Context())
	for _, r := range registered {
		if !slices.ContainsFunc(all, func(l *revocation.List) bool { return l.Replica().ID() == r.ID }) {
			return r.ID
		}
	}
	t.Fatal("it is not registered")
	return ""
}

// A replica that boots while somebody waits is waited for, from before it first reads.
func TestR34ABootIsWaitedFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		first := crew(t, memory, 1, revocation.Config{})[0]
		slow := revlogtest.NewFaulty(memory)
		reading := make(chan struct{})
		slow.Hook(func(h *revlogtest.Hooks) {
			h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := memory.Read(ctx, c) // what it reads is from before the revocation
				select {
				case reading <- struct{}{}:
				default:
				}
				time.Sleep(400 * time.Millisecond)
				return p, err
			}
		})
		opened := make(chan *revocation.List)
		go func() { opened <- crew(t, slow, 1, revocation.Config{})[0] }()
		<-reading
		r, err := first.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Wait: 10 * time.Second})
		second := <-opened
		if err != nil || r.Fleet != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		q := &replica.Query{Session: [16]byte{1}, Subject: second.Tag(revocation.Subject("ada")), Epoch: 1}
		if v := second.Replica().Decide(q); v.Outcome == replica.Accept {
			t.Errorf("the replica that booted: %v", v.Outcome)
		}
	})
}

// A registry that may lack replicas is not believed before each of them had time to register: after the
// list was lost, and after the store took no registrations.
func TestR34ARegistryThatMayLackReplicas(t *testing.T) {
	for _, tt := range []struct {
		name     string
		observer bool // who revokes
		fault    func(f *revlogtest.Faulty, by *revocation.List)
	}{
		{"the list was lost", true, func(f *revlogtest.Faulty, _ *revocation.List) { f.Replace(revlog.NewMemory()) }},
		{"the list was lost, as a replica sees it", false, func(f *revlogtest.Faulty, _ *revocation.List) { f.Replace(revlog.NewMemory()) }},
		{"nobody could register for a while", false, func(f *revlogtest.Faulty, _ *revocation.List) { unregistered(f, nil) }},
		{"nobody could register until this replica did", false, unregistered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlogtest.NewFaulty(revlog.NewMemory())
				all := crew(t, store, 3, revocation.Config{})
				by := all[0]
				if tt.observer {
					by = crew(t, store, 1, revocation.Config{Observer: true})[0]
				}
				time.Sleep(time.Minute)
				tt.fault(store, by)
				var r revocation.Receipt
				for err := error(revocation.ErrUnavailable); err != nil; time.Sleep(10 * time.Millisecond) { // as soon as it is possible
					if r, err = by.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Wait: 5 * time.Second}); errors.Is(err, revocation.ErrBehind) {
						t.Fatal(err)
					}
				}
				if r.Fleet != 3 {
					t.Errorf("%d replicas refuse, want 3: %+v", r.Fleet, r)
				}
				for _, l := range all {
					q := &replica.Query{Session: [16]byte{1}, Subject: l.Tag(revocation.Subject("ada")), Epoch: 1, Checked: 1}
					if v := l.Replica().Decide(q); v.Outcome == replica.Accept {
						t.Errorf("one of them: %v", v.Outcome)
					}
				}
			})
		})
	}
}

// unregistered lets no replica register for 20 s. If first is set, it may register before the others.
func unregistered(f *revlogtest.Faulty, first *revocation.List) {
	refused := func(of func(revlog.Replica) bool) {
		memory := f.Unwrap().(*revlog.Memory)
		f.Hook(func(h *revlogtest.Hooks) {
			h.Register = func(ctx context.Context, r revlog.Replica, keep time.Duration) error {
				if of(r) {
					return revlogtest.ErrFault
				}
				return memory.Register(ctx, r, keep)
			}
		})
	}
	refused(func(revlog.Replica) bool { return true })
	time.Sleep(20 * time.Second)
	if first != nil {
		refused(func(r revlog.Replica) bool { return r.ID != first.Replica().ID() })
		time.Sleep(6 * time.Second)
	}
	f.Recover()
}

// Replicas register with a new list at once.
func TestR34ANewListGetsItsRegistryAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, next := revlogtest.NewFaulty(revlog.NewMemory()), revlog.NewMemory()
		crew(t, store, 3, revocation.Config{})
		time.Sleep(time.Minute)
		store.Replace(next)
		time.Sleep(time.Second)
		if all, _ := next.Replicas(t.Context()); len(all) != 3 {
			t.Errorf("%d replicas are registered a second after the loss", len(all))
		}
	})
}

// A long wait does not read the registry all the time, and what the registry says is not repeated
// without bounds.
func TestR34ALongWaitForSomebodyHostile(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := revlogtest.NewFaulty(memory)
		var looks atomic.Int64
		store.Hook(func(h *revlogtest.Hooks) {
			h.Replicas = func(ctx context.Context) ([]revlog.Replica, error) {
				looks.Add(1)
				return memory.Replicas(ctx)
			}
		})
		l := crew(t, store, 1, revocation.Config{})[0]
		if err := memory.Register(t.Context(), revlog.Replica{ID: "evil", Host: strings.Repeat("x\n", 1<<20), Position: "1-junk"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		r, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Wait: 20 * time.Second})
		if !errors.Is(err, revocation.ErrBehind) || r.Fleet != 1 || len(r.Behind) != 1 {
			t.Fatalf("%d, %v", r.Fleet, len(r.Behind))
		}
		if text := err.Error(); len(text) > 1000 || strings.Contains(text, "\n") || !strings.Contains(text, "evil") {
			t.Errorf("%d bytes: %.400q", len(text), text)
		}
		if n := looks.Load(); n > 100 {
			t.Errorf("looked %d times in 20 s", n)
		}
		if r.Took > time.Second {
			t.Errorf("the one that refuses took %v", r.Took)
		}
	})
}

// A bulk revocation adds no entry. It is confirmed once every replica knows that it has to ask.
func TestR34WaitForABulkRevocation(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		hung := revlogtest.NewFaulty(memory)
		all := append(crew(t, memory, 3, revocation.Config{}), crew(t, hung, 1, revocation.Config{})...)
		q := login(t, all[0], 1, "ada")
		time.Sleep(20 * time.Second)
		hung.Hook(silenceReads)
		many := slices.Values([]revocation.Target{revocation.Subject("ada"), revocation.Subject("bob")})
		receipt, err := all[0].RevokeMany(t.Context(), many, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := all[0].AwaitFleet(t.Context(), receipt, time.Second, nil); !errors.Is(err, revocation.ErrBehind) || r.Fleet != 3 || len(r.Behind) != 1 {
			t.Errorf("one has not read it: %+v, %v", r, err)
		}
		hung.Recover()
		r, err := all[0].AwaitFleet(t.Context(), receipt, 5*time.Second, nil)
		if err != nil || r.Fleet != 4 || r.Position != receipt.Position {
			t.Errorf("%+v, %v", r, err)
		}
		for _, l := range all {
			c := *q
			if v := l.Replica().Decide(&c); v.Outcome == replica.Accept {
				t.Errorf("a replica that was waited for: %v", v.Outcome)
			}
		}
		if _, err := all[0].AwaitFleet(t.Context(), revocation.Receipt{}, time.Second, nil); !errors.Is(err, revocation.ErrBehind) {
			t.Errorf("no receipt: %v", err)
		}
	})
}

// Who waits is told of each replica when it is found, and when it refuses, with the time.
func TestR34EachReplicaIsToldOf(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		hung := revlogtest.NewFaulty(memory)
		all := append(crew(t, memory, 3, revocation.Config{}), crew(t, hung, 1, revocation.Config{})...)
		time.Sleep(20 * time.Second)
		hung.Hook(silenceReads)
		receipt, err := all[0].Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		const later = 3 * time.Second
		time.AfterFunc(later, hung.Recover)
		told := map[string][]revocation.Standing{}
		r, err := all[1].AwaitFleet(t.Context(), receipt, 15*time.Second, func(s revocation.Standing) {
			told[s.Replica.ID] = append(told[s.Replica.ID], s)
		})
		if err != nil || r.Fleet != 4 || len(told) != 4 {
			t.Fatalf("%+v, %v, told of %d", r, err, len(told))
		}
		for i, l := range all {
			about := told[l.Replica().ID()]
			last := about[len(about)-1]
			if len(about) > 2 || !last.Refuses || len(about) == 2 && about[0].Refuses || last.After < about[0].After {
				t.Errorf("replica %d: %+v", i, about)
			}
			if slow := i == 3; slow != (last.After >= later) || slow && len(about) != 2 || last.After > r.Took {
				t.Errorf("replica %d refuses after %v of %v", i, last.After, r.Took)
			}
		}
	})
}

func TestR34NobodyWaitsForAnObserver(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		crew(t, memory, 3, revocation.Config{})
		tool := crew(t, memory, 1, revocation.Config{Observer: true})[0]
		r, err := tool.Revoke(t.Context(), revocation.Everyone(), revocation.Options{Wait: 5 * time.Second})
		if err != nil || r.Fleet != 3 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestR34ACallerThatGivesUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		l := crew(t, memory, 1, revocation.Config{})[0]
		hung := revlogtest.NewFaulty(memory)
		crew(t, hung, 1, revocation.Config{})
		hung.Fail()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := l.Revoke(ctx, revocation.Subject("ada"), revocation.Options{Wait: time.Minute})
		if !errors.Is(err, revocation.ErrBehind) || !errors.Is(err, context.DeadlineExceeded) || r.Fleet != 1 || len(r.Behind) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// What a failover took away is not confirmed, though replicas have read as far.
func TestR34AnotherPrimaryConfirmsNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := revlogtest.NewFaulty(memory)
		l := crew(t, store, 1, revocation.Config{NoCanary: true})[0]
		time.Sleep(time.Second)
		store.Hook(func(h *revlogtest.Hooks) {
			h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := memory.Read(ctx, c)
				if c.Limit == 1 { // the last look
					p.Head.Terms = append(slices.Clone(p.Head.Terms), revlog.Term{ID: 9, Start: p.Head.MS - 1, Opened: p.Head.MS})
				}
				return p, err
			}
		})
		r, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Wait: 5 * time.Second})
		if !errors.Is(err, revocation.ErrBehind) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Nothing is registered more often than every 5 s while nobody waits, and however many wait, no
// replica registers more often than it reads.
func TestR34TheRollCostsNothingUnlessCalled(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		l := crew(t, memory, 1, revocation.Config{})[0]
		counted := revlogtest.NewFaulty(memory)
		var n atomic.Int64
		counted.Hook(func(h *revlogtest.Hooks) {
			h.Register = func(ctx context.Context, r revlog.Replica, keep time.Duration) error {
				n.Add(1)
				return memory.Register(ctx, r, keep)
			}
		})
		crew(t, counted, 1, revocation.Config{})
		time.Sleep(time.Minute)
		if n := n.Load(); n > 1+13 {
			t.Errorf("registered %d times in a minute", n)
		}
		before, stop := n.Load(), time.Now().Add(10*time.Second)
		done := make(chan struct{}, 50)
		for range cap(done) {
			go func() {
				defer func() { done <- struct{}{} }()
				for time.Now().Before(stop) {
					if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Wait: 5 * time.Second}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		for range cap(done) {
			<-done
		}
		if n := n.Load() - before; n > 65 {
			t.Errorf("registered %d times in ten seconds", n)
		}
	})
}
