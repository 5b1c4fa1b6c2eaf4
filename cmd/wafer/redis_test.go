package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
)

// TestRedisScripts runs the commands that need a Redis, or an application with an
// admin API. Each script has its own prefix.
func TestRedisScripts(t *testing.T) {
	safeServer := redistest.Start(t, "--appendonly", "yes")
	unsafe := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	ring := keys.Generate(0)
	list, err := revocation.Open(t.Context(), revocation.NewMemory(), ring, revocation.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	handler, err := admin.New(list, keys.Static(ring), admin.Config{
		Token: "a token of the admin API, long enough", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.StripPrefix("/admin", handler))
	t.Cleanup(app.Close)
	kek := sha256.Sum256([]byte(t.Name()))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/redis",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			// lines FILE N writes N ids, one a line.
			"lines": func(ts *testscript.TestScript, _ bool, args []string) {
				var b strings.Builder
				for i := range must(args[1]) {
					sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
					b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:16]) + "\n")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
			},
			// bolt FILE begins a list in a file with the ring of ring.jwe, and lets go of it.
			"bolt": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(beginBolt(ts.MkAbs(args[0]), ts.MkAbs("ring.jwe"), ts.MkAbs("kek")))
			},
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("REDIS", "redis://"+safeServer.Addr)
			env.Setenv("UNSAFE", "redis://"+unsafe.Addr)
			env.Setenv("ADMIN", app.URL+"/admin")
			env.Setenv("PREFIX", filepath.Base(env.WorkDir))
			env.Setenv("WAFER_KEK", base64.RawURLEncoding.EncodeToString(kek[:]))
			return nil
		},
	})
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
