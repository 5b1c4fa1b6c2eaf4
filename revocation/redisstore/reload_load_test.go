package redisstore_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

var loadSessions = flag.Int("load.sessions", 1000, "how many sessions have their data loaded again at once; 40000 in full")

// A desk is one replica of an application whose sessions hold a role.
type desk struct {
	*httpmw.Manager[string]
	list  *revocation.List
	store *revlogtest.Faulty // counts questions
}

func newDesk(t *testing.T, c *crowd, ring *keys.Ring, load func(context.Context, *httpmw.Session[string]) (string, error)) *desk {
	st, err := redisstore.Open(t.Context(), c.options(), redisstore.Config{AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	d := &desk{store: revlogtest.NewFaulty(st)}
	if d.list, err = revocation.Open(t.Context(), d.store, ring, loadConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.list.Close() })
	d.Manager, err = httpmw.New[string](keys.Static(ring), d.list, httpmw.Config{Idle: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d.OnReload(load)
	return d
}

// get sends a request with cookies, which it updates, and returns the status.
func (d *desk) get(jar map[string]string, do func(context.Context, *httpmw.Session[string]) error) int {
	r := httptest.NewRequest("GET", "https://app.test/", nil)
	for name, value := range jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	d.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.Context(), d.From(r.Context())); err != nil {
			d.Fail(w, r, err)
		}
	})).ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		jar[c.Name] = c.Value
	}
	return rec.Code
}

// Everybody of a tenant comes at once after a Reload. The application and the store are asked once
// for each session, in the end everybody has the new role, and meanwhile other sessions and logins go
// on.
func TestLoadReloadOfEverybodyAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("a large fleet takes long")
	}
	c := &crowd{t: t}
	c.serve(redistest.Start(t))
	var role atomic.Pointer[string]
	var loads, now, most atomic.Int64
	load := func(context.Context, *httpmw.Session[string]) (string, error) {
		loads.Add(1)
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-time.After(10 * time.Millisecond) // the application's database
		return *role.Load(), nil
	}
	ring := keys.Generate(0)
	desks := make([]*desk, *loadReplicas)
	for i := range desks {
		desks[i] = newDesk(t, c, ring, load)
	}
	login := func(subject, group string) func(context.Context, *httpmw.Session[string]) error {
		return func(ctx context.Context, s *httpmw.Session[string]) error {
			if err := s.Login(ctx, httpmw.Identity{Subject: subject, Groups: []string{group}}); err != nil {
				return err
			}
			return s.Set("a reader")
		}
	}
	jars := make([]map[string]string, *loadSessions)
	parallel(len(desks), func(d int) {
		for i := d; i < len(jars); i += len(desks) {
			jars[i] = map[string]string{}
			if status := desks[d].get(jars[i], login(fmt.Sprint("user ", i), "tenant:7")); status != http.StatusOK {
				t.Errorf("login: %d", status)
			}
		}
	})
	editor := "an editor"
	role.Store(&editor)
	<-time.After(2 * loadWithin)
	if _, err := desks[0].list.Reload(t.Context(), revocation.Group("tenant:7"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * loadWithin)
	questions := func() (n int) {
		for _, d := range desks {
			n += d.store.Confirms()
		}
		return n
	}
	before, began := questions(), time.Now()
	done := make(chan struct{})
	var beside sync.WaitGroup
	slowest, others := time.Duration(0), 0
	beside.Go(func() { // one who is not concerned, and logs in again and again
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			sent := time.Now()
			if status := desks[i%len(desks)].get(map[string]string{}, login("bob", "tenant:8")); status != http.StatusOK {
				t.Errorf("a login meanwhile: %d", status)
			}
			slowest = max(slowest, time.Since(sent))
			others++
		}
	})
	var away atomic.Int64
	parallel(len(jars), func(i int) {
		for {
			status := desks[i%len(desks)].get(jars[i], func(_ context.Context, s *httpmw.Session[string]) error {
				if s.Err() == nil && s.Value() != editor {
					t.Errorf("somebody is %q", s.Value())
				}
				return s.Err()
			})
			if status == http.StatusOK {
				return
			}
			if status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
				return
			}
			away.Add(1)
			<-time.After(2 * time.Second)
		}
	})
	took := time.Since(began)
	close(done)
	beside.Wait()
	asked := questions() - before - others
	t.Logf("%d sessions at %d replicas: all served after %v, %d answers 503; %d calls, at most %d at a time; %d questions; of %d logins meanwhile the slowest took %v",
		len(jars), len(desks), took, away.Load(), loads.Load(), most.Load(), asked, others, slowest)
	if n := int(loads.Load()); n != len(jars) {
		t.Errorf("%d calls for %d sessions", n, len(jars))
	}
	if asked > 2*len(jars) || int(most.Load()) > 32*len(desks) {
		t.Errorf("%d questions, %d calls at a time", asked, most.Load())
	}
}

// parallel calls f for 0 to n-1, all at once.
func parallel(n int, f func(i int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { f(i) })
	}
	wait.Wait()
}
