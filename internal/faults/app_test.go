package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// within and grace are Config.Within and Config.Grace. within is the default. grace is short enough
// to end within a history.
const (
	within = 2 * time.Second
	grace  = 20 * time.Second
)

// appEnv holds the settings of a process of the application. Without it, the test binary runs
// tests.
const appEnv = "WAFER_FAULTS_APP"

// settings of one process of the application.
type settings struct {
	Redis       string // as redisstore.ParseURL reads it
	Link        string // address of the link through which it reaches everything
	Ring        string // path of the key ring; "": it is kept in Redis too
	KEK         string // path of the key of the ring
	Lists       int    // how many lists this process opens, each with connections of its own
	AckReplicas int
}

// data is what the application keeps in a session.
type data struct{ Writes int }

// reply is the body of every answer of the application.
type reply struct {
	ID    string `json:",omitempty"` // of the session, after the request
	Error string `json:",omitempty"`
}

// serveApp is the main function of a process of the application. It prints its address,
// serves until its standard input ends, and then closes its lists.
func serveApp(s settings) error {
	slog.SetLogLoggerLevel(slog.LevelInfo)
	ctx := context.Background()
	ring, err := openRing(ctx, s)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	var lists []*revocation.List
	for n := range s.Lists {
		l, h, err := newReplica(ctx, s, ring)
		if err != nil {
			return err
		}
		lists = append(lists, l)
		prefix := "/" + strconv.Itoa(n)
		mux.Handle(prefix+"/", http.StripPrefix(prefix, h))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	io.Copy(io.Discard, os.Stdin)
	server.Close()
	var closing sync.WaitGroup
	for _, l := range lists {
		closing.Go(func() { l.Close() })
	}
	closing.Wait()
	return nil
}

// openRing opens the key ring, from a file or from Redis.
func openRing(ctx context.Context, s settings) (keys.Source, error) {
	if s.Ring != "" {
		return keys.OpenFile(ctx, s.Ring, keys.KEKFile(s.KEK), keys.FileConfig{})
	}
	o, err := redisstore.ParseURL(s.Redis)
	if err != nil {
		return nil, err
	}
	o.Dialer = dialer(s.Link)
	return rediskeys.Open(ctx, o, keys.KEKFile(s.KEK), rediskeys.Config{Create: true, AllowVolatile: true})
}

// newReplica opens one list and returns the application that uses it.
func newReplica(ctx context.Context, s settings, ring keys.Source) (*revocation.List, http.Handler, error) {
	o, err := redisstore.ParseURL(s.Redis)
	if err != nil {
		return nil, nil, err
	}
	o.Dialer = dialer(s.Link)
	store, err := redisstore.Open(ctx, o, redisstore.Config{AllowVolatile: true, AllowSplit: true})
	if err != nil {
		return nil, nil, err
	}
	c := revocation.Config{Within: within, Grace: grace}
	c.Ack.Replicas = s.AckReplicas
	list, err := revocation.Open(ctx, store, ring.Ring(), c)
	if err != nil {
		return nil, nil, err
	}
	sessions, err := httpmw.New[data](ring, list, httpmw.Config{InsecureHTTP: true, Refuse: refuse})
	if err != nil {
		return nil, nil, err
	}
	a := &app{list, sessions}
	return list, a.routes(), nil
}

// An app is the application on one list.
type app struct {
	list     *revocation.List
	sessions *httpmw.Manager[data]
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	need := a.sessions.Require
	fresh := a.sessions.RequireThat(httpmw.Requirements{FreshList: true})
	mux.HandleFunc("POST /login", a.login)
	mux.Handle("GET /me", need(a.then(func(*http.Request, *httpmw.Session[data]) error { return nil })))
	mux.Handle("GET /fresh", fresh(a.then(func(*http.Request, *httpmw.Session[data]) error { return nil })))
	mux.Handle("POST /write", need(a.then(func(_ *http.Request, s *httpmw.Session[data]) error {
		return s.Update(func(d *data) error { d.Writes++; return nil })
	})))
	mux.Handle("POST /switch", need(a.then(func(r *http.Request, s *httpmw.Session[data]) error {
		return s.SetGroups(r.Context(), r.URL.Query()["group"])
	})))
	mux.Handle("POST /others", need(a.then(func(r *http.Request, s *httpmw.Session[data]) error {
		return s.LogoutOthers(r.Context())
	})))
	mux.Handle("POST /logout", a.then(func(r *http.Request, s *httpmw.Session[data]) error { return s.Logout(r.Context()) }))

	root := http.NewServeMux()
	root.Handle("/", a.sessions.Handler(mux))
	root.HandleFunc("POST /revoke", a.revoke)
	root.HandleFunc("POST /fill", a.fill)
	root.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, reply{}) })
	return root
}

// then calls do and answers with the state of the session after it.
func (a *app) then(do func(*http.Request, *httpmw.Session[data]) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := a.sessions.From(r.Context())
		if err := do(r, s); err != nil {
			a.sessions.Fail(w, r, err)
			return
		}
		answer(w, http.StatusOK, reply{ID: s.ID()})
	})
}

// login accepts every user. A real application checks a password after it takes since.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	id := httpmw.Identity{Since: a.sessions.Now(r.Context()), Subject: r.FormValue("user"), Groups: r.URL.Query()["group"]}
	s := a.sessions.From(r.Context())
	if err := s.Login(r.Context(), id); err != nil {
		a.sessions.Fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, reply{ID: s.ID()})
}

func (a *app) revoke(w http.ResponseWriter, r *http.Request) {
	target := revocation.Everyone()
	switch id := r.FormValue("id"); r.FormValue("scope") {
	case "session":
		target = revocation.Session(id)
	case "subject":
		target = revocation.Subject(id)
	case "group":
		target = revocation.Group(id)
	}
	if _, err := a.list.Revoke(r.Context(), target, revocation.Options{}); err != nil {
		answer(w, http.StatusServiceUnavailable, reply{Error: err.Error()})
		return
	}
	answer(w, http.StatusOK, reply{})
}

// fill revokes many subjects without sessions.
func (a *app) fill(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	var writers sync.WaitGroup
	for i := range 50 {
		writers.Go(func() {
			for j := i; j < n; j += 50 {
				a.list.Revoke(r.Context(), revocation.Subject(r.FormValue("name")+strconv.Itoa(j)), revocation.Options{})
			}
		})
	}
	writers.Wait()
	answer(w, http.StatusOK, reply{})
}

// refuse writes the answer of Require and Fail.
func refuse(w http.ResponseWriter, _ *http.Request, status int, err error) {
	answer(w, status, reply{Error: err.Error()})
}

func answer(w http.ResponseWriter, status int, r reply) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(r)
}

// dialer reaches every address through the link.
func dialer(link string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", link)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(c, addr+"\n"); err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	}
}
