// Package console serves a page on which operators revoke sessions, look them up, rotate keys and watch
// the replicas. It is a face for the API of package admin, which it serves beside the page.
//
// [New] makes its handler. Mount it in the place of the API:
//
//	c, err := console.New(list, ring, console.Config{Admin: admin.Config{Tokens: tokens, Audit: trail}})
//	mux.Handle("/admin/", http.StripPrefix("/admin", c))
//
// # Signing in
//
// Operators sign in with a token of the API. The browser gets a session of its own, for an audience of
// its own, in a cookie that no other site can cause to be sent (SameSite=Strict). The session holds the
// name and the SHA-256 of the token, never the token. Each request looks the token up again, so roles
// are those of now, and a token that was taken out ends its sessions. A session ends after 15 minutes
// without use, after 8 hours, and when the operator signs out, at every replica. "wafer revoke subject
// wafer-console:NAME" ends those of the token NAME.
//
// A call with a bearer token works as without the console. With [admin.Config.Authorize] there is no
// form to sign in: the function decides about the page too.
//
// Signing in has an audit record, in Config.Admin.Audit, and a wrong token has one as in the API. Signing
// out has the record of the session that it revokes.
//
// # Paths
//
//	GET  /            the page, or the form to sign in
//	POST /sign-in     a form with the field "token"
//	POST /sign-out    ends the session
//	GET  /events      server-sent events: how this replica stands, once a second
//	GET  /fleet       server-sent events: which replicas refuse what ?as_of=… stands for, as they do
//	     /tab/        [httpmw.Manager.Tab] of the console's sessions
//
// Everything else is the API.
//
// # Without the store
//
// The page is served, and /events shows how the list stands, while the store does not answer and while
// the replica boots: that is when somebody looks. Operators can sign in until the list's Grace is over.
package console

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/eventstream"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// App is the audience of the console's sessions, which names its cookie too.
const App = "wafer-console"

const (
	idle     = 15 * time.Minute
	absolute = 8 * time.Hour
)

// Config configures New.
type Config struct {
	// Admin says who may sign in and call the API, with which roles. Its Recall must be nil.
	Admin admin.Config

	// Sessions returns the counters of the application's sessions, for the charts. Zero: the page shows
	// none about sessions.
	Sessions func() httpmw.Stats

	// InsecureHTTP lets the console's cookie work over plain HTTP, see httpmw.Config. Zero: HTTPS only.
	InsecureHTTP bool

	// Logger receives what httpmw.Config.Logger does, for the console's sessions. Zero: slog.Default().
	Logger *slog.Logger
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, "console.Config") }

// New returns the console over one replica's list and the ring. The handler serves paths from its own
// root; mount it below a prefix with [http.StripPrefix]. It is safe for concurrent use.
func New(l *revocation.List, k keys.Source, c Config) (http.Handler, error) {
	if c.Admin.Recall != nil {
		return nil, fmt.Errorf("console: Config.Admin.Recall must be nil: the console has sessions of its own")
	}
	s := &console{list: l, ring: k, counters: c.Sessions, audit: audit.Handler(c.Admin.Audit, nil)}
	if c.Admin.Authorize == nil {
		c.Admin.Recall = s.recall
	}
	var err error
	if s.api, err = admin.New(l, k, c.Admin); err != nil {
		return nil, err
	}
	if c.Admin.Authorize == nil {
		longest := min(absolute, k.Ring().MaxSession())
		s.sessions, err = httpmw.New[operator](k, l, httpmw.Config{
			App: App, Idle: min(idle, longest, l.Replica().MaxIdle()), Absolute: longest,
			SameSite: http.SameSiteStrictMode, InsecureHTTP: c.InsecureHTTP, Logger: c.Logger,
		})
		if err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
		s.sessions.OnReload(keep)
	}
	s.paths = s.own()
	if s.sessions == nil {
		return http.HandlerFunc(s.serve), nil
	}
	return s.sessions.Handler(http.HandlerFunc(s.serve)), nil
}

type console struct {
	list     *revocation.List
	ring     keys.Source
	api      *admin.API
	sessions *httpmw.Manager[operator] // nil: Authorize decides
	counters func() httpmw.Stats
	audit    slog.Handler
	paths    map[string]http.HandlerFunc // by method and path
	streams  eventstream.Room            // by the name of the caller
	roll     roll
}

// Format implements [fmt.Formatter]: every verb prints the name of the package.
func (c *console) Format(f fmt.State, _ rune) { io.WriteString(f, "console") }

// own returns what the console serves itself.
func (c *console) own() map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{
		"GET /": c.page, "HEAD /": c.page,
		"GET /events": c.events,
		"GET /fleet":  c.fleet,
	}
	for name, contentType := range assets() {
		serve := file(name, contentType)
		all["GET /"+name], all["HEAD /"+name] = serve, serve
	}
	if c.sessions != nil {
		all["POST /sign-in"], all["GET /sign-in"] = c.signIn, home
		all["POST /sign-out"], all["GET /sign-out"] = c.signOut, home
		tab := c.sessions.Tab().ServeHTTP
		all["GET /tab/tab.js"], all["GET /tab/events"], all["GET /tab/state"], all["POST /tab/state"] = tab, tab, tab, tab
	}
	return all
}

// policy lets the page load only what is served here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (c *console) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if c.sessions != nil && r.Method != http.MethodPost && r.URL.Path != "/" {
		c.sessions.From(r.Context()).DoNotRenew() // the page asks for these by itself, while nobody may be there
	}
	own, ok := c.paths[r.Method+" "+r.URL.Path]
	if !ok {
		c.call(w, r)
		return
	}
	if _, refused := c.api.Admit(r, ""); refused != nil {
		refused.ServeHTTP(w, r)
		return
	}
	own(w, r)
}

// home sends the browser to the page, wherever that is mounted.
func home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "./") // http.Redirect would make it absolute, without the prefix
	w.WriteHeader(http.StatusSeeOther)
}
