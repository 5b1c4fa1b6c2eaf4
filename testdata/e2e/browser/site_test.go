package browser

import (
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// Hosts on this machine. For a browser the first two are one site, because they share a registrable domain.
const (
	home    = "app.wafer.test"
	sibling = "evil.wafer.test"
	foreign = "elsewhere.test"
)

const adminToken = "a-token-of-43-characters-for-a-site-of-tests"

// A site is an application at home with a console, over https and over http. Other hosts serve empty pages.
type site struct {
	t                     *testing.T
	httpPort, httpsPort   string
	withSession, embedded atomic.Int64 // requests to /pixel with a session, and all of them
}

func newSite(t *testing.T, c httpmw.Config) *site {
	t.Helper()
	c.App, c.Logger = "app", slog.New(slog.DiscardHandler)
	ring, s := keys.Generate(0), &site{t: t}
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: c.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[struct{}](keys.Static(ring), list, c)
	if err != nil {
		t.Fatal(err)
	}
	operators, err := console.New(list, keys.Static(ring), console.Config{Admin: admin.Config{Token: adminToken, Actor: "operator", Hosts: []string{home}}, InsecureHTTP: c.InsecureHTTP, Logger: c.Logger})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(home+"/admin/", http.StripPrefix("/admin", operators))
	mux.Handle(home+"/", http.NewCrossOriginProtection().Handler(m.Handler(s.routes(m))))
	mux.HandleFunc("GET /blank", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>Blank</title><link rel="icon" href="data:,">`)
	})
	for _, pattern := range []string{"GET /set", "GET " + home + "/set"} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { // a response that an attacker wrote
			w.Header().Set("Set-Cookie", r.URL.Query().Get("line"))
		})
	}
	s.httpPort, s.httpsPort = s.serve(mux, (*httptest.Server).Start), s.serve(mux, (*httptest.Server).StartTLS)
	return s
}

// serve returns the port of a server that ends after the tabs that the test opens.
func (s *site) serve(h http.Handler, start func(*httptest.Server)) string {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // a browser that dislikes a certificate hangs up once
	start(server)
	s.t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return port
}

func (s *site) https(host, path string) string {
	return "https://" + net.JoinHostPort(host, s.httpsPort) + path
}
func (s *site) http(host, path string) string {
	return "http://" + net.JoinHostPort(host, s.httpPort) + path
}

func (s *site) routes(m *httpmw.Manager[struct{}]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>%s</h1>
			<form method="post" action="/login"><label>Name <input name="user" autocomplete="username"></label><button>Log in</button></form>`,
			html.EscapeString(m.From(r.Context()).Subject()))
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := m.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: r.PostFormValue("user")}); err != nil {
			m.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.From(r.Context()).Logout(r.Context()); err != nil {
			m.Fail(w, r, err)
		}
	})
	mux.HandleFunc("GET /pixel", func(_ http.ResponseWriter, r *http.Request) {
		if m.From(r.Context()).LoggedIn() {
			s.withSession.Add(1)
		}
		s.embedded.Add(1)
	})
	mux.Handle("GET /ticks", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := m.From(r.Context()).Watch(r.Context())
		defer cancel()
		for ctx.Err() == nil {
			fmt.Fprint(w, "data: tick\n\n")
			http.NewResponseController(w).Flush()
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})))
	return mux
}

// login logs a user in at home and returns the tab.
func (s *site) login(p *browsertest.Profile, url, user string) *browsertest.Tab {
	s.t.Helper()
	b := p.Tab(url)
	b.Fill("input[name=user]", user)
	b.Click("button")
	b.Await("logged in", fmt.Sprintf(`document.readyState === "complete" && document.querySelector("h1").textContent === %q`, user))
	return b
}
