package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// TestKeysInEveryPlace runs the same scripts with the ring in a file, in Redis, and behind the admin API
// of an application. What the commands do and say is the same. The scripts name the place through
// variables of the environment.
//
// If a script has a ring.json, that is the ring.
func TestKeysInEveryPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for replicas and servers")
	}
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	for _, place := range []string{"file", "redis", "admin"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/places",
				RequireExplicitExec: true,
				Condition:           func(name string) (bool, error) { return name == place, nil },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "kid": kid, "replicas": replicas, "visit": visit,
				},
				Setup: func(env *testscript.Env) error { return openPlace(env, place, server) },
			})
		})
	}
}

// fleet is what a script has of the application whose ring it changes.
type fleet struct {
	open    func(context.Context) (openedRing, error) // as a replica does
	list    func(context.Context) (*redisstore.Store, error)
	close   []func() error
	running []http.Handler // of the replicas that keep sessions
}

type fleetKey struct{}

// openPlace puts a ring in its place, and says in variables where that is.
func openPlace(env *testscript.Env, place string, server *redistest.Server) error {
	var (
		ctx     = context.Background()
		prefix  = fmt.Sprintf("%s.%s.%d", filepath.Base(env.WorkDir), place, prefixes.Add(1))
		kekFile = filepath.Join(env.WorkDir, "kek")
		kek     = keys.KEKFile(kekFile)
		file    = filepath.Join(env.WorkDir, "ring.jwe")
		config  = rediskeys.Config{Prefix: prefix, Poll: 50 * time.Millisecond, Logger: quiet}
		f       = &fleet{}
	)
	env.Values[fleetKey{}] = f
	env.Defer(func() {
		for i := len(f.close) - 1; i >= 0; i-- {
			f.close[i]()
		}
	})
	ring, err := ringOf(env)
	if err != nil {
		return err
	}
	o, err := redisstore.ParseURL("redis://" + server.Addr)
	if err != nil {
		return err
	}
	f.list = func(ctx context.Context) (*redisstore.Store, error) {
		return redisstore.Open(ctx, o, redisstore.Config{Prefix: prefix})
	}
	env.Setenv("WAFER_REDIS", "redis://"+server.Addr)
	env.Setenv("WAFER_PREFIX", prefix)
	env.Setenv("WAFER_KEK_FILE", kekFile)
	if place == "redis" {
		f.open = func(ctx context.Context) (openedRing, error) { return rediskeys.Open(ctx, o, kek, config) }
		err = errors.Join(keys.CreateKEK(kekFile), rediskeys.Create(ctx, o, kek, ring, config))
	} else {
		f.open = func(ctx context.Context) (openedRing, error) {
			return keys.OpenFile(ctx, file, kek, keys.FileConfig{Poll: 50 * time.Millisecond, Logger: quiet})
		}
		err = keys.CreateFile(ctx, file, kek, ring)
		env.Setenv("WAFER_RING", file)
	}
	if err != nil {
		return err
	}
	if place == "admin" {
		if err := f.admin(ctx, env); err != nil {
			return err
		}
	}
	return quickExit(env)
}

// ringOf returns the ring of ring.json, or a new one.
func ringOf(env *testscript.Env) (*keys.Ring, error) {
	doc, err := os.ReadFile(filepath.Join(env.WorkDir, "ring.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return keys.Generate(12 * time.Hour), nil
	} else if err != nil {
		return nil, err
	}
	return keys.Parse([]byte(strings.TrimSpace(string(doc))))
}

var prefixes atomic.Int64

// admin starts the admin API of the application. Its own replica keeps no sessions, so it does not count.
func (f *fleet) admin(ctx context.Context, env *testscript.Env) error {
	ring, list, err := f.join(ctx)
	if err != nil {
		return err
	}
	handler, err := admin.New(list, ring, admin.Config{Token: "a token of the admin API, long enough", Audit: slog.DiscardHandler})
	if err != nil {
		return err
	}
	server := httptest.NewServer(handler)
	f.close = append(f.close, func() error { server.Close(); return nil })
	env.Setenv("WAFER_RING", "")
	env.Setenv("WAFER_REDIS", "")
	env.Setenv("WAFER_ADMIN", server.URL)
	env.Setenv("WAFER_ADMIN_TOKEN", "a token of the admin API, long enough")
	return nil
}

// join opens ring and list as a replica does.
func (f *fleet) join(ctx context.Context) (openedRing, *revocation.List, error) {
	ring, err := f.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	f.close = append(f.close, ring.Close)
	store, err := f.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	f.close = append(f.close, store.Close)
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{Logger: quiet})
	if err != nil {
		return nil, nil, err
	}
	f.close = append(f.close, list.Close)
	return ring, list, nil
}

// replicas N [stuck] starts replicas of the application, and waits until the registry has them. One that
// is stuck sees no change of the ring.
func replicas(ts *testscript.TestScript, _ bool, args []string) {
	f, ctx := ts.Value(fleetKey{}).(*fleet), context.Background()
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		ring, list, err := f.join(ctx)
		ts.Check(err)
		var source keys.Source = ring
		if len(args) > 1 {
			source = keys.Static(ring.Ring())
		}
		sessions, err := httpmw.New[string](source, list, httpmw.Config{App: "shop", InsecureHTTP: true, Logger: quiet})
		ts.Check(err)
		f.running = append(f.running, sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := sessions.From(r.Context()).Set("hello"); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		})))
	}
	f.await(ts, "the replicas report their keys", func(all []revlog.Replica) bool { return len(all) == len(f.running) })
}

// visit N has N visitors begin a session at each running replica and come back once, and waits until the
// registry knows.
func visit(ts *testscript.TestScript, _ bool, args []string) {
	f := ts.Value(fleetKey{}).(*fleet)
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for _, replica := range f.running {
		for range n {
			first := httptest.NewRecorder()
			replica.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil))
			again := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
			for _, c := range first.Result().Cookies() {
				again.AddCookie(c)
			}
			replica.ServeHTTP(httptest.NewRecorder(), again)
		}
	}
	f.await(ts, "all replicas report what they sealed and opened", func(all []revlog.Replica) bool {
		return !slices.ContainsFunc(all, func(r revlog.Replica) bool {
			return !slices.ContainsFunc(r.Keys, func(k revlog.KeyUse) bool { return k.Seals > 0 && !k.Opened.IsZero() })
		})
	})
}

// await waits until what the replicas report that keep sessions is as wanted.
func (f *fleet) await(ts *testscript.TestScript, what string, ok func([]revlog.Replica) bool) {
	store, err := f.list(context.Background())
	ts.Check(err)
	defer store.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		all, err := store.Replicas(context.Background())
		ts.Check(err)
		if ok(slices.DeleteFunc(all, func(r revlog.Replica) bool { return len(r.Keys) == 0 })) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still waiting: %s: %+v", what, all)
		}
		<-time.After(20 * time.Millisecond)
	}
}
