package rediskeys_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// idle is the idle limit. A renewal is due after half of it.
const idle = 8 * time.Second

// replica is one replica of an application whose ring is in Redis.
type replica struct {
	*httpmw.Manager[struct{}]
	ring *rediskeys.Ring
}

func newReplica(t *testing.T, s *redistest.Server, store revlog.Store, k keys.KEK, c rediskeys.Config) replica {
	t.Helper()
	ring, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}}, k, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	list, err := revocation.Open(t.Context(), store, ring.Ring(), revocation.Config{Logger: c.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[struct{}](ring, list, httpmw.Config{Idle: idle, Logger: c.Logger})
	if err != nil {
		t.Fatal(err)
	}
	return replica{m, ring}
}

// issue seals one bearer token, which counts like a login.
func (r replica) issue(ctx context.Context) error {
	_, err := r.Issue(ctx, httpmw.Identity{Subject: "robot"}, struct{}{}, time.Second)
	return err
}

// get sends a request with these cookies, logging in first if there are none, and returns the
// cookies that it sets.
func (r replica) get(t *testing.T, cookies []*http.Cookie) []*http.Cookie {
	t.Helper()
	req := httptest.NewRequest("GET", "https://app.test/", nil)
	for _, c := range cookies {
		req.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	r.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		s := r.From(req.Context())
		if len(cookies) == 0 {
			if err := s.Login(req.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
				t.Error(err)
			}
		}
		if !s.LoggedIn() || s.Err() != nil {
			t.Errorf("logged in: %v, %v", s.LoggedIn(), s.Err())
		}
	})).ServeHTTP(rec, req)
	return rec.Result().Cookies()
}

// A fleet uses up a key: it gets tired, then renewals stop everywhere, then logins, and never more
// was sealed than may. A new key ends all that.
func TestAFleetUsesUpAKey(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	t.Parallel()
	s := redistest.Start(t)
	store := revlog.NewMemory()
	l := meter.Limits{First: 4, Block: 16, Shares: 64, Tired: 150, Renewals: 300, All: 600}
	var fleet [3]replica
	for i := range fleet {
		fleet[i] = newReplica(t, s, store, kek(1), config().Counting(l, often))
	}
	kid := sealing(t, fleet[0].ring)
	until := func(what string, done func(m *keys.Meter) bool) {
		t.Helper()
		for _, r := range fleet {
			redistest.Await(t, what, func() bool {
				if done(r.ring.Meter()) {
					return true
				}
				r.issue(t.Context()) // has to wait for a block now and then
				return false
			})
		}
	}
	until("the key is tired", func(m *keys.Meter) bool { return m.Tired(kid) })
	if left := fleet[0].ring.Meter().Left(kid); left > 0.75 || left < 0.4 {
		t.Errorf("%v left", left)
	}
	renewed := func() bool {
		cookies := fleet[0].get(t, nil)
		<-time.After(idle/2 + 10*time.Millisecond)
		return len(fleet[0].get(t, cookies)) > 0
	}
	if !renewed() {
		t.Error("no renewal before the limit")
	}
	until("renewals are to stop", func(m *keys.Meter) bool { return m.Use(kid).Seals >= l.Renewals })
	if renewed() || fleet[0].Stats().Spared != 1 {
		t.Errorf("a renewal behind the limit: %+v", fleet[0].Stats())
	}
	for _, r := range fleet {
		redistest.Await(t, "the key is spent", func() bool {
			err := r.issue(t.Context())
			if err != nil && !errors.Is(err, keys.ErrSpent) {
				t.Fatal(err)
			}
			return err != nil && r.ring.Meter().Left(kid) == 0
		})
	}
	sealed := uint64(0)
	for _, r := range fleet {
		sealed += r.Stats().Seals[kid]
	}
	if sealed > l.All || sealed < l.All/2 {
		t.Errorf("%d sealed of %d", sealed, l.All)
	}
	if err := fleet[1].ring.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	for _, r := range fleet {
		redistest.Await(t, "a new key seals", func() bool { return r.issue(t.Context()) == nil })
	}
}

// A tired key is replaced early, by one process of the fleet and with the usual wait.
func TestATiredKeyIsReplaced(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	t.Parallel()
	s := redistest.Start(t)
	c := config().Counting(meter.Limits{First: 16, Block: 16, Tired: 100}, often)
	c.RotateEvery, c.Poll = keys.Daily, 50*time.Millisecond
	var fleet [4]*rediskeys.Ring
	for i := range fleet {
		fleet[i] = open(t, s, c)
	}
	kid := sealing(t, fleet[0])
	for range 120 {
		if err := fleet[1].Meter().Count(kid).Seal(keys.Login, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range fleet {
		redistest.Await(t, "there is another key", func() bool { return len(kids(r)) == 2 })
	}
	for _, r := range fleet {
		redistest.Await(t, "every process knows that the key is tired", func() bool { return r.Meter().Tired(kid) })
	}
	<-time.After(3 * time.Second) // each of them looks about every 0.6 s
	for _, r := range fleet {
		if ring := r.Ring(); len(kids(r)) != 2 || ring.State(ring.Keys()[0], time.Now()) != keys.Pending || sealing(t, r) != kid {
			t.Errorf("%d keys, the newest is %v", len(kids(r)), ring.State(ring.Keys()[0], time.Now()))
		}
	}
}
