package httpmw_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

// tabAnswer is what the script of Tab reads.
type tabAnswer struct {
	Who        string
	Left, Warn int64
	Extend     bool
	Reason     string
}

// state asks as the script does.
func (f *fixture) state(t testing.TB, b *browser, method string) (a tabAnswer, res *http.Response) {
	t.Helper()
	r := b.request()
	r.Method, r.URL.Path = method, "/tab/state"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res = b.send(f.Tab(), r)
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: status %d, %v", method, res.StatusCode, err)
	}
	return a, res
}

// stream connects as the script does, and returns when the stream has ended.
func (f *fixture) stream(b *browser, w http.ResponseWriter) {
	r := b.request()
	r.URL.Path = "/tab/events"
	f.Tab().ServeHTTP(w, r)
}

// streamed returns the events of a stream and their data.
func streamed(t testing.TB, body string) (events []string, data []tabAnswer) {
	t.Helper()
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			events = append(events, strings.TrimSpace(name))
		}
		if raw, ok := strings.CutPrefix(line, "data: "); ok {
			var a tabAnswer
			if err := json.Unmarshal([]byte(raw), &a); err != nil {
				t.Fatal(err)
			}
			data = append(data, a)
		}
	}
	return events, data
}

func TestTabStream(t *testing.T) {
	for name, row := range map[string]struct {
		do     func(*testing.T, *fixture, *browser)
		after  time.Duration
		reason string
	}{
		"idle":     {func(*testing.T, *fixture, *browser) {}, time.Hour, "expired"},
		"subject":  {revoke(revocation.Subject("ann")), 0, "revoked"},
		"everyone": {revoke(revocation.Everyone()), 0, "revoked"},
		"login required": {func(t *testing.T, f *fixture, _ *browser) {
			if _, err := f.list.RequireLogin(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
				t.Error(err)
			}
		}, 0, "login_required"},
		"store gone": {func(_ *testing.T, f *fixture, _ *browser) { f.store.Fail() }, grace, ""},
		"signed out": {func(t *testing.T, f *fixture, b *browser) {
			f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Logout(r.Context()); err != nil {
					t.Error(err)
				}
			})
		}, 0, "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{Idle: time.Hour})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				start, w := time.Now(), httptest.NewRecorder()
				go func() {
					time.Sleep(time.Second)
					row.do(t, f, b)
				}()
				f.stream(b.copy(), w)
				if took := time.Since(start); took < row.after || took > row.after+2*within+time.Second {
					t.Errorf("ended after %v", took)
				}
				events, data := streamed(t, w.Body.String())
				want := []string{"session", "ended"}
				if row.reason == "" {
					want = want[:1] // an EventSource connects again
				}
				if !slices.Equal(events, want) || data[0].Who == "" || data[0].Left != 3600 || data[0].Warn != 120 || !data[0].Extend ||
					data[len(data)-1].Reason != row.reason {
					t.Errorf("%v %+v", events, data)
				}
				for key, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
					if got := w.Header().Get(key); got != want {
						t.Errorf("%s is %q", key, got)
					}
				}
				if n := strings.Count(w.Body.String(), ":\n\n"); n != int(time.Since(start)/(20*time.Second)) {
					t.Errorf("%d heartbeats in %v", n, time.Since(start))
				}
			})
		})
	}
}

// A page of a session that waits for a login says so, and goes on after it.
func TestTabOfALockedSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		before, _ := f.state(t, b, "GET")
		time.Sleep(2 * within)
		if _, err := f.list.RequireLogin(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"GET", "POST"} {
			if got, res := f.state(t, b, method); got != (tabAnswer{Reason: "login_required"}) || len(setNames(res)) != 0 {
				t.Errorf("%s: %+v, sets %v", method, got, setNames(res))
			}
		}
		w := httptest.NewRecorder()
		if f.stream(b.copy(), w); w.Code != http.StatusNoContent {
			t.Errorf("a new stream: %d", w.Code)
		}
		time.Sleep(2 * within)
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if after, _ := f.state(t, b, "GET"); after.Who != before.Who || after.Reason != "" {
			t.Errorf("after the login: %+v, before %+v", after, before)
		}
	})
}

// While data cannot be loaded again, a page is told neither that its session is good nor that it ended.
func TestTabWhileReloadFails(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		failing := true
		f.OnReload(func(context.Context, *httpmw.Session[cart]) (cart, error) {
			if failing {
				return cart{}, errors.New("the database is down")
			}
			return cart{}, nil
		})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(2 * within)
		if _, err := f.list.Reload(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/tab/state", "/tab/events"} {
			r := b.request()
			r.URL.Path = path
			if res := b.send(f.Tab(), r); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
		}
		failing = false
		if got, _ := f.state(t, b, "GET"); got.Who == "" {
			t.Errorf("once it can be loaded: %+v", got)
		}
	})
}

// However many pages are open and ask, the session ends on time. A user who is there moves the end.
func TestOnlyPostRenews(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		login, open := time.Now(), make(chan *httptest.ResponseRecorder)
		for range 3 {
			go func() {
				w := httptest.NewRecorder()
				f.stream(b.copy(), w)
				open <- w
			}()
		}
		for range 59 {
			time.Sleep(time.Minute)
			a, res := f.state(t, b, "GET")
			if want := int64(time.Until(login.Add(time.Hour)) / time.Second); a.Left != want || len(setNames(res)) != 0 {
				t.Fatalf("%v after the login: %+v, sets %v", time.Since(login), a, setNames(res))
			}
		}
		before := b.copy()
		if a, res := f.state(t, b, "POST"); a.Left != 3600 || !slices.Equal(setNames(res), []string{renewalName}) {
			t.Errorf("extended to %+v, sets %v", a, setNames(res))
		}
		for range 3 {
			if w := <-open; w.Header().Get("Set-Cookie") != "" || time.Since(login) > time.Hour+within {
				t.Errorf("a stream of the old cookie ended after %v, header %v", time.Since(login), w.Header())
			}
		}
		if a, _ := f.state(t, before, "GET"); a != (tabAnswer{Reason: "expired"}) {
			t.Errorf("with the old cookie: %+v", a)
		}
		if a, _ := f.state(t, b, "GET"); a.Left < 3500 {
			t.Errorf("with the new cookie: %+v", a)
		}
	})
}

// Whenever a page warns, a renewal is due, so that its button has an effect.
func TestWarningCanBeAnswered(t *testing.T) {
	for _, idle := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 2 * time.Hour} {
		bubble.Test(t, func(t *testing.T) {
			f := newFixture(t, httpmw.Config{Idle: idle})
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			a, _ := f.state(t, b, "GET")
			if a.Warn > int64(idle/2/time.Second) || a.Warn < min(20, int64(idle/2/time.Second)) {
				t.Errorf("idle %v: warns %d s before", idle, a.Warn)
			}
			time.Sleep(time.Duration(a.Left-a.Warn) * time.Second)
			if a, _ = f.state(t, b, "POST"); a.Left != int64(idle/time.Second) {
				t.Errorf("idle %v: extended to %d s", idle, a.Left)
			}
		})
	}
}

// Near its absolute limit a session cannot be extended, and the page can say so.
func TestNothingToExtend(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour, Absolute: 90 * time.Minute})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(50 * time.Minute)
		if a, _ := f.state(t, b, "POST"); a.Extend || a.Left != 40*60 {
			t.Errorf("%+v", a)
		}
	})
}

// A page belongs to a subject: it goes on when the session continues under a new id or another login of the same
// subject takes its place, on any replica, and not when somebody else logs in.
func TestWhoseSession(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
	b := newBrowser()
	if a, _ := f.state(t, b, "GET"); a != (tabAnswer{Reason: "signed_out"}) {
		t.Errorf("before the login: %+v", a)
	}
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	first, _ := f.state(t, b, "GET")
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.LogoutOthers(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if a, _ := other.state(t, b, "GET"); a.Who != first.Who || a.Who == "" || strings.Contains(a.Who, "ann") {
		t.Errorf("after LogoutOthers: %+v, before %+v", a, first)
	}
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	if a, _ := other.state(t, b, "GET"); a.Who != first.Who {
		t.Errorf("after another login of the same subject: %+v, before %+v", a, first)
	}
	f.login(t, b, httpmw.Identity{Subject: "bob"})
	if a, _ := other.state(t, b, "GET"); a.Who == first.Who || a.Who == "" {
		t.Errorf("after a login of another subject: %+v, before %+v", a, first)
	}
	b.jar[sessionName] = "eyJ.broken"
	if a, _ := f.state(t, b, "GET"); a != (tabAnswer{Reason: "signed_out"}) {
		t.Errorf("a broken cookie: %+v", a)
	}
}

// Other origins get nothing, neither by GET nor by POST, whatever cookies come.
func TestTabRefuses(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	site, origin := "Sec-Fetch-Site", "Origin"
	for name, row := range map[string]struct {
		method, path string
		header       []string
		status       int
	}{
		"same origin":                {"GET", "/tab/state", []string{site, "same-origin"}, 200},
		"typed":                      {"GET", "/tab/state", []string{site, "none"}, 200},
		"a browser without metadata": {"GET", "/tab/state", nil, 200},
		"other site":                 {"GET", "/tab/state", []string{site, "cross-site"}, 403},
		"other site posts":           {"POST", "/tab/state", []string{site, "cross-site"}, 403},
		"neighbour":                  {"GET", "/tab/events", []string{site, "same-site"}, 403},
		"neighbour posts":            {"POST", "/tab/state", []string{site, "same-site"}, 403},
		"old neighbour":              {"GET", "/tab/events", []string{origin, "https://evil.app.test"}, 403},
		"null":                       {"POST", "/tab/state", []string{origin, "null"}, 403},
		"same origin of old":         {"POST", "/tab/state", []string{origin, "https://app.test"}, 200},
		"method":                     {"DELETE", "/tab/state", nil, 405},
		"post to events":             {"POST", "/tab/events", nil, 405},
		"head of events":             {"HEAD", "/tab/events", nil, 405},
		"other path":                 {"GET", "/tab/nothing", nil, 404},
		"no path":                    {"GET", "/tab/", nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request()
			r.Method, r.URL.Path = row.method, row.path
			for i := 0; i < len(row.header); i += 2 {
				r.Header.Set(row.header[i], row.header[i+1])
			}
			w := httptest.NewRecorder()
			f.Tab().ServeHTTP(w, r)
			if w.Code != row.status || w.Header().Get("Access-Control-Allow-Origin") != "" || len(w.Result().Cookies()) > 0 {
				t.Errorf("status %d, header %v", w.Code, w.Header())
			}
			if row.status != 404 && w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", w.Header().Get("Cache-Control"))
			}
		})
	}
	none := httptest.NewRecorder()
	f.stream(newBrowser(), none)
	if none.Code != http.StatusNoContent || none.Body.Len() > 0 {
		t.Errorf("a stream without a session: %d %q", none.Code, none.Body)
	}
}

// A replica that cannot decide answers 503, which tells a page nothing.
func TestTabUndecided(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.store.Fail()
		time.Sleep(grace + within)
		for _, path := range []string{"/tab/state", "/tab/events"} {
			r := b.request()
			r.URL.Path = path
			if res := b.send(f.Tab(), r); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
			}
		}
	})
}

// openStreams connects to a real server until it refuses, and returns the streams and the refusal.
func openStreams(t *testing.T, server *httptest.Server, c *http.Client, most int) (open []*http.Response, refused *http.Response) {
	t.Helper()
	for range most + 1 {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/tab/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if res.StatusCode != 200 {
			return open, res
		}
		open = append(open, res)
	}
	return open, nil
}

func TestTabStreamsAreBounded(t *testing.T) {
	for name, row := range map[string]struct {
		config httpmw.Config
		want   int
	}{
		"process": {httpmw.Config{MaxStreams: 3}, 3},
		"session": {httpmw.Config{}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, row.config)
			mux := http.NewServeMux()
			mux.Handle("/tab/", f.Tab())
			mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
				f.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ann"})
			})
			server, c := serve(t, f.Handler(mux), true)
			must(c.Get(server.URL + "/login")).Body.Close()
			open, refused := openStreams(t, server, c, row.want)
			if len(open) != row.want || refused == nil || refused.StatusCode != 503 || refused.Header.Get("Retry-After") == "" {
				t.Fatalf("%d streams, then %v", len(open), refused)
			}
			if n := f.Stats(); n.Streams != row.want || n.StreamsRefused != 1 {
				t.Errorf("counted %d open, %d refused", n.Streams, n.StreamsRefused)
			}
			for _, res := range open {
				res.Body.Close()
			}
			for f.Stats().Streams > 0 { // the server notices that the client left
				time.Sleep(time.Millisecond)
			}
			if again, _ := openStreams(t, server, c, row.want); len(again) != row.want {
				t.Errorf("%d streams afterwards", len(again))
			}
		})
	}
}

// The timeouts of a server are for requests that end. A stream outlives them, over HTTP/1.1 and HTTP/2.
func TestTabOutlivesTheServersTimeouts(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		f := newFixture(t, httpmw.Config{})
		mux := http.NewServeMux()
		mux.Handle("/tab/", f.Tab())
		mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
			f.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ann"})
		})
		const timeout = 300 * time.Millisecond
		server := httptest.NewUnstartedServer(f.Handler(mux))
		server.EnableHTTP2 = http2
		server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
		server.StartTLS()
		t.Cleanup(server.Close)
		c := server.Client()
		c.Jar = must(newJar())
		must(c.Get(server.URL + "/login")).Body.Close()
		open, _ := openStreams(t, server, c, 0)
		time.Sleep(2 * timeout)
		revoke(revocation.Subject("ann"))(t, f, nil)
		body, err := io.ReadAll(open[0].Body)
		if events, _ := streamed(t, string(body)); err != nil || !slices.Equal(events, []string{"session", "ended"}) {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// A restart is not a logout, and the pages come back over some seconds.
func TestTabStreamsEndAtShutdown(t *testing.T) {
	seen := map[string]bool{}
	for range 5 {
		s := newStreaming(t)
		server := httptest.NewServer(s.Tab())
		server.Client().Jar = s.client.Jar
		open, _ := openStreams(t, server, server.Client(), 0)
		body := bufio.NewReader(open[0].Body)
		retry, err := body.ReadString('\n')
		if m := regexp.MustCompile(`^retry: ([1-4]\d{3})\n$`).FindString(retry); err != nil || m == "" {
			t.Errorf("the stream begins with %q, %v", retry, err)
		}
		seen[retry] = true
		s.shutdown(t)
		rest, err := io.ReadAll(body)
		if events, _ := streamed(t, string(rest)); err != nil || !slices.Equal(events, []string{"session"}) {
			t.Errorf("%q, %v", rest, err)
		}
		server.Close()
	}
	if len(seen) < 2 {
		t.Errorf("all streams come back after the same time: %v", seen)
	}
}

// A client that does not read holds a stream until the next write fails.
func TestTabStalledClient(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		start := time.Now()
		w := &stalling{deadlines: deadlines{ResponseRecorder: httptest.NewRecorder()}}
		f.stream(b, w)
		if took := time.Since(start); took != 30*time.Second || f.Stats().Streams != 0 {
			t.Errorf("ended after %v, %d open", took, f.Stats().Streams)
		}
		second := start.Add(20 * time.Second)
		want := []time.Time{start.Add(stalled), {}, second.Add(stalled)}
		if !slices.EqualFunc(w.set, want, time.Time.Equal) {
			t.Errorf("deadlines %v, want %v", w.set, want)
		}
	})
}

// stalling is a response whose second write blocks until its deadline.
type stalling struct {
	deadlines
	writes int
}

func (s *stalling) WriteString(text string) (int, error) {
	if s.writes++; s.writes < 2 {
		return s.ResponseRecorder.WriteString(text)
	}
	time.Sleep(time.Until(s.set[len(s.set)-1]))
	return 0, fmt.Errorf("i/o timeout")
}

func TestTabScript(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	get := func(etag string) *http.Response {
		r := httptest.NewRequest("GET", "https://app.test/any/tab.js", nil)
		r.Header.Set("If-None-Match", etag)
		return newBrowser().send(f.Tab(), r)
	}
	res := get("")
	body := must(io.ReadAll(res.Body))
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if n := strings.Count(string(body), "\n"); n > 80 {
		t.Errorf("the script has %d lines", n)
	}
	if bad := regexp.MustCompile(`innerHTML|insertAdjacent|document\.write|eval|Function\(|console\.|setAttribute\("style`).FindAll(body, -1); bad != nil {
		t.Errorf("it has %q", bad)
	}
	if again := get(res.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.StatusCode)
	}
}

// A request that does not count as use leaves the cookie as it is. A write is a use all the same.
func TestDoNotRenew(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(30 * time.Minute)
		quietly := func(do func(*httpmw.Session[cart]) error) []string {
			return setNames(f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				s.DoNotRenew()
				if err := do(s); err != nil {
					t.Error(err)
				}
			}))
		}
		if got := quietly(func(*httpmw.Session[cart]) error { return nil }); got != nil {
			t.Errorf("sets %v", got)
		}
		if got := quietly(func(s *httpmw.Session[cart]) error { return s.Set(cart{Note: "x"}) }); !slices.Equal(got, []string{sessionName}) {
			t.Errorf("a write sets %v", got)
		}
	})
}

func TestClearSiteData(t *testing.T) {
	login := func(s *httpmw.Session[cart], r *http.Request) error {
		return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
	}
	logout := func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) }
	type action = func(*httpmw.Session[cart], *http.Request) error
	chosen := []string{"cache", "storage"}
	for name, row := range map[string]struct {
		config httpmw.Config
		do     []action
		want   string
	}{
		"nothing chosen":   {httpmw.Config{}, []action{logout}, ""},
		"logout":           {httpmw.Config{ClearSiteData: chosen}, []action{logout}, `"cache", "storage"`},
		"everywhere":       {httpmw.Config{ClearSiteData: chosen}, []action{func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutEverywhere(r.Context()) }}, `"cache", "storage"`},
		"others":           {httpmw.Config{ClearSiteData: chosen}, []action{func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) }}, ""},
		"login":            {httpmw.Config{ClearSiteData: chosen}, []action{login}, ""},
		"logout and login": {httpmw.Config{ClearSiteData: chosen}, []action{logout, login}, ""},
		"plain http":       {httpmw.Config{ClearSiteData: chosen, InsecureHTTP: true}, []action{logout}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, row.config)
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				for _, do := range row.do {
					if err := do(s, r); err != nil {
						t.Error(err)
					}
				}
			})
			if diff := cmp.Diff(row.want, res.Header.Get("Clear-Site-Data")); diff != "" {
				t.Error(diff)
			}
			if other := f.in(b, func(http.ResponseWriter, *http.Request, *httpmw.Session[cart]) {}); other.Header.Get("Clear-Site-Data") != "" {
				t.Error("the next response clears, too")
			}
		})
	}
}
