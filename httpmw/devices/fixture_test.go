package devices_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/devicestest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

var errDead = errors.New("the store is dead")

// replica is one replica of an application.
type replica struct {
	*httpmw.Manager[string]
	*devices.Registry
	list  *revocation.List
	log   *revlogtest.Faulty  // its way to the store of the revocations
	store *devicestest.Faulty // its way to the store of the devices
}

// fleet returns replicas that share a ring and both stores.
func fleet(t testing.TB, n int, rows devices.Store, c devices.Config, hc httpmw.Config) (all []*replica) {
	t.Helper()
	ring, log := keys.Generate(0), revlog.NewMemory()
	quiet := slog.New(slog.DiscardHandler)
	if c.Logger == nil {
		c.Logger = quiet
	}
	for range n {
		r := &replica{log: revlogtest.NewFaulty(log), store: devicestest.NewFaulty(rows)}
		var err error
		if r.list, err = revocation.Open(t.Context(), r.log, ring, revocation.Config{Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.list.Close() })
		if r.Registry, err = devices.New(r.store, r.list, c); err != nil {
			t.Fatal(err)
		}
		hc.Logger, hc.Devices = quiet, r.Registry
		if r.Manager, err = httpmw.New[string](keys.Static(ring), r.list, hc); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func one(t testing.TB, c devices.Config) *replica {
	t.Helper()
	return fleet(t, 1, devices.NewMemory(), c, httpmw.Config{})[0]
}

type session = httpmw.Session[string]

// browser keeps cookies.
type browser struct {
	agent string
	jar   map[string]string
}

func newBrowser(agent string) *browser { return &browser{agent, map[string]string{}} }

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

// at runs do within a request of the browser to r.
func (b *browser) at(r *replica, do func(context.Context, *session)) {
	req := httptest.NewRequest("GET", "https://app.test/", nil)
	req.Header.Set("User-Agent", b.agent)
	for name, value := range b.jar {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	r.Handler(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		do(q.Context(), r.From(q.Context()))
	})).ServeHTTP(rec, req)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
}

// tryLogin logs a subject in and returns the id of the session.
func (b *browser) tryLogin(r *replica, id httpmw.Identity) (sid string, err error) {
	b.at(r, func(ctx context.Context, s *session) {
		err = s.Login(ctx, id)
		sid = s.ID()
	})
	return sid, err
}

// login logs a subject in and returns the id of the session, which is younger than those before: the
// list keeps milliseconds.
func (b *browser) login(t testing.TB, r *replica, subject string) (sid string) {
	t.Helper()
	for now := time.Now().UnixMilli(); time.Now().UnixMilli() == now; time.Sleep(100 * time.Microsecond) {
	}
	sid, err := b.tryLogin(r, httpmw.Identity{Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

// id returns the session that r accepts, "" for none.
func (b *browser) id(r *replica) (sid string) {
	b.at(r, func(_ context.Context, s *session) {
		if s.LoggedIn() {
			sid = s.ID()
		}
	})
	return sid
}

// try calls do with the session and returns its error.
func (b *browser) try(r *replica, do func(*session, context.Context) error) (err error) {
	b.at(r, func(ctx context.Context, s *session) { err = do(s, ctx) })
	return err
}

// await waits until the list of subject at r is of these sessions.
func await(t testing.TB, r *replica, when, subject string, sids ...string) {
	t.Helper()
	slices.Sort(sids)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got := listed(t, r, subject)
		if slices.Equal(got, sids) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: listed are %v, want %v", when, got, sids)
		}
	}
}

func listed(t testing.TB, r *replica, subject string) (sids []string) {
	t.Helper()
	rows, err := r.List(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range rows {
		sids = append(sids, d.ID)
	}
	slices.Sort(sids)
	return sids
}
