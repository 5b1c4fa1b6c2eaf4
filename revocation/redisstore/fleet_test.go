package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// The faults run with S = 1 s and G = 4 s in place of 2 s and 30 min. S is longer than the time
// between heartbeats, 500 ms, and G is longer than S.
const (
	within = time.Second
	grace  = 4 * time.Second
)

// A fleet is some replicas of one application, with living and with revoked sessions.
type fleet struct {
	t     *testing.T
	lists []*revocation.List

	mu         sync.Mutex // owns what follows
	live, dead []replica.Query
	wrong      []string
	done       chan struct{}
	wg         sync.WaitGroup
}

func connect(ctx context.Context, o *redis.UniversalOptions) (*redisstore.Store, *revocation.List, error) {
	st, err := redisstore.Open(ctx, o, redisstore.Config{AllowVolatile: true, AllowSplit: true})
	if err != nil {
		return nil, nil, err
	}
	l, err := revocation.Open(ctx, st, revlogtest.Secrets(0), revocation.Config{
		MaxIdle: time.Hour, Within: within, Grace: grace, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		st.Close()
	}
	return st, l, err
}

func openList(t testing.TB, o *redis.UniversalOptions) *revocation.List {
	t.Helper()
	st, l, err := connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		st.Close()
	})
	return l
}

func (f *fleet) join(addr string) *revocation.List {
	f.t.Helper()
	l := openList(f.t, &redis.UniversalOptions{Addrs: []string{addr}})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = append(f.lists, l)
	return l
}

// newFleet starts three replicas at the given addresses, with sessions, and watches them. From here
// on, none of them may accept a revoked session or refuse a living one, whatever happens to the
// server.
func newFleet(t *testing.T, addrs ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, done: make(chan struct{})}
	for _, a := range addrs {
		f.join(a)
	}
	for i := range 30 {
		f.login(fmt.Sprint("user", i))
	}
	for i := range 15 {
		f.revoke(f.lists[i%len(f.lists)])
	}
	f.known()
	f.wg.Add(1)
	go f.watch()
	t.Cleanup(f.rest)
	return f
}

// rest stops watching and reports the violations.
func (f *fleet) rest() {
	f.mu.Lock()
	select {
	case <-f.done:
	default:
		close(f.done)
	}
	f.mu.Unlock()
	f.wg.Wait()
	for i, w := range f.wrong {
		if i == 5 {
			f.t.Errorf("and %d more violations", len(f.wrong)-i)
			break
		}
		f.t.Error(w)
	}
	f.wrong = nil
}

func (f *fleet) login(name string) replica.Query {
	f.t.Helper()
	l := f.lists[0]
	subject, group := l.Tag(revocation.Subject(name)), l.Tag(revocation.Group("group of "+name))
	s, err := l.Replica().Begin(f.t.Context(), replica.Login{Subject: subject, Groups: []revlog.Tag{group}})
	if err != nil {
		f.t.Fatal(err)
	}
	q := replica.Query{Subject: subject, GroupTags: [8]revlog.Tag{group}, Groups: 1, Epoch: s.Epoch, Checked: s.Checked, Term: s.Term}
	rand.Read(q.Session[:])
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = append(f.live, q)
	return q
}

// revoke revokes the oldest living session by its id, and waits for the acknowledgement.
func (f *fleet) revoke(by *revocation.List) {
	f.t.Helper()
	f.mu.Lock()
	q := f.live[0]
	f.live = f.live[1:]
	f.mu.Unlock()
	redistest.Await(f.t, "a revocation is acknowledged", func() bool {
		_, err := by.Revoke(f.t.Context(), revocation.Session(encode(q.Session)), revocation.Options{})
		return err == nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = append(f.dead, q)
}

// known waits until every replica has read the revocations.
func (f *fleet) known() {
	f.t.Helper()
	redistest.Await(f.t, "all replicas refuse", func() bool {
		for _, l := range f.lists {
			for _, q := range f.dead {
				if l.Replica().Decide(&q).Outcome != replica.Refuse {
					return false
				}
			}
		}
		return true
	})
}

func verdict(l *revocation.List, q replica.Query) replica.Verdict {
	v := l.Replica().Decide(&q)
	if v.Outcome == replica.Ask {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		v = l.Replica().Confirm(ctx, &q)
	}
	return v
}

func (f *fleet) watch() {
	defer f.wg.Done()
	for n := 0; ; n++ {
		select {
		case <-f.done:
			return
		case <-time.After(time.Millisecond):
		}
		f.mu.Lock()
		lists := f.lists
		live, dead := f.live[n%len(f.live)], f.dead[n%15] // the ones known before the fault
		f.mu.Unlock()
		for i, l := range lists {
			if v := verdict(l, dead); v.Outcome == replica.Accept {
				f.complain("replica %d (%s) accepted a revoked session: %+v", i, l.Stats().State, v)
			}
			if v := verdict(l, live); v.Outcome == replica.Refuse && f.lives(live) {
				f.complain("replica %d (%s) refused a living session: %+v", i, l.Stats().State, v)
			}
		}
	}
}

// lives reports whether q was still not revoked after the decision.
func (f *fleet) lives(q replica.Query) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.live, func(o replica.Query) bool { return o.Session == q.Session })
}

func (f *fleet) complain(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// mended waits until all replicas are in step again, one of them has counted each of the anomalies,
// and every session is decided as it must be. It also checks that a new revocation reaches all
// replicas within S and a margin for a loaded machine.
func (f *fleet) mended(anomalies ...string) {
	f.t.Helper()
	f.state("synced", f.lists...)
	f.counted(anomalies...)
	f.revoke(f.lists[len(f.lists)-1])
	f.login("late")
	for i, l := range f.lists {
		for _, q := range f.dead {
			redistest.Await(f.t, "a revoked session is refused", func() bool {
				return verdict(l, q).Outcome == replica.Refuse
			})
		}
		for _, q := range f.live {
			redistest.Await(f.t, "a living session is accepted", func() bool {
				v := verdict(l, q)
				if v.Outcome == replica.Refuse {
					f.t.Fatalf("replica %d refuses a living session: %+v", i, v)
				}
				return v.Outcome == replica.Accept
			})
		}
	}
	f.rest()
}

func (f *fleet) state(want string, lists ...*revocation.List) {
	f.t.Helper()
	for i, l := range lists {
		redistest.Await(f.t, fmt.Sprintf("replica %d is %s", i, want), func() bool { return l.Stats().State == want })
	}
}

// counted waits until a replica has counted each of the anomalies.
func (f *fleet) counted(anomalies ...string) {
	f.t.Helper()
	for _, name := range anomalies {
		redistest.Await(f.t, name+" is counted", func() bool {
			for _, l := range f.lists {
				if s := l.Stats(); s.Anomalies[name]+s.Reads[name] > 0 {
					return true
				}
			}
			return false
		})
	}
}
