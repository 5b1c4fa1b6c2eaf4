package tab

import (
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// An app is two replicas of an application with short limits, and a load balancer that picks one for each request.
type app struct {
	url      string
	sessions []*httpmw.Manager[struct{}]
	lists    []*revocation.List
	leaving  atomic.Int64 // the replica that gets no more requests; -1: none
	renewed  atomic.Int64 // responses that set a cookie, of GET requests below /tab/
}

// policy forbids whatever is not needed.
const policy = "default-src 'none'; img-src data:; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

func newApp(t *testing.T, c httpmw.Config) *app {
	t.Helper()
	c.InsecureHTTP, c.Logger = true, slog.New(slog.NewTextHandler(io.Discard, nil))
	ring, store, a := keys.Generate(0), revlog.NewMemory(), &app{}
	a.leaving.Store(-1)
	var handlers []http.Handler
	for range 2 {
		list, err := revocation.Open(t.Context(), store, ring, revocation.Config{Logger: c.Logger})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { list.Close() })
		m, err := httpmw.New[struct{}](keys.Static(ring), list, c)
		if err != nil {
			t.Fatal(err)
		}
		a.lists, a.sessions = append(a.lists, list), append(a.sessions, m)
		handlers = append(handlers, http.NewCrossOriginProtection().Handler(m.Handler(routes(m))))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := rand.N(2)
		if int64(i) == a.leaving.Load() {
			i = 1 - i
		}
		handlers[i].ServeHTTP(w, r)
		if r.Method == http.MethodGet && r.URL.Path != "/" && w.Header().Get("Set-Cookie") != "" {
			a.renewed.Add(1)
		}
	}))
	t.Cleanup(server.Close) // the tabs are closed by then, so no stream is left
	a.url = server.URL
	return a
}

func routes(m *httpmw.Manager[struct{}]) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/tab/", m.Tab())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,">
			<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
			<script src="/tab/tab.js" data-login="/?login" defer></script><h1 id="who">Hello %s</h1>
			<form method="post" action="/login"><input name="user"><button id="login">Log in</button></form>
			<form method="post" action="/logout"><button id="logout">Log out</button></form>
			<form method="post" action="/others"><button id="others">Log out others</button></form>`, html.EscapeString(s.Subject()))
	})
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,">`)
	})
	then := func(pattern string, do func(*httpmw.Session[struct{}], *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := do(m.From(r.Context()), r); err != nil {
				m.Fail(w, r, err)
				return
			}
			http.Redirect(w, r, "/", http.StatusSeeOther)
		})
	}
	then("POST /login", func(s *httpmw.Session[struct{}], r *http.Request) error {
		return s.Login(r.Context(), httpmw.Identity{Subject: r.PostFormValue("user")})
	})
	then("POST /logout", func(s *httpmw.Session[struct{}], r *http.Request) error { return s.Logout(r.Context()) })
	then("POST /others", func(s *httpmw.Session[struct{}], r *http.Request) error { return s.LogoutOthers(r.Context()) })
	return mux
}

// awaitStreams waits until so many streams are open in all replicas.
func (a *app) awaitStreams(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(browsertest.Patience); ; time.Sleep(5 * time.Millisecond) {
		n := 0
		for _, m := range a.sessions {
			n += m.Stats().Streams
		}
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d streams, want %d", n, want)
		}
	}
}
