package frameworks_test

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/testdata/frameworks"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

func newSessions(t *testing.T) *frameworks.Sessions {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	ring := keys.Generate(0)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	sessions, err := httpmw.New[frameworks.Visit](keys.Static(ring), list, httpmw.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// A client talks to one application over TLS, and keeps cookies.
type client struct {
	t   *testing.T
	url *url.URL
	*http.Client
}

func serve(t *testing.T, h http.Handler, http2 bool) *client {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, u, s.Client()}
	c.Jar = newJar(t)
	return c
}

func newJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

// copied is a thief's copy of the cookies.
func (c *client) copied() *client {
	c.t.Helper()
	other := *c.Client
	other.Jar = newJar(c.t)
	other.Jar.SetCookies(c.url, c.Jar.Cookies(c.url))
	return &client{c.t, c.url, &other}
}

// do sends a request and returns the answer, its body and how many cookies it set; the status is 0 if the connection was closed.
func (c *client) do(method, path, form string) (status int, body string, cookies int) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url.String()+path, strings.NewReader(form))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", 0
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b), len(resp.Cookies())
}

func (c *client) want(method, path, form string, status int, text string, cookies int) {
	c.t.Helper()
	gotStatus, body, gotCookies := c.do(method, path, form)
	if gotStatus != status || text != "" && body != text || gotCookies != cookies {
		c.t.Fatalf("%s %s: %d %q and %d cookies, want %d %q and %d", method, path, gotStatus, body, gotCookies, status, text, cookies)
	}
}

// Each application behaves the same, over both protocols.
func TestApplications(t *testing.T) {
	for _, app := range []struct {
		name string
		new  func(*frameworks.Sessions) http.Handler
		// panicking is the answer to a panic, and kept whether the session keeps what the handler had set before: a framework that makes
		// an answer of a panic has answered.
		panicking int
		kept      bool
	}{
		{"chi", frameworks.Chi, http.StatusInternalServerError, true},
		{"gorilla-mux", frameworks.GorillaMux, 0, false},
		{"gin", frameworks.Gin, http.StatusInternalServerError, true},
		{"echo", frameworks.Echo, http.StatusInternalServerError, true},
	} {
		for _, protocol := range []string{"HTTP1", "HTTP2"} {
			t.Run(app.name+"/"+protocol, func(t *testing.T) {
				c := serve(t, app.new(newSessions(t)), protocol == "HTTP2")
				c.want("GET", "/hello/hi", "", http.StatusUnauthorized, "", 0)
				c.want("GET", "/nowhere", "", http.StatusNotFound, "", 0)
				c.want("POST", "/login", "user=ada", http.StatusOK, "welcome", 1)
				c.want("GET", "/hello/hi", "", http.StatusOK, "hi, ada", 0)
				c.want("GET", "/nowhere", "", http.StatusNotFound, "", 0)
				resp, err := c.Get(c.url.String() + "/hello/%3Cscript%3E")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Get("Content-Type"); !strings.EqualFold(got, "text/plain; charset=utf-8") {
					t.Errorf("a greeting from a stranger's link is served as %s", got)
				}
				c.want("POST", "/visit", "", http.StatusOK, "1", 1)
				c.want("POST", "/visit", "", http.StatusOK, "2", 1)

				// A copy of the cookies listens, and hears that the session ends.
				thief := c.copied()
				lines := thief.listen()
				if got := <-lines; got != "data: hello" {
					t.Fatalf("the stream began with %q", got)
				}
				c.want("POST", "/logout", "", http.StatusOK, "signed out", 2)
				c.want("GET", "/hello/hi", "", http.StatusUnauthorized, "", 0)
				thief.want("GET", "/hello/hi", "", http.StatusUnauthorized, "", 0)
				select {
				case got := <-lines:
					if got != "event: end" {
						t.Fatalf("the stream ended with %q", got)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("the stream goes on after the logout")
				}

				c.want("POST", "/login", "user=bob", http.StatusOK, "welcome", 1)
				want := "1"
				if app.kept {
					want = "1001"
				}
				if status, _, _ := c.do("POST", "/panic", ""); status != app.panicking {
					t.Errorf("a panic was answered with %d", status)
				}
				c.want("POST", "/visit", "", http.StatusOK, want, 1)

				// What another site's page sends is refused before there is a session.
				req, err := http.NewRequestWithContext(t.Context(), "POST", c.url.String()+"/visit", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Origin", "https://evil.example")
				resp, err = c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusForbidden {
					t.Errorf("another site's request: %d", resp.StatusCode)
				}
			})
		}
	}
}

// listen returns the lines of /events as they come, without empty ones.
func (c *client) listen() <-chan string {
	c.t.Helper()
	resp, err := c.Get(c.url.String() + "/events")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("/events: %d", resp.StatusCode)
	}
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if s.Text() != "" {
				lines <- s.Text()
			}
		}
	}()
	return lines
}
