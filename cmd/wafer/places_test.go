package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// TestKeysInEveryPlace runs the same scripts with the ring in a file, in Redis, and behind the admin API
// of an application. What the commands do and say is the same. The scripts name the place through
// variables of the environment.
//
// If a script has a ring.json, that is the ring.
func TestKeysInEveryPlace(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes")
	for _, place := range []string{"file", "redis", "admin"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/places",
				RequireExplicitExec: true,
				Condition:           func(name string) (bool, error) { return name == place, nil },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "kid": kid,
				},
				Setup: func(env *testscript.Env) error { return openPlace(env, place, server) },
			})
		})
	}
}

// fleet is what a script has of the application whose ring it changes.
type fleet struct {
	place string
	open  func(context.Context) (openedRing, error) // as a replica does
	list  func(context.Context) (*redisstore.Store, error)
	close []func() error
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
		f       = &fleet{place: place}
	)
	env.Values[fleetKey{}] = f
	env.Defer(func() {
		for i := len(f.close) - 1; i >= 0; i-- {
			f.close[i]()
		}
	})
	ring := keys.Generate(12 * time.Hour)
	doc, err := os.ReadFile(filepath.Join(env.WorkDir, "ring.json"))
	if err == nil {
		ring, err = keys.Parse([]byte(strings.TrimSpace(string(doc))))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	if place == "admin" { // its own replica does not count, since it keeps no sessions
		url, err := f.admin(ctx)
		if err != nil {
			return err
		}
		env.Setenv("WAFER_RING", "")
		env.Setenv("WAFER_REDIS", "")
		env.Setenv("WAFER_ADMIN", url)
		env.Setenv("WAFER_ADMIN_TOKEN", "a token of the admin API, long enough")
	}
	return quickExit(env)
}

var prefixes atomic.Int64

// admin starts the admin API of the application, and returns its address.
func (f *fleet) admin(ctx context.Context) (string, error) {
	ring, list, err := f.join(ctx)
	if err != nil {
		return "", err
	}
	handler, err := admin.New(list, ring, admin.Config{Token: "a token of the admin API, long enough", Logger: quiet})
	if err != nil {
		return "", err
	}
	server := httptest.NewServer(handler)
	f.close = append(f.close, func() error { server.Close(); return nil })
	return server.URL, nil
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
