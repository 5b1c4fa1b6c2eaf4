package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/apptest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// appEnv holds the settings of a process of the application. Without it the test binary is a test.
const appEnv = "WAFER_E2E_APP"

// settings of one process of the application.
type settings struct {
	Redis string   // as redisstore.ParseURL reads it
	KEKs  []string // files of the KEKs; the first seals
}

const (
	within   = 2 * time.Second // S: what an application gets that asks for nothing
	ringPoll = 250 * time.Millisecond
)

func TestMain(m *testing.M) {
	apptest.Main(appEnv, serveApp)
	os.Exit(m.Run())
}

// serveApp is the main function of a process of the application. It prints its address, and serves
// until its standard input ends.
func serveApp(s settings) error {
	ctx := context.Background()
	o, err := redisstore.ParseURL(s.Redis)
	if err != nil {
		return err
	}
	store, err := redisstore.Open(ctx, o, redisstore.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	ring, err := rediskeys.Open(ctx, o, kekOf(s.KEKs), rediskeys.Config{Poll: ringPoll})
	if err != nil {
		return err
	}
	defer ring.Close()
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{Within: within})
	if err != nil {
		return err
	}
	defer list.Close()
	sessions, err := httpmw.New[data](ring, list, httpmw.Config{
		InsecureHTTP: true, Refuse: refuse, Logger: slog.Default(),
		Idle: time.Minute, Absolute: time.Hour, // so that sessions are renewed within the test
		Remember: httpmw.Limits{Idle: 2 * time.Hour, Absolute: 24 * time.Hour},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: sessions.Handler(routes(sessions))}
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	io.Copy(io.Discard, os.Stdin)
	ending, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return httpmw.Shutdown(ending, list, 0, server)
}

// kekOf returns the KEK of some files.
func kekOf(files []string) keys.KEK {
	var all []keys.KEK
	for _, f := range files {
		all = append(all, keys.KEKFile(f))
	}
	return keys.KEKs(all[0], all[1:]...)
}

// data is what the application keeps in a session.
type data struct{ Writes int }

// reply is the body of every answer of the application.
type reply struct {
	ID     string
	Writes int
	Error  string `json:",omitempty"`
}

func routes(m *httpmw.Manager[data]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		id := httpmw.Identity{Since: m.Now(r.Context()), Subject: r.FormValue("user"), Remember: r.FormValue("remember") != ""}
		finish(m, w, r, s.Login(r.Context(), id))
	})
	mux.Handle("GET /me", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { finish(m, w, r, nil) })))
	mux.Handle("POST /write", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		finish(m, w, r, m.From(r.Context()).Update(func(d *data) error { d.Writes++; return nil }))
	})))
	return mux
}

// finish answers with what became of the session.
func finish(m *httpmw.Manager[data], w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		m.Fail(w, r, err)
		return
	}
	s := m.From(r.Context())
	answer(w, http.StatusOK, reply{ID: s.ID(), Writes: s.Value().Writes})
}

// refuse is how Require and Fail answer.
func refuse(w http.ResponseWriter, _ *http.Request, status int, err error) {
	answer(w, status, reply{Error: err.Error()})
}

func answer(w http.ResponseWriter, status int, r reply) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(r)
}
