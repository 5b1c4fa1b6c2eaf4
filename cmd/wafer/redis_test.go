package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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
	"github.com/wafer-sessions/wafer/revocation/boltstore"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// TestRedisScripts runs the commands that need a Redis, or an application with an
// admin API. Each script has its own prefix.
func TestRedisScripts(t *testing.T) {
	safeServer := redistest.Start(t, "--appendonly", "yes")
	unsafe := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	ring := keys.Generate(0)
	log := &records{}
	logger := slog.New(slog.NewTextHandler(log, nil)) // of the applications
	app := serveAdmin(t, revlog.NewMemory(), keys.Static(ring), logger)
	file, leaky := ringFile(t), ringFile(t)
	keeper := serveAdmin(t, revlog.NewMemory(), file, logger)
	outage := &silent{Memory: revlog.NewMemory()}
	cutOff := serveAdmin(t, outage, keys.Static(ring), logger)
	leakyOutage := &silent{Memory: revlog.NewMemory()}
	leakyCutOff := serveAdmin(t, leakyOutage, leaky, logger)
	unlisted := ringFile(t)
	listless := serveAPI(t, revocation.Disabled(unlisted.Ring()), unlisted, logger)
	gateway := impatient(t, keeper)
	mutualList, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mutualList.Close() })
	mutual, writeCertificates := serveTLS(t, mutualList, keys.Static(ring), logger)
	outage.on.Store(true)
	leakyOutage.on.Store(true)
	kek := sha256.Sum256([]byte(t.Name()))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/redis",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"kid":   kid,
			// shared VARIABLE PREFIX makes a ring in Redis, and names its key.
			"shared": func(ts *testscript.TestScript, _ bool, args []string) {
				o, err := redisstore.ParseURL("redis://" + safeServer.Addr)
				ts.Check(err)
				r, err := rediskeys.Open(t.Context(), o,
					keys.KEKFunc(func(context.Context) ([]byte, error) { return kek[:], nil }),
					rediskeys.Config{Prefix: args[1], Create: true, Poll: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
				ts.Check(err)
				ts.Setenv(args[0], r.Ring().Keys()[0].ID())
				ts.Check(r.Close())
			},
			// audited TEXT wants it in the audit log of the applications.
			"audited": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) != 1 || !strings.Contains(log.String(), args[0]) {
					ts.Fatalf("%q is not in the audit log:\n%s", args, log)
				}
			},
			// found WORD FILE wants the word in one file to be in another.
			"found": func(ts *testscript.TestScript, _ bool, args []string) {
				if word := strings.TrimSpace(ts.ReadFile(args[0])); word == "" || !strings.Contains(ts.ReadFile(args[1]), word) {
					ts.Fatalf("%q is not found", word)
				}
			},
			// redis ARGS sends a command, for a fault.
			"redis": func(ts *testscript.TestScript, _ bool, args []string) { safeServer.Do(args...) },
			// lose PREFIX deletes the newest entry of a log.
			"lose": func(ts *testscript.TestScript, _ bool, args []string) {
				log := "{" + args[0] + "}:log"
				id, _, _ := strings.Cut(safeServer.Do("XREVRANGE", log, "+", "-", "COUNT", "1"), "\n")
				safeServer.Do("XDEL", log, id)
			},
			// lines FILE N writes N ids, one a line.
			"lines": func(ts *testscript.TestScript, _ bool, args []string) {
				var b strings.Builder
				for i := range must(args[1]) {
					sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
					b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:16]) + "\n")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
			},
			// latin1 FILE writes ids that are not all UTF-8.
			"latin1": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("ada\nren\xe9\n"), 0o600))
			},
			// bolt FILE begins a list in a file with the ring of ring.jwe, and lets go of it.
			"bolt": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(beginBolt(ts.MkAbs(args[0]), ts.MkAbs("ring.jwe"), ts.MkAbs("kek")))
			},
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("REDIS", "redis://"+safeServer.Addr)
			env.Setenv("TLS", "rediss://"+safeServer.Addr)
			env.Setenv("UNSAFE", "redis://"+unsafe.Addr)
			env.Setenv("ADMIN", app+"/admin")       // of an application that cannot change its ring
			env.Setenv("KEEPER", keeper+"/admin")   // of one that can
			env.Setenv("GATEWAY", gateway+"/admin") // in front of that one
			env.Setenv("LISTLESS", listless+"/admin")
			env.Setenv("LISTLESSKEY", unlisted.Ring().Keys()[0].ID())
			env.Setenv("STATICKEY", ring.Keys()[0].ID())
			env.Setenv("KEEPERKEY", file.Ring().Keys()[0].ID())
			env.Setenv("SITE", app)
			env.Setenv("OUTAGE", cutOff+"/admin")
			env.Setenv("LEAKYOUTAGE", leakyCutOff+"/admin") // of one that can change its ring
			env.Setenv("LEAKYKEY", leaky.Ring().Keys()[0].ID())
			env.Setenv("TLSADMIN", mutual) // wants a client certificate
			if err := writeCertificates(env.WorkDir); err != nil {
				return err
			}
			env.Setenv("PREFIX", filepath.Base(env.WorkDir))
			env.Setenv("WAFER_KEK", base64.RawURLEncoding.EncodeToString(kek[:]))
			return quickExit(env)
		},
	})
}

// ringFile makes a ring in a file.
func ringFile(t *testing.T) *keys.File {
	t.Helper()
	file, err := keys.OpenFile(t.Context(), filepath.Join(t.TempDir(), "ring.json"), keys.InsecurePlaintext(),
		keys.FileConfig{Create: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// serveAdmin starts an application with an admin API, a list in s and this ring.
func serveAdmin(t *testing.T, s revlog.Store, source keys.Source, log *slog.Logger) (url string) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	list, err := revocation.Open(t.Context(), s, source.Ring(), revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	return serveAPI(t, list, source, log)
}

// serveAPI starts an application with an admin API over this list and this ring.
func serveAPI(t *testing.T, list *revocation.List, source keys.Source, log *slog.Logger) (url string) {
	t.Helper()
	handler, err := admin.New(list, source, admin.Config{Token: "a token of the admin API, long enough", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.StripPrefix("/admin", handler))
	t.Cleanup(app.Close)
	return app.URL
}

// impatient starts a proxy that lets reads through and does not wait for changes.
func impatient(t *testing.T, application string) (address string) {
	t.Helper()
	target, err := url.Parse(application)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			through.ServeHTTP(w, r)
			return
		}
		http.Error(w, "no answer in time", http.StatusGatewayTimeout)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// silent is a store that can cease to answer.
type silent struct {
	*revlog.Memory
	on atomic.Bool
}

var errSilent = errors.New("no answer")

func (s *silent) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	if s.on.Load() {
		return revlog.Page{}, errSilent
	}
	return s.Memory.Read(ctx, c)
}

func (s *silent) Write(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	if s.on.Load() {
		return revlog.Written{}, errSilent
	}
	return s.Memory.Write(ctx, w)
}

func (s *silent) Confirm(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	if s.on.Load() {
		return revlog.Answer{}, errSilent
	}
	return s.Memory.Confirm(ctx, q)
}

func (s *silent) Replicas(ctx context.Context) ([]revlog.Replica, error) {
	if s.on.Load() {
		return nil, errSilent
	}
	return s.Memory.Replicas(ctx)
}

func must(s string) (n int) {
	for _, r := range s {
		n = n*10 + int(r-'0')
	}
	return n
}

func beginBolt(path, ringFile, kekFile string) error {
	ctx := context.Background()
	ring, err := keys.OpenFile(ctx, ringFile, keys.KEKFile(kekFile), keys.FileConfig{PollOnly: true})
	if err != nil {
		return err
	}
	defer ring.Close()
	s, err := boltstore.Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := revocation.Open(ctx, s, ring.Ring(), revocation.Config{})
	if err != nil {
		return err
	}
	return l.Close()
}
