package httpmw_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// mint re-seals a browser's session with whatever a test wants to be different.
func (f *fixture) mint(t testing.TB, b *browser, edit func(*token.Session)) {
	t.Helper()
	name := sessionName
	if b.jar[name] == "" {
		name = anonName
	}
	sealer := token.New(keys.Static(f.ring))
	var tok token.Session
	if err := sealer.OpenSession(nil, b.jar[name], &tok, time.Now()); err != nil {
		t.Fatal(err)
	}
	edit(&tok)
	value, err := sealer.SealSession(nil, &tok, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.jar[name] = string(value)
}

// age makes a browser's session one that was last renewed so long ago.
func (f *fixture) age(t testing.TB, b *browser, by time.Duration) {
	t.Helper()
	f.mint(t, b, func(tok *token.Session) {
		tok.IssuedAt -= int64(by.Seconds())
		tok.Expires -= int64(by.Seconds())
	})
}

// A situation is what a handler finds and does before its answer leaves, and what that must lead to.
type situation struct {
	name string
	edit func(*token.Session) // of the cookie that is sent
	down bool                 // the store is silent
	act  func(*httpmw.Session[cart], *http.Request) error

	cookies []string // set, in order
	vary    bool     // also where no cookie is set
	late    error    // what act returns once the headers have left
	kept    []string // cookies that are set all the same then
}

var situations = []situation{
	{name: "untouched", act: func(*httpmw.Session[cart], *http.Request) error { return nil }},
	{name: "read", vary: true, act: func(s *httpmw.Session[cart], _ *http.Request) error {
		if s.Subject() != "ann" || s.Value().Note != "" {
			return fmt.Errorf("read %q, %v", s.Subject(), s.Err())
		}
		return nil
	}},
	{name: "changed", vary: true, cookies: []string{sessionName}, late: httpmw.ErrCommitted,
		act: func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) }},
	{name: "renewed", cookies: []string{renewalName}, kept: []string{renewalName},
		edit: func(t *token.Session) { t.IssuedAt -= 600; t.Expires -= 600 },
		act:  func(*httpmw.Session[cart], *http.Request) error { return nil }},
	{name: "changed when due for renewal", vary: true, cookies: []string{sessionName}, late: httpmw.ErrCommitted, kept: []string{renewalName},
		edit: func(t *token.Session) { t.IssuedAt -= 600; t.Expires -= 600 },
		act:  func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) }},
	{name: "ended", vary: true, cookies: []string{sessionName, renewalName}, late: httpmw.ErrCommitted,
		act: func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) }},
	{name: "undecided", vary: true, down: true,
		// A position the list has not reached can only be judged by the store.
		edit: func(t *token.Session) { t.Checked += time.Minute.Milliseconds() },
		act: func(s *httpmw.Session[cart], r *http.Request) error {
			if err := s.Set(cart{}); err != httpmw.ErrUndecided && err != httpmw.ErrCommitted {
				return fmt.Errorf("Set: %w", err)
			}
			if s.Err() != httpmw.ErrUndecided {
				return fmt.Errorf("it is %w", s.Err())
			}
			return nil
		}},
}

// An exit is one way for an answer to leave. It calls act before the headers have left, or, if late, after.
type exit struct {
	name    string
	run     func(w http.ResponseWriter, r *http.Request, act func())
	wrap    func(http.Handler) http.Handler // around the handler, within Handler
	outside func(http.Handler) http.Handler // around Handler
	header  http.Header                     // of the request

	http1only bool
	http2only bool
	late      bool
	lost      bool // nothing is answered
	broken    bool // the body breaks off
	status    int  // zero: 200
	body      string
}

func write(w io.Writer, s string) {
	if _, err := w.Write([]byte(s)); err != nil {
		panic(err)
	}
}

var exits = []exit{
	{name: "Write", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); write(w, "body") }},
	{name: "two Writes", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); write(w, "bo"); write(w, "dy") }},
	{name: "empty Write", run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); write(w, "") }},
	{name: "WriteString", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.(io.StringWriter).WriteString("body")
	}},
	{name: "ReadFrom", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.(io.ReaderFrom).ReadFrom(strings.NewReader("body"))
	}},
	{name: "ReadFrom of a file", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		file := must(os.CreateTemp("", ""))
		defer os.Remove(file.Name())
		defer file.Close()
		write(file, "body")
		must(file.Seek(0, io.SeekStart))
		act()
		must(io.Copy(w, file))
	}},
	{name: "io.Copy", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		io.Copy(w, io.LimitReader(strings.NewReader("body and more"), 4))
	}},
	{name: "WriteHeader", status: 418, run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); w.WriteHeader(418) }},
	{name: "WriteHeader twice", status: 418, body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.WriteHeader(418)
		w.WriteHeader(200)
		write(w, "body")
	}},
	{name: "204", status: 204, run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); w.WriteHeader(204) }},
	{name: "304", status: 304, run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); w.WriteHeader(304) }},
	{name: "redirect", status: 303, run: func(w http.ResponseWriter, r *http.Request, act func()) {
		act()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	},
		body: "<a href=\"/\">See Other</a>.\n\n"},
	{name: "103, then Write", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		act()
		write(w, "body")
	}},
	{name: "act, 103, WriteHeader", status: 201, run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.WriteHeader(201)
	}},
	{name: "Flush", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.(http.Flusher).Flush()
		write(w, "body")
	}},
	{name: "ResponseController.Flush", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		write(w, "body")
	}},
	{name: "wrapped, ResponseController.Flush", body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		if err := http.NewResponseController(wrapped{w}).Flush(); err != nil {
			panic(err)
		}
		write(w, "body")
	}},
	{name: "Hijack", status: 101, http1only: true, run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		// What a WebSocket library does with the header it is given.
		fmt.Fprint(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n")
		w.Header().Write(buffered)
		fmt.Fprint(buffered, "\r\n")
		buffered.Flush()
	}},
	{name: "Hijack refused, then Write", body: "body", http2only: true, run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			panic(err)
		}
		act()
		write(w, "body")
	}},
	{name: "101, then Hijack", status: 101, http1only: true, run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "test")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		conn.Close()
	}},
	{name: "no write", run: func(_ http.ResponseWriter, _ *http.Request, act func()) { act() }},
	{name: "panic before a write", lost: true, run: func(_ http.ResponseWriter, _ *http.Request, act func()) { act(); panic("on purpose") }},
	{name: "abort before a write", lost: true, run: func(_ http.ResponseWriter, _ *http.Request, act func()) { act(); panic(http.ErrAbortHandler) }},
	{name: "panic after a write", broken: true, run: func(w http.ResponseWriter, _ *http.Request, act func()) {
		act()
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{name: "panic caught by an outer handler", status: 500, body: "sorry\n", lost: true, outside: catchPanics,
		run: func(_ http.ResponseWriter, _ *http.Request, act func()) { act(); panic("on purpose") }},
	{name: "within TimeoutHandler", body: "body", outside: func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "late") },
		run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); write(w, "body") }},
	{name: "around TimeoutHandler", body: "body", wrap: func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "late") },
		run: func(w http.ResponseWriter, _ *http.Request, act func()) { act(); write(w, "body") }},
	{name: "around TimeoutHandler that times out", status: 503, body: "late", late: true,
		wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				done := make(chan struct{})
				http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					h.ServeHTTP(w, r)
				}), 10*time.Millisecond, "late").ServeHTTP(w, r)
				<-done
			})
		},
		run: func(_ http.ResponseWriter, r *http.Request, act func()) {
			<-r.Context().Done()
			awaitCommitted(r)
			act()
		}},
	{name: "ServeContent", body: "content", run: func(w http.ResponseWriter, r *http.Request, act func()) {
		act()
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("content"))
	}},
	{name: "ServeContent of a range", status: 206, body: "nten", header: http.Header{"Range": {"bytes=2-5"}},
		run: func(w http.ResponseWriter, r *http.Request, act func()) {
			act()
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("content"))
		}},
	{name: "late, after Write", late: true, body: "body", run: func(w http.ResponseWriter, _ *http.Request, act func()) { write(w, "body"); act() }},
	{name: "late, after Flush", late: true, run: func(w http.ResponseWriter, _ *http.Request, act func()) { w.(http.Flusher).Flush(); act() }},
	{name: "late, after WriteHeader", late: true, status: 201, run: func(w http.ResponseWriter, _ *http.Request, act func()) { w.WriteHeader(201); act() }},
}

// wrapped is another middleware's writer.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func catchPanics(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "sorry", 500)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

type committedKey struct{}

// awaitCommitted waits until the answer has left, as one that timed out does while its handler still runs.
func awaitCommitted(r *http.Request) { <-r.Context().Value(committedKey{}).(chan struct{}) }

// Every way to leave, in every situation, over both protocols: the right cookies once, or the right error.
func TestEveryExit(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		for _, e := range exits {
			if e.http1only && http2 || e.http2only && !http2 {
				continue
			}
			for _, s := range situations {
				t.Run(e.name+"/"+s.name, func(t *testing.T) { testExit(t, e, s, http2) })
			}
		}
	})
}

func testExit(t *testing.T, e exit, s situation, http2 bool) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	if s.edit != nil {
		f.mint(t, b, s.edit)
	}
	var acted error
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.run(w, r, func() { acted = s.act(f.From(r.Context()), r) })
	})
	if e.wrap != nil {
		h = e.wrap(h)
	}
	h = signalCommit(f.Handler(h))
	if e.outside != nil {
		h = e.outside(h)
	}
	server, client := serve(t, h, http2)
	if s.down {
		f.store.Fail()
	}

	early := http.Header{}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		for name, values := range h {
			early[name] = append(early[name], values...)
		}
		return nil
	}}
	ctx := httptrace.WithClientTrace(t.Context(), trace)
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range e.header {
		r.Header[name] = values
	}
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := client.Do(r)
	if e.lost && e.status == 0 {
		if err == nil {
			t.Errorf("something was answered: %d %v", res.StatusCode, res.Header)
			res.Body.Close()
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if (err != nil) != e.broken {
		t.Errorf("body: %v", err)
	}
	if string(body) != e.body && e.status != 101 {
		t.Errorf("body %q, want %q", body, e.body)
	}
	if want := max(e.status, 200); res.StatusCode != want && res.StatusCode != e.status {
		t.Errorf("status %d, want %d", res.StatusCode, want)
	}
	if len(early["Set-Cookie"]) != 0 {
		t.Errorf("cookies left with an informational answer: %v", early)
	}

	want, wantErr := s.cookies, error(nil)
	switch {
	case e.lost:
		want, wantErr = nil, nil
	case e.late:
		want, wantErr = s.kept, s.late
	}
	if !errors.Is(acted, wantErr) || wantErr == nil && acted != nil {
		t.Errorf("acting returned %v, want %v", acted, wantErr)
	}
	if diff := cmp.Diff(want, setNames(res)); diff != "" {
		t.Errorf("cookies (-want +got):\n%s", diff)
	}
	if got := res.Header.Get("Cache-Control") == "no-store"; got != (len(want) > 0) {
		t.Errorf("Cache-Control %q with cookies %v", res.Header["Cache-Control"], want)
	}
	wantVary := len(want) > 0 || s.vary && !e.late && !e.lost
	if got := slices.Equal(res.Header["Vary"], []string{"Cookie"}); got != wantVary {
		t.Errorf("Vary %q, want it %v", res.Header["Vary"], wantVary)
	}
}

// signalCommit tells when the status line of an answer has been written.
func signalCommit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		h.ServeHTTP(&signaling{ResponseWriter: w, done: done}, r.WithContext(context.WithValue(r.Context(), committedKey{}, done)))
	})
}

type signaling struct {
	http.ResponseWriter
	done chan struct{}
	said bool
}

func (w *signaling) WriteHeader(status int) {
	w.ResponseWriter.WriteHeader(status)
	if status >= 200 && !w.said {
		w.said = true
		close(w.done)
	}
}

func (w *signaling) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// plainWriter can do nothing but what every http.ResponseWriter can.
type plainWriter struct {
	header http.Header
	bytes.Buffer
	status int
}

func (w *plainWriter) Header() http.Header    { return w.header }
func (w *plainWriter) WriteHeader(status int) { w.status = status }

// hide keeps bytes.Buffer's other methods from showing.
type hide struct{ http.ResponseWriter }

// What the server's writer cannot do is refused with http.ErrNotSupported, and then nothing has left: the session
// can still be changed.
func TestUnsupportedExits(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	inner := &plainWriter{header: http.Header{}}
	r := httptest.NewRequest("GET", "https://app.test/", nil)
	f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Flush: %v", err)
		}
		w.(http.Flusher).Flush()
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		if err := control.SetWriteDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		if err := f.From(r.Context()).Set(cart{}); err != nil {
			t.Errorf("Set: %v", err)
		}
		if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("read, ")); n != 6 || err != nil {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		if n, err := w.(io.StringWriter).WriteString("written"); n != 7 || err != nil {
			t.Errorf("WriteString: %d, %v", n, err)
		}
	})).ServeHTTP(hide{inner}, r)
	if got := inner.String(); got != "read, written" || len(inner.header["Set-Cookie"]) != 1 {
		t.Errorf("body %q, header %v", got, inner.header)
	}
}

// A file still goes from the disk to the network without passing through the process, and deadlines and full
// duplex reach the server.
func TestServerFeaturesAreReached(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("0123456789", 10_000)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, httpmw.Config{InsecureHTTP: true})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	server := httptest.NewUnstartedServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		deadline := time.Now().Add(time.Minute)
		if err := errors.Join(control.SetReadDeadline(deadline), control.SetWriteDeadline(deadline), control.EnableFullDuplex()); err != nil {
			t.Error(err)
		}
		if err := f.From(r.Context()).Set(cart{Note: "x"}); err != nil {
			t.Error(err)
		}
		http.ServeFile(w, r, name)
	})))
	listener := &watchedListener{Listener: server.Listener}
	server.Listener = listener
	server.Start()
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != content {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if diff := cmp.Diff([]string{"session-anon"}, setNames(res)); diff != "" {
		t.Error(diff)
	}
	if got := listener.files.Load(); got == 0 {
		t.Error("the file was copied through the process")
	}
}

// watchedListener counts the files that connections are given to send.
type watchedListener struct {
	net.Listener
	files atomic.Int64
}

func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{c.(*net.TCPConn), l}, nil
}

type watchedConn struct {
	*net.TCPConn
	l *watchedListener
}

func (c *watchedConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			c.l.files.Add(1)
		}
	}
	return c.TCPConn.ReadFrom(r)
}

// Headers that were there stay, our own earlier cookie is replaced, and what forbids more is not weakened.
func TestMergedHeaders(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for name, row := range map[string]struct {
		before, after http.Header
	}{
		"none":                 {http.Header{}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Cookie"}}},
		"public":               {http.Header{"Cache-Control": {"public, max-age=60, s-maxage=9"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Cookie"}}},
		"private":              {http.Header{"Cache-Control": {"private, max-age=60"}}, http.Header{"Cache-Control": {"no-store, private"}, "Vary": {"Cookie"}}},
		"two fields":           {http.Header{"Cache-Control": {"Public", "No-Transform"}}, http.Header{"Cache-Control": {"no-store, No-Transform"}, "Vary": {"Cookie"}}},
		"no-store already":     {http.Header{"Cache-Control": {"no-cache, NO-STORE"}}, http.Header{"Cache-Control": {"no-store, no-cache"}, "Vary": {"Cookie"}}},
		"vary by something":    {http.Header{"Vary": {"Accept"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Accept", "Cookie"}}},
		"vary by it already":   {http.Header{"Vary": {"Accept, cookie"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Accept, cookie"}}},
		"vary by all":          {http.Header{"Vary": {"*"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"*"}}},
		"delivery networks":    {http.Header{"Surrogate-Control": {"max-age=9"}, "Foo-Cdn-Cache-Control": {"public"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Cookie"}, "Surrogate-Control": {"no-store"}, "Foo-Cdn-Cache-Control": {"no-store"}}},
		"cookies of others":    {http.Header{"Set-Cookie": {"a=b", sessionName + "2=c"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Cookie"}, "Set-Cookie": {"a=b", sessionName + "2=c", "ours"}}},
		"our own, set earlier": {http.Header{"Set-Cookie": {sessionName + "=old", "a=b", renewalName + "=old", anonName + "=old", anonName + ".1=old"}}, http.Header{"Cache-Control": {"no-store"}, "Vary": {"Cookie"}, "Set-Cookie": {"a=b", "ours"}}},
	} {
		t.Run(name, func(t *testing.T) {
			res := f.in(newBrowser(), func(w http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
				for k, v := range row.before {
					w.Header()[k] = slices.Clone(v)
				}
				if err := s.Set(cart{}); err != nil {
					t.Error(err)
				}
			})
			got := res.Header.Clone()
			lines := got["Set-Cookie"]
			if len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], anonName+"=eyJ") {
				t.Fatalf("cookies %q", lines)
			}
			lines[len(lines)-1] = "ours"
			if row.after["Set-Cookie"] == nil {
				row.after.Set("Set-Cookie", "ours")
			}
			if diff := cmp.Diff(row.after, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A page of somebody signed out must not be served to everybody, nor one of somebody signed in.
func TestVaryWithoutACookie(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for name, ask := range map[string]func(*httpmw.Session[cart], *http.Request){
		"LoggedIn":  func(s *httpmw.Session[cart], _ *http.Request) { s.LoggedIn() },
		"ID":        func(s *httpmw.Session[cart], _ *http.Request) { s.ID() },
		"Subject":   func(s *httpmw.Session[cart], _ *http.Request) { s.Subject() },
		"InGroup":   func(s *httpmw.Session[cart], _ *http.Request) { s.InGroup("g") },
		"LoginTime": func(s *httpmw.Session[cart], _ *http.Request) { s.LoginTime() },
		"Limits":    func(s *httpmw.Session[cart], _ *http.Request) { s.Deadlines() },
		"Err":       func(s *httpmw.Session[cart], _ *http.Request) { _ = s.Err() },
		"Value":     func(s *httpmw.Session[cart], _ *http.Request) { s.Value() },
		"Logout":    func(s *httpmw.Session[cart], r *http.Request) { _ = s.Logout(r.Context()) },
	} {
		res := f.in(newBrowser(), func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) { ask(s, r) })
		if got := res.Header.Get("Vary"); got != "Cookie" {
			t.Errorf("after %s Vary is %q", name, got)
		}
	}
}

// Real browsers' jars over TLS: log in, read, write, log out, on both protocols, with two replicas behind.
func TestWholeVisit(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		one := newFixture(t, httpmw.Config{})
		two := newReplica(t, one.ring, one.store.Unwrap(), httpmw.Config{})
		var turn atomic.Int64
		mux := func(f *fixture) http.Handler {
			m := http.NewServeMux()
			m.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
				if err := f.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user")}); err != nil {
					t.Error(err)
				}
				http.Redirect(w, r, "/", http.StatusSeeOther)
			})
			m.Handle("GET /", f.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := f.From(r.Context())
				fmt.Fprint(w, s.Subject(), " ", s.Value().Note)
			})))
			m.Handle("POST /note", f.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := f.From(r.Context()).Set(cart{Note: r.FormValue("text")}); err != nil {
					t.Error(err)
				}
			})))
			m.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
				if err := f.From(r.Context()).Logout(r.Context()); err != nil {
					t.Error(err)
				}
			})
			return f.Handler(m)
		}
		first, second := mux(one), mux(two)
		server, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if turn.Add(1)%2 == 0 {
				first.ServeHTTP(w, r)
			} else {
				second.ServeHTTP(w, r)
			}
		}), http2)
		do := func(method, path string, form url.Values) (int, string) {
			t.Helper()
			r, err := http.NewRequest(method, server.URL+path, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got := res.ProtoMajor == 2; got != http2 {
				t.Errorf("protocol %s", res.Proto)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, string(body)
		}
		expect := func(what string, status int, body string) {
			t.Helper()
			for range 4 { // so that each replica is asked
				if s, b := do("GET", "/", nil); s != status || body != "" && b != body {
					t.Errorf("%s: %d %q", what, s, b)
				}
			}
		}
		expect("before", 401, "")
		if s, _ := do("POST", "/login", url.Values{"user": {"ann"}}); s != 303 {
			t.Errorf("login: %d", s)
		}
		expect("logged in", 200, "ann ")
		if s, _ := do("POST", "/note", url.Values{"text": {"tea"}}); s != 200 {
			t.Errorf("note: %d", s)
		}
		expect("written", 200, "ann tea")
		cookies := client.Jar.Cookies(must(url.Parse(server.URL)))
		if s, _ := do("POST", "/logout", nil); s != 200 {
			t.Errorf("logout: %d", s)
		}
		expect("logged out", 401, "")
		if left := client.Jar.Cookies(must(url.Parse(server.URL))); len(left) != 1 || !strings.HasPrefix(left[0].Value, "out.") {
			t.Errorf("cookies left: %v", left)
		}
		client.Jar.SetCookies(must(url.Parse(server.URL)), cookies)
		await(t, "a copied cookie is refused by all", func() bool {
			a, _ := do("GET", "/", nil)
			b, _ := do("GET", "/", nil)
			return a == 401 && b == 401
		})
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
