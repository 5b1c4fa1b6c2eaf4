package frameworks_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v5"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/testdata/frameworks"
)

// These tests hold what docs/frameworks.md says of habits of gin and echo.

func login(sessions *frameworks.Sessions, r *http.Request) error {
	return sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ada"})
}

// get returns the answer, how many 103 came before it, and how many cookies it set.
func get(t *testing.T, h http.Handler) (status, early, cookies int, body string) {
	t.Helper()
	c := serve(t, h, false)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		early++
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, "GET", c.url.String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, early, len(resp.Cookies()), string(b)
}

// unwrapped is the writer below a framework's.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	return w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
}

// 103 Early Hints through the framework's writer are taken for the answer, and the status that follows is lost; through the writer below, nothing
// is. The session's cookie leaves in both cases.
func TestEarlyHints(t *testing.T) {
	for _, row := range []struct {
		name  string
		serve func(*frameworks.Sessions) http.Handler
		want  int
	}{
		{"echo", func(s *frameworks.Sessions) http.Handler {
			e := echo.New()
			e.GET("/", func(c *echo.Context) error {
				c.Response().WriteHeader(http.StatusEarlyHints)
				if err := login(s, c.Request()); err != nil {
					return err
				}
				return c.String(http.StatusCreated, "made")
			})
			return e
		}, http.StatusOK},
		{"echo, unwrapped", func(s *frameworks.Sessions) http.Handler {
			e := echo.New()
			e.GET("/", func(c *echo.Context) error {
				unwrapped(c.Response()).WriteHeader(http.StatusEarlyHints)
				if err := login(s, c.Request()); err != nil {
					return err
				}
				return c.String(http.StatusCreated, "made")
			})
			return e
		}, http.StatusCreated},
		{"gin", func(s *frameworks.Sessions) http.Handler {
			r := gin.New()
			r.GET("/", func(c *gin.Context) {
				c.Writer.WriteHeader(http.StatusEarlyHints)
				c.Writer.WriteHeaderNow()
				if err := login(s, c.Request); err != nil {
					t.Error(err)
				}
				c.String(http.StatusCreated, "made")
			})
			return r
		}, http.StatusOK},
		{"gin, unwrapped", func(s *frameworks.Sessions) http.Handler {
			r := gin.New()
			r.GET("/", func(c *gin.Context) {
				unwrapped(c.Writer).WriteHeader(http.StatusEarlyHints)
				if err := login(s, c.Request); err != nil {
					t.Error(err)
				}
				c.String(http.StatusCreated, "made")
			})
			return r
		}, http.StatusCreated},
	} {
		t.Run(row.name, func(t *testing.T) {
			sessions := newSessions(t)
			status, early, cookies, body := get(t, sessions.Handler(row.serve(sessions)))
			if status != row.want || early != 1 || cookies != 1 || body != "made" {
				t.Errorf("%d %q after %d early hints, with %d cookies", status, body, early, cookies)
			}
		})
	}
}

// An error that echo answers after the handler still carries what became of the session.
func TestEchoErrors(t *testing.T) {
	sessions := newSessions(t)
	e := echo.New()
	e.GET("/", func(c *echo.Context) error {
		if err := login(sessions, c.Request()); err != nil {
			return err
		}
		return echo.NewHTTPError(http.StatusTeapot, "short and stout")
	})
	if status, _, cookies, body := get(t, sessions.Handler(e)); status != http.StatusTeapot || cookies != 1 || !strings.Contains(body, "stout") {
		t.Errorf("%d %q with %d cookies", status, body, cookies)
	}
}

// Context.Stream of gin wants a CloseNotifier, which net/http gave up and Wafer's writer is not.
func TestGinStream(t *testing.T) {
	sessions := newSessions(t)
	r := gin.New()
	var recovered any
	r.GET("/", func(c *gin.Context) {
		defer func() { recovered = recover() }()
		c.Stream(func(io.Writer) bool { return false })
	})
	get(t, sessions.Handler(r))
	if recovered == nil {
		t.Error("it works now: tell docs/frameworks.md")
	}
}

// The session is in the request's context. gin's own knows nothing of it, unless ContextWithFallback is set.
func TestGinContext(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		sessions := newSessions(t)
		r := gin.New()
		r.ContextWithFallback = fallback
		found := false
		r.GET("/", func(c *gin.Context) {
			defer func() { _ = recover() }()
			found = sessions.From(c) != nil
		})
		get(t, sessions.Handler(r))
		if found != fallback {
			t.Errorf("ContextWithFallback %v: found %v", fallback, found)
		}
	}
}

// Handler within gin, by an adapter that goes on with gin's own writer, comes too late with its cookie.
func TestHandlerWithinGin(t *testing.T) {
	sessions := newSessions(t)
	r := gin.New()
	r.Use(func(c *gin.Context) {
		sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	})
	r.GET("/", func(c *gin.Context) {
		if err := login(sessions, c.Request); err != nil {
			t.Error(err)
		}
		c.String(http.StatusOK, "made")
	})
	if status, _, cookies, _ := get(t, r); status != http.StatusOK || cookies != 0 {
		t.Errorf("%d with %d cookies: it works now, tell docs/frameworks.md", status, cookies)
	}
}

// What a Group of echo without a prefix does to paths that there are not.
func TestEchoGroup(t *testing.T) {
	sessions := newSessions(t)
	e := echo.New()
	e.Group("", echo.WrapMiddleware(sessions.Require)).GET("/private", func(c *echo.Context) error { return nil })
	if status, _, _, _ := get(t, sessions.Handler(e)); status != http.StatusUnauthorized {
		t.Errorf("%d: it works now, tell docs/frameworks.md", status)
	}
}
