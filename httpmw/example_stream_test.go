package httpmw_test

import (
	"bufio"
	"context"
	"crypto/fips140"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
)

// events serves server-sent events to who is logged in, until the session ends, the client leaves or httpmw.Shutdown
// begins.
func events[T any](sessions *httpmw.Manager[T], news <-chan string) http.Handler {
	return sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := sessions.From(r.Context()).Watch(r.Context())
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		control := http.NewResponseController(w)
		for {
			if err := control.Flush(); err != nil { // the first one sends the headers, and cookies with them
				return
			}
			control.SetWriteDeadline(time.Time{}) // waiting may last; the server's WriteTimeout is for pages
			select {
			case line := <-news:
				control.SetWriteDeadline(time.Now().Add(stalled))
				fmt.Fprintf(w, "data: %s\n\n", oneField.Replace(line))
			case <-ctx.Done():
				control.SetWriteDeadline(time.Now().Add(stalled))
				// An EventSource connects again by itself, which is right after a shutdown, and is told 401 or 503
				// then. The page can do better if it hears why.
				if cause := context.Cause(ctx); errors.Is(cause, httpmw.ErrRevoked) || errors.Is(cause, httpmw.ErrExpired) {
					fmt.Fprint(w, "event: logout\ndata:\n\n")
				}
				return
			}
		}
	}))
}

// stalled is how long a client may leave a message unread.
const stalled = 10 * time.Second

// oneField keeps the line breaks of a message from beginning an event of its own.
var oneField = strings.NewReplacer("\r\n", "\ndata: ", "\n", "\ndata: ", "\r", "\ndata: ")

// socket serves a WebSocket (RFC 6455) to who is logged in, as events does. It shows what to do around a library: look
// at Origin, watch the session, and let the 101 carry what Header holds.
func socket[T any](sessions *httpmw.Manager[T], news <-chan string) http.Handler {
	return sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The handshake is a GET, which CrossOriginProtection lets pass, and browsers send cookies with those of
		// neighbouring hosts.
		if origin, err := url.Parse(r.Header.Get("Origin")); err != nil || origin.Host != r.Host {
			http.Error(w, "wrong origin", http.StatusForbidden)
			return
		}
		ctx, cancel := sessions.From(r.Context()).Watch(r.Context())
		defer cancel()

		var accept [sha1.Size]byte
		fips140.WithoutEnforcement(func() { // the protocol wants SHA-1, and nothing rests on it
			accept = sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		})
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(accept[:]))
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		go func() { // reading is how one learns that the client left
			defer cancel()
			io.Copy(io.Discard, buffered)
		}()
		for {
			select {
			case line := <-news:
				conn.SetWriteDeadline(time.Now().Add(stalled)) // net/http lifted its own when it gave the connection away
				if _, err := conn.Write(frame(opText, []byte(line))); err != nil {
					return
				}
			case <-ctx.Done():
				status := uint16(1001) // going away
				if cause := context.Cause(ctx); errors.Is(cause, httpmw.ErrRevoked) || errors.Is(cause, httpmw.ErrExpired) {
					status = 4401 // a number of the application's own: log in again
				}
				conn.SetWriteDeadline(time.Now().Add(stalled))
				conn.Write(frame(opClose, binary.BigEndian.AppendUint16(nil, status)))
				return
			}
		}
	}))
}

const (
	opText  = 0x1
	opClose = 0x8
)

// frame is a final WebSocket frame of a server, with at most 65,535 bytes of payload: the rest is cut off.
func frame(op byte, payload []byte) []byte {
	payload = payload[:min(len(payload), 1<<16-1)]
	head := []byte{0x80 | op, byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | op, 126}, uint16(len(payload)))
	}
	return append(head, payload...)
}

// streaming is a server with both streams, and a client that is logged in.
type streaming struct {
	*fixture
	server *httptest.Server
	client *http.Client
	news   chan string
}

func newStreaming(t *testing.T) *streaming { return newStreamingWith(t, quiet()) }

func newStreamingWith(t *testing.T, logger *slog.Logger) *streaming {
	s := &streaming{fixture: newFixture(t, httpmw.Config{InsecureHTTP: true, Logger: logger}), news: make(chan string)}
	mux := http.NewServeMux()
	mux.Handle("/events", events(s.Manager, s.news))
	mux.Handle("/socket", socket(s.Manager, s.news))
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := s.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := s.From(r.Context()).Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	s.server = httptest.NewServer(s.Handler(mux))
	t.Cleanup(s.server.Close)
	s.client = s.server.Client()
	s.client.Jar = must(newJar())
	s.get(t, "/login", nil).Body.Close()
	return s
}

func (s *streaming) get(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (s *streaming) shutdown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := httpmw.Shutdown(ctx, s.list, 0, s.server.Config); err != nil {
		t.Error(err)
	}
}

func TestServerSentEvents(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(*testing.T, *streaming)
		last string
	}{
		"logout":   {func(t *testing.T, s *streaming) { s.get(t, "/logout", nil).Body.Close() }, "event: logout\ndata:\n\n"},
		"shutdown": {func(t *testing.T, s *streaming) { s.shutdown(t) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreaming(t)
			res := s.get(t, "/events", nil)
			defer res.Body.Close()
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatalf("status %d, header %v", res.StatusCode, res.Header)
			}
			body := bufio.NewReader(res.Body)
			s.news <- "hello\n\nevent: logout"
			for _, want := range []string{"data: hello\n", "data: \n", "data: event: logout\n", "\n"} {
				if line, err := body.ReadString('\n'); line != want || err != nil {
					t.Errorf("read %q, %v, want %q", line, err, want)
				}
			}
			row.end(t, s)
			if rest, err := io.ReadAll(body); string(rest) != row.last || err != nil {
				t.Errorf("it ended with %q, %v, want %q", rest, err, row.last)
			}
		})
	}
}

func TestServerSentEventsExpire(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		start := time.Now()
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		events(f.Manager, nil).ServeHTTP(w, b.request())
		ended := time.Since(start)
		if ended < time.Hour || ended > time.Hour+within || w.Body.String() != "event: logout\ndata:\n\n" {
			t.Errorf("after %v: %q", ended, w.Body)
		}
		if want := []time.Time{{}, start.Add(ended + stalled)}; !slices.EqualFunc(w.set, want, time.Time.Equal) {
			t.Errorf("deadlines %v, want %v", w.set, want)
		}
	})
}

// deadlines records what deadlines a handler sets.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestWebSocket(t *testing.T) {
	for name, row := range map[string]struct {
		end    func(*testing.T, *streaming)
		status uint16
	}{
		"logout":   {func(t *testing.T, s *streaming) { s.get(t, "/logout", nil).Body.Close() }, 4401},
		"shutdown": {func(t *testing.T, s *streaming) { s.shutdown(t) }, 1001},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreaming(t)
			header := http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {s.server.URL},
			}
			res := s.get(t, "/socket", header)
			defer res.Body.Close()
			if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Fatalf("status %d, header %v", res.StatusCode, res.Header)
			}
			read := func(op byte) []byte {
				t.Helper()
				var head [4]byte
				if _, err := io.ReadFull(res.Body, head[:2]); err != nil || head[0] != 0x80|op {
					t.Fatalf("frame %x, %v, want %x", head[0], err, 0x80|op)
				}
				n := uint16(head[1])
				if n == 126 {
					if _, err := io.ReadFull(res.Body, head[2:]); err != nil {
						t.Fatal(err)
					}
					n = binary.BigEndian.Uint16(head[2:])
				}
				payload := make([]byte, n)
				if _, err := io.ReadFull(res.Body, payload); err != nil {
					t.Fatal(err)
				}
				return payload
			}
			for _, news := range []string{"hello", strings.Repeat("x", 300)} {
				s.news <- news
				if got := read(opText); string(got) != news {
					t.Errorf("read %q, want %q", got, news)
				}
			}
			row.end(t, s)
			if got := binary.BigEndian.Uint16(read(opClose)); got != row.status {
				t.Errorf("closed with %d, want %d", got, row.status)
			}
		})
	}
}

// A WebSocket of a page elsewhere, and one without a login, do not begin.
func TestWebSocketRefused(t *testing.T) {
	s := newStreaming(t)
	for origin, want := range map[string]int{"http://evil.test": 403, "": 403, "null": 403} {
		res := s.get(t, "/socket", http.Header{"Origin": {origin}})
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("origin %q: %d", origin, res.StatusCode)
		}
	}
	s.get(t, "/logout", nil).Body.Close()
	res := s.get(t, "/socket", http.Header{"Origin": {strings.TrimSuffix(s.server.URL, "/")}})
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("without a login: %d", res.StatusCode)
	}
}
