package devicestest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// replica is one of several replicas of an application.
type replica struct {
	sessions *httpmw.Manager[struct{}]
	registry *devices.Registry
}

const (
	subject  = "ada"
	manyAtMe = 100 // logins at the same time
)

// logins lets 100 browsers log in at the same time, at three replicas. As many sessions are accepted
// afterwards as there may be, and the list has exactly these.
func logins(t *testing.T, s devices.Store) {
	for _, max := range []int{3, 1} {
		fleet := newFleet(t, s, max)
		var all sync.WaitGroup
		jars := make([][]*http.Cookie, manyAtMe)
		for i := range jars {
			all.Go(func() {
				var err error
				if jars[i], err = fleet[i%len(fleet)].login(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, r := range fleet {
			var living []string
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if living = r.accepted(jars); len(living) <= max || time.Now().After(deadline) {
					break
				}
			}
			rows, err := r.registry.List(t.Context(), subject)
			if err != nil {
				t.Fatal(err)
			}
			var listed []string
			for _, d := range rows {
				listed = append(listed, d.ID)
			}
			slices.Sort(listed)
			if len(living) != max || !slices.Equal(living, listed) {
				t.Errorf("at most %d sessions: replica %d accepts %d, and %d are listed:\n%v\n%v", max, i, len(living), len(listed), living, listed)
			}
		}
	}
}

func newFleet(t *testing.T, s devices.Store, max int) (fleet [3]replica) {
	ring, log, quiet := keys.Generate(0), revlog.NewMemory(), slog.New(slog.DiscardHandler)
	for i := range fleet {
		list, err := revocation.Open(t.Context(), log, ring, revocation.Config{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { list.Close() })
		r := &fleet[i]
		if r.registry, err = devices.New(s, list, devices.Config{Max: max, Timeout: time.Minute, Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		if r.sessions, err = httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Devices: r.registry, Logger: quiet}); err != nil {
			t.Fatal(err)
		}
	}
	return fleet
}

// login logs in a new browser and returns its cookies. A login that meets another one may be ended
// before it returns.
func (r replica) login() (jar []*http.Cookie, err error) {
	rec := httptest.NewRecorder()
	r.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		err = r.sessions.From(q.Context()).Login(q.Context(), httpmw.Identity{Subject: subject})
	})).ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), "POST", "https://app.test/login", nil))
	if errors.Is(err, httpmw.ErrRevoked) {
		return nil, nil
	}
	return rec.Result().Cookies(), err
}

// accepted returns the ids of the sessions that r accepts.
func (r replica) accepted(jars [][]*http.Cookie) (ids []string) {
	for _, jar := range jars {
		req := httptest.NewRequestWithContext(context.Background(), "GET", "https://app.test/", nil)
		for _, c := range jar {
			req.AddCookie(c)
		}
		r.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			if s := r.sessions.From(q.Context()); s.LoggedIn() {
				ids = append(ids, s.ID())
			}
		})).ServeHTTP(httptest.NewRecorder(), req)
	}
	slices.Sort(ids)
	return ids
}
