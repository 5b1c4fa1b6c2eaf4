package httpmw_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// cart is the data of the sessions in these tests.
type cart struct {
	Items []string `json:"items,omitempty"`
	Note  string   `json:"note,omitempty"`
}

const (
	sessionName = "__Host-Http-session"
	renewalName = "__Host-Http-session-seen"
	anonName    = "__Host-Http-session-anon"
)

// fixture is one replica with its own list over a store that can be made silent.
type fixture struct {
	*httpmw.Manager[cart]
	ring  *keys.Ring
	store *revlogtest.Faulty
	list  *revocation.List
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// newFixture makes a replica with its own ring and store.
func newFixture(t testing.TB, c httpmw.Config) *fixture {
	t.Helper()
	return newReplica(t, keys.Generate(0), revlog.NewMemory(), c)
}

// newReplica makes one replica of several that share a ring and a store.
func newReplica(t testing.TB, ring *keys.Ring, s revlog.Store, c httpmw.Config) *fixture {
	t.Helper()
	return newReplicaWith(t, ring, s, revocation.Config{}, c)
}

// newReplicaWith is newReplica with limits of the list.
func newReplicaWith(t testing.TB, ring *keys.Ring, s revlog.Store, l revocation.Config, c httpmw.Config) *fixture {
	t.Helper()
	if c.Logger == nil {
		c.Logger = quiet()
	}
	l.Logger = c.Logger
	store := revlogtest.NewFaulty(s)
	list, err := revocation.Open(t.Context(), store, ring, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[cart](keys.Static(ring), list, c)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{m, ring, store, list}
}

// in runs f within a request of the browser, through Handler, and returns the answer.
func (f *fixture) in(b *browser, do func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart])) *http.Response {
	return b.get(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do(w, r, f.From(r.Context()))
	})))
}

// login logs a subject in and returns the session's id.
func (f *fixture) login(t testing.TB, b *browser, id httpmw.Identity) (sid string) {
	t.Helper()
	f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), id); err != nil {
			t.Errorf("login: %v", err)
		}
		sid = s.ID()
	})
	return sid
}

// look returns the subject and the error that the browser's cookies amount to, without any write.
func (f *fixture) look(b *browser) (subject string, err error) {
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		subject, err = s.Subject(), s.Err()
	})
	return subject, err
}

// browser keeps cookies by name, for handlers that are called directly.
type browser struct{ jar map[string]string }

func newBrowser() *browser { return &browser{map[string]string{}} }

// copy is a thief's copy of the cookies.
func (b *browser) copy() *browser {
	c := newBrowser()
	for name, value := range b.jar {
		c.jar[name] = value
	}
	return c
}

func (b *browser) request() *http.Request {
	r := httptest.NewRequest("GET", "https://app.test/", nil)
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (b *browser) get(h http.Handler) *http.Response { return b.send(h, b.request()) }

func (b *browser) send(h http.Handler, r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	res := rec.Result()
	b.take(res)
	return res
}

func (b *browser) take(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
}

// signedOut reports whether a browser holds nothing any more but the marker of a logout.
func (b *browser) signedOut() bool {
	for _, value := range b.jar {
		if !strings.HasPrefix(value, "out.") || len(b.jar) > 1 {
			return false
		}
	}
	return true
}

// setNames returns the names of the cookies an answer sets, in order.
func setNames(res *http.Response) (names []string) {
	for _, c := range res.Cookies() {
		names = append(names, c.Name)
	}
	return names
}

// serve starts a real server over TLS, with HTTP/2 if asked, and returns it with a client that keeps cookies.
func serve(t testing.TB, h http.Handler, http2 bool) (*httptest.Server, *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = slog.NewLogLogger(quiet().Handler(), slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	client := s.Client()
	client.Jar = must(newJar())
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s, client
}

func newJar() (http.CookieJar, error) { return cookiejar.New(nil) }

// protocols runs a test over HTTP/1.1 and over HTTP/2.
func protocols(t *testing.T, f func(t *testing.T, http2 bool)) {
	t.Run("HTTP1", func(t *testing.T) { f(t, false) })
	t.Run("HTTP2", func(t *testing.T) { f(t, true) })
}
