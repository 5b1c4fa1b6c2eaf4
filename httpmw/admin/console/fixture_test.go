package console_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

var quiet = slog.New(slog.DiscardHandler)

// cookieName is the name of the console's cookie over HTTPS.
const cookieName = "__Host-Http-" + console.App

// A replica is one process of the application, with the console below /admin/.
type replica struct {
	list    *revocation.List
	store   *revlogtest.Faulty
	app     *httpmw.Manager[string]
	trail   *audit.Trail
	handler http.Handler
}

// A site is some replicas behind a front that sends each request to the next of them.
type site struct {
	t        testing.TB
	url      string
	ring     *keys.File
	store    revlog.Store
	replicas []*replica
	next     atomic.Int64
	only     atomic.Int64 // sends all requests to one replica, counted from 1; 0: to the next
	server   *httptest.Server
}

// token makes a token for a test.
func token(t testing.TB, name string, roles ...admin.Role) (admin.Token, string) {
	t.Helper()
	made, secret, err := admin.NewToken(name, roles...)
	if err != nil {
		t.Fatal(err)
	}
	return made, secret
}

// newSite starts a site without replicas.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, store: revlog.NewMemory()}
	var err error
	s.ring, err = keys.OpenFile(t.Context(), filepath.Join(t.TempDir(), "ring.json"), keys.InsecurePlaintext(), keys.FileConfig{Create: true, PollOnly: true, Poll: time.Hour, Logger: quiet, Audit: slog.DiscardHandler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.ring.Close() })
	s.server = httptest.NewTLSServer(s)
	t.Cleanup(s.server.Close)
	t.Cleanup(func() { // before the server is closed, which waits for streams
		for _, r := range s.replicas {
			r.list.Replica().EndStreams()
		}
	})
	s.url = s.server.URL + "/admin/"
	return s
}

// start starts n replicas with the same configuration.
func start(t testing.TB, n int, c console.Config) *site {
	t.Helper()
	s := newSite(t)
	for range n {
		s.add(c, revocation.Config{})
	}
	return s
}

func (s *site) add(c console.Config, l revocation.Config) *replica {
	s.t.Helper()
	r := &replica{store: revlogtest.NewFaulty(s.store), trail: audit.NewTrail(slog.DiscardHandler)}
	l.Logger, l.Audit, l.NoCanary = quiet, r.trail, true
	var err error
	if r.list, err = revocation.Open(s.t.Context(), r.store, s.ring.Ring(), l); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.list.Close() })
	s.serve(r, c)
	s.replicas = append(s.replicas, r)
	return r
}

// serve makes the handler of a replica.
func (s *site) serve(r *replica, c console.Config) {
	s.t.Helper()
	var err error
	if r.app, err = httpmw.New[string](s.ring, r.list, httpmw.Config{Logger: quiet}); err != nil {
		s.t.Fatal(err)
	}
	c.Admin.Audit, c.Sessions, c.Logger = r.trail, r.app.Stats, quiet
	h, err := console.New(r.list, s.ring, c)
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", h))
	mux.Handle("/login", r.app.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.app.From(req.Context()).Login(req.Context(), httpmw.Identity{Subject: req.FormValue("user")}); err != nil {
			r.app.Fail(w, req, err)
		}
	})))
	mux.Handle("/me", r.app.Require(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.WriteString(w, r.app.From(req.Context()).Subject())
	})))
	r.handler = mux
}

// ServeHTTP is the front.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.next.Add(1)
	if only := s.only.Load(); only != 0 {
		n = only - 1
	}
	s.replicas[int(n)%len(s.replicas)].handler.ServeHTTP(w, r)
}

// records returns the audit records of all replicas.
func (s *site) records() (all []audit.Record) {
	s.t.Helper()
	for _, r := range s.replicas {
		for _, line := range r.trail.Newest(2 * audit.TrailSize) {
			record, err := audit.Parse(line)
			if err != nil {
				s.t.Fatalf("record %q: %v", line, err)
			}
			all = append(all, record)
		}
	}
	return all
}

// A browser keeps cookies, and sends what browsers send.
type browser struct {
	s      *site
	client *http.Client
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := s.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the test server's own
	s.t.Cleanup(transport.CloseIdleConnections)
	return &browser{s, &http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// copied returns a browser with the same cookies.
func (b *browser) copied() *browser {
	c := b.s.browser()
	home, _ := url.Parse(b.s.url)
	c.client.Jar.SetCookies(home, b.client.Jar.Cookies(home))
	return c
}

// cookie returns the value of a cookie, "" without one.
func (b *browser) cookie(name string) string {
	home, _ := url.Parse(b.s.url)
	for _, c := range b.client.Jar.Cookies(home) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// plant sets a cookie, as a neighbouring host may.
func (b *browser) plant(name, value string) {
	home, _ := url.Parse(b.s.url)
	b.client.Jar.SetCookies(home, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// An answer is what came back, whole.
type answer struct {
	status  int
	header  http.Header
	text    string
	cookies []*http.Cookie
}

// json returns the members of a document.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(a.text), &all); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.text, err)
	}
	return all
}

// do sends a request to a path of the console, as a page of the console does, unless change says
// otherwise.
func (b *browser) do(method, path, contentType, body string, change ...func(*http.Request)) answer {
	b.s.t.Helper()
	resp := b.send(b.s.t.Context(), method, path, contentType, body, change...)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text), resp.Cookies()}
}

func (b *browser) send(ctx context.Context, method, path, contentType, body string, change ...func(*http.Request)) *http.Response {
	b.s.t.Helper()
	address := b.s.url + path
	if rest, ok := strings.CutPrefix(path, "../"); ok {
		address = b.s.server.URL + "/" + rest
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		b.s.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		req.Header.Set("Origin", b.s.server.URL)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, c := range change {
		c(req)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return resp
}

const form = "application/x-www-form-urlencoded"

func (b *browser) get(path string, change ...func(*http.Request)) answer {
	b.s.t.Helper()
	return b.do(http.MethodGet, path, "", "", change...)
}

func (b *browser) post(path, body string, change ...func(*http.Request)) answer {
	b.s.t.Helper()
	return b.do(http.MethodPost, path, "application/json", body, change...)
}

func (b *browser) signIn(secret string, change ...func(*http.Request)) answer {
	b.s.t.Helper()
	return b.do(http.MethodPost, "sign-in", form, url.Values{"token": {secret}}.Encode(), change...)
}

// signedIn signs a new browser in.
func (s *site) signedIn(secret string) *browser {
	s.t.Helper()
	b := s.browser()
	if got := b.signIn(secret); got.status != http.StatusSeeOther {
		s.t.Fatalf("sign-in: %d %s", got.status, got.text)
	}
	return b
}

// everywhere fails unless each replica answers a GET with the status.
func (b *browser) everywhere(path string, status int) {
	b.s.t.Helper()
	defer b.s.only.Store(0)
	for i := range b.s.replicas {
		b.s.only.Store(int64(i + 1))
		if got := b.get(path); got.status != status {
			b.s.t.Errorf("replica %d answers %s with %d %s, want %d", i+1, path, got.status, got.text, status)
		}
	}
}

// awaitEverywhere waits until each replica answers a GET with the status.
func (b *browser) awaitEverywhere(path string, status int) {
	b.s.t.Helper()
	defer b.s.only.Store(0)
	for i := range b.s.replicas {
		b.s.only.Store(int64(i + 1))
		await(b.s.t, path, func() bool { return b.get(path).status == status })
	}
}

// await waits until done, for longer than any promise on a loaded machine.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// An event is one of a stream.
type event struct {
	name string
	data map[string]any
}

// A listener reads a stream.
type listener struct {
	t      testing.TB
	resp   *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// listen opens a stream.
func (b *browser) listen(path string, change ...func(*http.Request)) *listener {
	b.s.t.Helper()
	ctx, cancel := context.WithTimeout(b.s.t.Context(), time.Minute)
	b.s.t.Cleanup(cancel)
	resp := b.send(ctx, http.MethodGet, path, "", "", change...)
	b.s.t.Cleanup(func() { resp.Body.Close() })
	return &listener{b.s.t, resp, bufio.NewReader(resp.Body), cancel}
}

// next returns the next event, false at the end of the stream.
func (l *listener) next() (e event, ok bool) {
	l.t.Helper()
	for {
		line, err := l.lines.ReadBytes('\n')
		if err == io.EOF {
			return e, false
		}
		if err != nil {
			l.t.Fatalf("stream: %v", err)
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), ": ")
		switch {
		case name == "event":
			e.name = value
		case name == "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				l.t.Fatalf("event %q: %v", value, err)
			}
		case len(bytes.TrimSpace(line)) == 0 && e.name != "":
			return e, true
		}
	}
}

// until returns the next event of a name, and fails at the end of the stream.
func (l *listener) until(name string) event {
	l.t.Helper()
	for {
		e, ok := l.next()
		if !ok {
			l.t.Fatalf("the stream ends without %s", name)
		}
		if e.name == name {
			return e
		}
	}
}

// silent is a store that does not answer.
type silent struct{ revlog.Store }

func (silent) Create(context.Context, revlog.CreateOptions) (revlog.Head, error) {
	return revlog.Head{}, revlogtest.ErrFault
}

func (silent) Read(context.Context, revlog.Cursor) (revlog.Page, error) {
	return revlog.Page{}, revlogtest.ErrFault
}
