package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// A journal is a log that tests can read.
type journal struct{ logtest.Log }

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

// has reports whether one line contains all parts.
func (j *journal) has(parts ...string) bool {
	return j.Count(parts...) > 0
}

// A process is a replica of an application.
type process struct {
	list   *revocation.List
	server *httptest.Server
	log    journal
}

func start(t *testing.T, addr string, ring *keys.Ring, c redisstore.Config) *process {
	t.Helper()
	p := new(process)
	c.Logger = p.log.logger()
	store := open(t, &redis.UniversalOptions{Addrs: []string{addr}}, c)
	var err error
	p.list, err = revocation.Open(t.Context(), store, ring, revocation.Config{StartWithoutStore: c.StartWithoutStore, Logger: c.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.list.Close() })
	sessions, err := httpmw.New[string](keys.Static(ring), p.list, httpmw.Config{App: "shop", InsecureHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /public", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		fmt.Fprintf(w, "undecided %v", errors.Is(s.Err(), httpmw.ErrUndecided))
	})
	mux.HandleFunc("GET /note", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).Set("milk"); err != nil {
			http.Error(w, "", http.StatusInternalServerError)
		}
	})
	mux.Handle("GET /account", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ann", Since: p.list.Now(r.Context())})
		if errors.Is(err, httpmw.ErrUndecided) {
			w.WriteHeader(http.StatusServiceUnavailable)
		} else if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /everywhere", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).LogoutEverywhere(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	p.server = httptest.NewServer(sessions.Handler(mux))
	t.Cleanup(p.server.Close)
	return p
}

// get returns the answer of p to a request of the browser, and its body.
func (p *process) get(t *testing.T, browser http.CookieJar, path string) (*http.Response, string) {
	t.Helper()
	res, err := (&http.Client{Jar: browser}).Get(p.server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	b.ReadFrom(res.Body)
	return res, b.String()
}

// A replica that starts while Redis is down serves pages that need no login. It serves all others
// as soon as Redis is up, without a restart.
func TestStartWithoutStore(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	ring := keys.Generate(0)
	browser, other := must(cookiejar.New(nil)), must(cookiejar.New(nil))
	before := start(t, s.Addr, ring, redisstore.Config{})
	if res, _ := before.get(t, browser, "/login"); res.StatusCode != http.StatusOK {
		t.Fatalf("login: %s", res.Status)
	}
	before.list.Close()
	s.Kill()

	began := time.Now()
	p := start(t, s.Addr, ring, redisstore.Config{StartWithoutStore: true})
	t.Logf("started without Redis after %v", time.Since(began))
	if p.list.Ready() || p.list.Stats().State != "booting" {
		t.Errorf("Ready = %v, %+v", p.list.Ready(), p.list.Stats())
	}
	for _, tt := range []struct {
		browser http.CookieJar
		path    string
		status  int
		body    string
	}{
		{browser, "/public", 200, "undecided true"},
		{browser, "/account", 503, ""},
		{other, "/public", 200, "undecided false"},
		{other, "/note", 200, ""},
		{other, "/login", 503, ""},
	} {
		res, body := p.get(t, tt.browser, tt.path)
		if res.StatusCode != tt.status || tt.body != "" && body != tt.body {
			t.Errorf("%s: %s %q", tt.path, res.Status, body)
		}
		if tt.path == "/account" && res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", tt.path)
		}
	}
	redistest.Await(t, "store and list log what they wait for", func() bool {
		return p.log.has("WARN", "redisstore: waiting for the server", "Redis at "+s.Addr, "connection refused") &&
			p.log.has("WARN", "revocation: waiting for the store", "Redis at "+s.Addr, "connection refused")
	})

	s.Restart()
	began = time.Now()
	redistest.Await(t, "the browser that was logged in before is served", func() bool {
		res, _ := p.get(t, browser, "/account")
		return res.StatusCode == http.StatusOK
	})
	t.Logf("%v after Redis was up", time.Since(began))
	if res, _ := p.get(t, other, "/login"); res.StatusCode != http.StatusOK || !p.list.Ready() {
		t.Errorf("login: %s, Ready = %v", res.Status, p.list.Ready())
	}
	if res, _ := p.get(t, other, "/account"); res.StatusCode != http.StatusOK {
		t.Errorf("account: %s", res.Status)
	}
	if !p.log.has("INFO", "revocation: the list is joined", s.Addr) {
		t.Errorf("log:\n%s", p.log.String())
	}
}

// The store also refuses an unsafe server at the first contact after Open: the list does not get
// ready, the log says why, and nothing is written.
func TestStartWithoutStoreExaminesLater(t *testing.T) {
	s := redistest.Start(t)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	if _, err := redisstore.Open(t.Context(), o, redisstore.Config{StartWithoutStore: true}); !errors.Is(err, redisstore.ErrUnsafe) {
		t.Errorf("Open did not examine a server that answers: %v", err)
	}
	s.Kill()
	p := start(t, s.Addr, keys.Generate(0), redisstore.Config{StartWithoutStore: true})
	s.Restart()
	redistest.Await(t, "the log says what is wrong", func() bool {
		return p.log.has("ERROR", "redisstore: refused the server, so no list can be joined", s.Addr, "appendonly is no")
	})
	if p.list.Ready() || s.Do("DBSIZE") != "0" {
		t.Errorf("Ready = %v, and %s keys in Redis", p.list.Ready(), s.Do("DBSIZE"))
	}
	s.Do("CONFIG", "SET", "appendonly", "yes")
	redistest.Await(t, "mended", p.list.Ready)
	if n := strings.Count(p.log.String(), "redisstore: refused the server, so no list can be joined"); n != 1 {
		t.Errorf("%d log lines:\n%s", n, p.log.String())
	}
}

// An error of Open names the server and the cause, not only the timeout.
func TestOpenSaysWhatItWaitedFor(t *testing.T) {
	s := redistest.Start(t)
	s.Kill()
	var j journal
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := redisstore.Open(ctx, &redis.UniversalOptions{Addrs: []string{s.Addr}, Password: "sesame"}, redisstore.Config{Logger: j.logger()})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Redis at "+s.Addr) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Open = %v", err)
	}
	if !j.has("WARN", "waiting for the server", s.Addr, "connection refused") || strings.Count(j.String(), "\n") != 1 {
		t.Errorf("log:\n%s", j.String())
	}
	if strings.Contains(err.Error()+j.String(), "sesame") {
		t.Error("the log shows the password")
	}
}
