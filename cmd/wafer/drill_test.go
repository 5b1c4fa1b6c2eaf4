package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/cmd/wafer/internal/demo"
)

// TestDrill runs each script with a demo of its own.
func TestDrill(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for replicas and servers")
	}
	t.Parallel()
	lax := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // accepts everybody
	t.Cleanup(lax.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/drill",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "signin": signIn},
		Setup: func(env *testscript.Env) error {
			const token = "a token of the admin API, long enough"
			ctx, stop := context.WithCancel(context.Background())
			d, err := demo.Open(ctx, demo.Config{Addr: "127.0.0.1:0", AdminToken: token, Logger: quiet})
			if err != nil {
				stop()
				return err
			}
			served := make(chan error, 1)
			go func() { served <- d.Serve(ctx) }()
			env.Defer(func() {
				stop()
				<-served
				d.Close()
			})
			env.Setenv("DEMO", d.URL())
			env.Setenv("LAX", lax.URL)
			env.Setenv("WAFER_ADMIN", d.URL()+"/admin")
			env.Setenv("WAFER_ADMIN_TOKEN", token)
			return quickExit(env)
		},
	})
}

// signin FILE signs in at the demo, and writes the Cookie header of the session.
func signIn(ts *testscript.TestScript, _ bool, args []string) {
	answer, err := http.DefaultTransport.RoundTrip(loginAt(ts.Getenv("DEMO")))
	ts.Check(err)
	answer.Body.Close()
	var cookies []string
	for _, c := range answer.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("Cookie: "+strings.Join(cookies, "; ")+"\n"), 0o600))
}

func loginAt(address string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, address+"/login", strings.NewReader(url.Values{"user": {"ada"}}.Encode()))
	if err != nil {
		panic(err) // the address is a URL
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// Browsers and curl write the name of the Cookie header in different ways.
func TestDrillReadsACookieHeader(t *testing.T) {
	for _, text := range []string{"Cookie: a=b:c; d=e", "cookie: a=b:c; d=e", "a=b:c; d=e\n"} {
		file := filepath.Join(t.TempDir(), "cookie")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := newDrillSession(&keyDrill{cookieFile: file, urls: []string{"http://127.0.0.1:1"}})
		if err != nil || s.cookie != "a=b:c; d=e" {
			t.Errorf("%q: %q, %v", text, s.cookie, err)
		}
	}
}
