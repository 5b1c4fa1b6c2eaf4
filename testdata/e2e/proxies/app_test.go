package proxies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/apptest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// appEnv holds the settings of a replica. Without it the test binary is a test.
const appEnv = "WAFER_PROXIES_APP"

// settings of one replica.
type settings struct {
	Replica    int
	Redis      string        // as redisstore.ParseURL reads it
	Ring       string        // the file; its KEK is beside it
	Idle       time.Duration // of httpmw.Config
	Grace      time.Duration // of revocation.Config
	Notice     time.Duration // of httpmw.Shutdown
	AdminToken string
	Audit      string // the file that audit records are appended to
	App, Admin string // where to listen
}

const within = 2 * time.Second // S: what an application gets that asks for nothing

func TestMain(m *testing.M) {
	apptest.Main(appEnv, serveApp)
	os.Exit(m.Run())
}

// serveApp is the main function of a replica. It prints its two addresses, and serves until its
// standard input ends. Nothing in it knows that a proxy is in front, but for clientAddress.
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
	ring, err := keys.OpenFile(ctx, s.Ring, keys.KEKFile(s.Ring+".kek"), keys.FileConfig{})
	if err != nil {
		return err
	}
	defer ring.Close()
	file, err := os.OpenFile(s.Audit, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	records := slog.NewJSONHandler(file, nil)
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{Within: within, Grace: s.Grace, Audit: records})
	if err != nil {
		return err
	}
	defer list.Close()
	api, err := admin.New(list, ring, admin.Config{Token: s.AdminToken, Hosts: []string{"admin.example"}, Audit: records})
	if err != nil {
		return err
	}
	a := &app{settings: s, api: api}
	if a.one, err = httpmw.New[data](ring, list, httpmw.Config{Idle: s.Idle, Refuse: a.refuse}); err != nil {
		return err
	}
	if a.three, err = httpmw.New[data](ring, list, httpmw.Config{App: "large", MaxCookies: 3, Idle: s.Idle, Refuse: a.refuse}); err != nil {
		return err
	}
	return a.serve(list)
}

// An app is the replica of this process. Its sessions are in one cookie, and below /three/ they may
// be spread over three.
type app struct {
	settings
	one, three *httpmw.Manager[data]
	api        http.Handler
	probes     atomic.Int64 // requests for /readyz
}

// data is what the application keeps in a session.
type data struct {
	Writes int
	Bulk   string
}

// reply is the body of every answer of the application.
type reply struct {
	Replica, PID int
	Probes       int64
	ID           string
	Writes       int
	Cut          int    // by how many bytes the data is too large
	Error        string `json:",omitempty"`
	Undecided    bool
}

func (a *app) serve(list *revocation.List) error {
	proxies := netip.MustParsePrefix("127.0.0.0/30")
	var servers []*http.Server
	for _, part := range []struct {
		addr    string
		handler http.Handler
	}{{a.App, a.routes()}, {a.Admin, a.api}} {
		listener, err := listen(part.addr)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: clientAddress(proxies, part.handler)}
		servers = append(servers, server)
		go server.Serve(listener)
		fmt.Print(listener.Addr(), " ")
	}
	fmt.Println()
	io.Copy(io.Discard, os.Stdin)
	ending, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return httpmw.Shutdown(ending, list, a.Notice, servers...)
}

// listen waits for the port: a connection to somebody else may have taken it while the replica was
// away.
func listen(addr string) (l net.Listener, err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if l, err = net.Listen("tcp", addr); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// clientAddress puts the address of the client into r.RemoteAddr, which is that of the proxy
// otherwise. It believes only proxies, and of what they say only the last address.
func clientAddress(proxies netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && proxies.Contains(peer.Addr().Unmap()) {
			said := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
			last := strings.TrimSpace(said[strings.LastIndex(said, ",")+1:])
			if client, err := netip.ParseAddr(last); err == nil {
				r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		a.probes.Add(1)
		a.api.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /public", func(w http.ResponseWriter, _ *http.Request) { a.answer(w, http.StatusOK, reply{}) })
	mux.Handle("/", a.one.Handler(a.pages(a.one)))
	mux.Handle("/three/", http.StripPrefix("/three", a.three.Handler(a.pages(a.three))))
	return http.NewCrossOriginProtection().Handler(mux)
}

func (a *app) pages(m *httpmw.Manager[data]) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/tab/", m.Tab())
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark", Path: "/", Secure: true})
		id := httpmw.Identity{Since: m.Now(r.Context()), Subject: r.FormValue("user")}
		a.finish(m, w, r, m.From(r.Context()).Login(r.Context(), id))
	})
	mux.Handle("GET /me", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.finish(m, w, r, nil) })))
	mux.Handle("POST /write", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.finish(m, w, r, m.From(r.Context()).Update(func(d *data) error { d.Writes++; return nil }))
	})))
	mux.Handle("POST /bulk", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		usualHeaders(w.Header())
		if n := number(r, "pad"); n > 0 {
			w.Header().Set("X-Pad", strings.Repeat("p", n-len("X-Pad: \r\n")))
		}
		a.finish(m, w, r, m.From(r.Context()).Update(func(d *data) error { d.Bulk = strings.Repeat("b", number(r, "n")); return nil }))
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		err := m.From(r.Context()).Logout(r.Context())
		if err != nil {
			m.Fail(w, r, err)
			return
		}
		a.answer(w, http.StatusOK, reply{})
	})
	return mux
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return n
}

// usualHeaders are what careful applications send with a page.
func usualHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// finish answers with what became of the session.
func (a *app) finish(m *httpmw.Manager[data], w http.ResponseWriter, r *http.Request, err error) {
	var size *httpmw.SizeError
	switch {
	case errors.As(err, &size):
		a.answer(w, http.StatusInsufficientStorage, reply{Cut: size.Cut})
	case err != nil:
		m.Fail(w, r, err)
	default:
		s := m.From(r.Context())
		a.answer(w, http.StatusOK, reply{ID: s.ID(), Writes: s.Value().Writes})
	}
}

// refuse is how Require and Fail answer.
func (a *app) refuse(w http.ResponseWriter, _ *http.Request, status int, err error) {
	a.answer(w, status, reply{Error: err.Error(), Undecided: errors.Is(err, httpmw.ErrUndecided)})
}

func (a *app) answer(w http.ResponseWriter, status int, r reply) {
	r.Replica, r.PID, r.Probes = a.Replica, os.Getpid(), a.probes.Load()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(r)
}
