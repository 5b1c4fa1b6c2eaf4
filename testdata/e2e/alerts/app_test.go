package alerts

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wafer-sessions/wafer/httpmw"
	wafer "github.com/wafer-sessions/wafer/httpmw/prom"
	"github.com/wafer-sessions/wafer/internal/apptest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// appEnv holds the settings of a process of an application that starts without its Redis, which a demo
// does not. Without it the test binary is a test.
const appEnv = "WAFER_ALERTS_APP"

// settings of the application.
type settings struct {
	Redis, Ring, KEK, Addr string
}

func TestMain(m *testing.M) {
	apptest.Main(appEnv, serveApp)
	os.Exit(m.Run())
}

// serveApp prints its address, and serves until its standard input ends.
func serveApp(s settings) error {
	ctx := context.Background()
	ring, err := keys.OpenFile(ctx, s.Ring, keys.KEKFile(s.KEK), keys.FileConfig{Create: true})
	if err != nil {
		return err
	}
	defer ring.Close()
	o, err := redisstore.ParseURL(s.Redis)
	if err != nil {
		return err
	}
	store, err := redisstore.Open(ctx, o, redisstore.Config{Prefix: "another", AllowVolatile: true, AllowSplit: true, StartWithoutStore: true})
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{StartWithoutStore: true})
	if err != nil {
		return err
	}
	defer list.Close()
	handler, err := routes(ring, list)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	io.Copy(io.Discard, os.Stdin)
	return server.Shutdown(ctx)
}

// routes are what the application serves.
func routes(ring keys.Source, list *revocation.List) (http.Handler, error) {
	sessions, err := httpmw.New[struct{}](ring, list, httpmw.Config{App: "booting", InsecureHTTP: true})
	if err != nil {
		return nil, err
	}
	metrics, err := wafer.New(wafer.Parts{Apps: map[string]wafer.Manager{"booting": sessions}, List: list, Keys: ring})
	if err != nil {
		return nil, err
	}
	registry := prom.NewRegistry()
	registry.MustRegister(metrics)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ada", Since: sessions.Now(r.Context())}); err != nil {
			sessions.Fail(w, r, err)
		}
	})
	mux.Handle("GET /api/session", sessions.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	return sessions.Handler(mux), nil
}
