package revocation_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// counted returns the decisions that are not zero, as "path outcome".
func counted(l *revocation.List) map[string]uint64 {
	all := map[string]uint64{}
	for path, outcomes := range l.Stats().Decisions {
		for outcome, n := range outcomes {
			if n > 0 {
				all[path+" "+outcome] = n
			}
		}
	}
	return all
}

// Each decision is counted by how it was made, and each match of a filter by whether it was right.
func TestStatsSayHowSessionsWereDecided(t *testing.T) {
	const n = 50
	forget := func(s *revlogtest.Hooks) {
		s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
			a, err := s.Store.Confirm(ctx, q)
			a.Found = nil
			return a, err
		}
	}
	for _, row := range []struct {
		name      string
		prepare   func(s scripted) // after the revocations
		decisions map[string]uint64
		hits      map[string]uint64
		confirms  uint64 // that were timed
	}{
		{"the recent entries know", func(scripted) { time.Sleep(time.Minute) },
			map[string]uint64{"memory refuse": 2 * n}, map[string]uint64{"true": 2 * n, "false": 0}, 0},
		{"the store knows", func(scripted) { time.Sleep(12 * time.Minute) },
			map[string]uint64{"store refuse": n, "cache refuse": n}, map[string]uint64{"true": n, "false": 0}, 2 * n},
		{"the store knows nothing of it", func(s scripted) { time.Sleep(12 * time.Minute); s.Hook(forget) },
			map[string]uint64{"store accept": n, "cache accept": n}, map[string]uint64{"true": 0, "false": n}, 2 * n},
		{"the store is silent", func(s scripted) { time.Sleep(12 * time.Minute); s.silence(); time.Sleep(time.Minute) },
			map[string]uint64{"store undecided": 1, "frozen undecided": 2*n - 1}, nil, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				time.Sleep(time.Minute)
				var all []*replica.Query
				for i := 1; i <= n; i++ { // the session of a canary is 0
					all = append(all, login(t, l, byte(i), "ada"))
					time.Sleep(10 * time.Millisecond)
					revoke(t, l, revocation.Session(sid(i)))
				}
				row.prepare(store)
				for range 2 {
					for _, q := range all {
						verdict(t, l, q)
					}
				}
				if diff := cmp.Diff(row.decisions, counted(l)); diff != "" {
					t.Errorf("decisions (-want +got):\n%s", diff)
				}
				s := l.Stats()
				var refused, decided uint64
				for path := range s.Decisions {
					decided += s.Decisions[path]["refuse"] + s.Decisions[path]["undecided"]
				}
				for _, n := range s.Refusals {
					refused += n
				}
				if refused != decided {
					t.Errorf("%d sessions have a reason and %d were refused or undecided: %v", refused, decided, s.Refusals)
				}
				if diff := cmp.Diff(row.hits, s.Hits); row.hits != nil && diff != "" {
					t.Errorf("hits (-want +got):\n%s", diff)
				}
				if s.Confirm.Count != row.confirms {
					t.Errorf("%d confirms were timed, want %d", s.Confirm.Count, row.confirms)
				}
			})
		})
	}
}

// While the store is silent, what memory accepts is counted apart: a revocation may be missed.
func TestStatsShowWhatIsAcceptedFromAnOldView(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Second)
		store.silence()
		time.Sleep(time.Minute)
		for range 3 {
			verdict(t, l, q)
		}
		got := counted(l)
		if got["frozen accept"] != 3 || got["memory accept"]+got["cache accept"]+got["store accept"] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// A sizer is a store that says how much room it takes, or that it does not know.
type sizer struct {
	*revlog.Memory
	asked         atomic.Int64
	fails, silent atomic.Bool
}

func (s *sizer) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	if s.silent.Load() {
		return revlog.Page{}, errSilent
	}
	return s.Memory.Read(ctx, c)
}

func (s *sizer) Usage(context.Context) (revlog.Usage, error) {
	n := s.asked.Add(1)
	if s.fails.Load() {
		return revlog.Usage{}, revocation.ErrUnavailable
	}
	return revlog.Usage{Bytes: n, Limit: 100}, nil
}

// The store is asked once a minute, whatever is decided. An old answer is not shown for long.
func TestStoreIsSeldomMeasured(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := &sizer{Memory: revlog.NewMemory()}
		l := open(t, store)
		time.Sleep(10*time.Minute + time.Second)
		s := l.Stats()
		if n := store.asked.Load(); n < 9 || n > 11 || s.StoreUsed != n || s.StoreLimit != 100 {
			t.Errorf("asked %d times in ten minutes: %d of %d", n, s.StoreUsed, s.StoreLimit)
		}
		store.fails.Store(true)
		time.Sleep(2 * time.Minute)
		if s := l.Stats(); s.StoreUsed != 0 || s.StoreLimit != 0 {
			t.Errorf("it is not known, and shown as %d of %d", s.StoreUsed, s.StoreLimit)
		}
		store.fails.Store(false)
		time.Sleep(2 * time.Minute)
		store.silent.Store(true)
		time.Sleep(2 * time.Minute)
		if s := l.Stats(); s.StoreUsed != 0 || s.StoreLimit != 0 {
			t.Errorf("the store is silent, and an old answer is shown: %d of %d", s.StoreUsed, s.StoreLimit)
		}
	})
}
