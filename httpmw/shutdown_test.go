package httpmw_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// down begins a Shutdown of a streaming server with so much time, and returns its result.
func (s *streaming) down(t *testing.T, within, notice time.Duration) <-chan error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- httpmw.Shutdown(ctx, s.list, notice, s.server.Config) }()
	return result
}

// revokeUnsent revokes somebody while the store does not answer.
func (s *streaming) revokeUnsent(t *testing.T, subject string) {
	t.Helper()
	s.store.Fail()
	if _, err := s.list.Revoke(t.Context(), revocation.Subject(subject), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
		t.Fatalf("Revoke = %v", err)
	}
}

// revoked reports whether another replica finds somebody revoked.
func (s *streaming) revoked(t *testing.T, subject string) bool {
	t.Helper()
	_, ok, err := newReplica(t, s.ring, s.store.Unwrap(), httpmw.Config{}).list.Revoked(t.Context(), revocation.Subject(subject))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// While there is notice, requests are served. Then streams end, and what waits for the store is sent, which
// answers again in time.
func TestShutdownInOrder(t *testing.T) {
	s := newStreaming(t)
	res := s.get(t, "/events", nil)
	defer res.Body.Close()
	s.revokeUnsent(t, "bob")
	const notice = 3 * time.Second
	began := time.Now()
	result := s.down(t, time.Minute, notice)
	await(t, "the list is not ready", func() bool { return !s.list.Ready() })
	other := s.get(t, "/nothing", nil)
	other.Body.Close()
	if other.StatusCode != http.StatusNotFound {
		t.Errorf("during the notice: %s", other.Status)
	}
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
	if d := time.Since(began); d < notice {
		t.Errorf("the stream ended after %v, before the notice was over", d)
	}
	if _, err := net.Dial("tcp", s.server.Listener.Addr().String()); err == nil {
		t.Error("the server accepts connections after its streams ended")
	}
	s.store.Recover()
	if err := <-result; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if !s.revoked(t, "bob") {
		t.Error("the revocation that waited is lost")
	}
	if _, err := s.list.Revoke(t.Context(), revocation.Subject("zoe"), revocation.Options{}); !errors.Is(err, revocation.ErrClosed) {
		t.Errorf("Revoke afterwards = %v", err)
	}
	if err := s.list.Close(); err != nil {
		t.Errorf("Close afterwards = %v", err)
	}
}

// What could not be sent is counted in the error, and named in the log.
func TestShutdownSaysWhatIsLost(t *testing.T) {
	var log logtest.Log
	s := newStreamingWith(t, slog.New(slog.NewTextHandler(&log, nil)))
	s.revokeUnsent(t, "bob")
	s.revokeUnsent(t, "zoe")
	s.list.Revoke(t.Context(), revocation.Everyone(), revocation.Options{})
	err := <-s.down(t, 3*time.Second, 0)
	if !errors.Is(err, revocation.ErrUnavailable) || !strings.Contains(err.Error(), "3 revocations were not acknowledged before closing (everyone: 1, subject: 2)") {
		t.Errorf("Shutdown = %v", err)
	}
	for _, subject := range []string{"bob", "zoe"} {
		if tag := s.list.Tag(revocation.Subject(subject)).String(); !strings.Contains(log.String(), tag) || strings.Contains(log.String(), subject) {
			t.Errorf("the log does not name %s by its tag alone:\n%s", subject, log.String())
		}
	}
}

// A handler that hangs is cut off, and leaves time to send what waits for the store.
func TestShutdownKeepsTimeForTheStore(t *testing.T) {
	s := newStreaming(t)
	hangs, left := make(chan struct{}), make(chan struct{})
	inner := s.server.Config.Handler
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hangs" {
			inner.ServeHTTP(w, r)
			return
		}
		close(hangs)
		<-r.Context().Done() // which ends with the connection
		close(left)
	})
	go func() {
		if res, err := s.client.Get(s.server.URL + "/hangs"); err == nil {
			res.Body.Close()
		}
	}()
	<-hangs
	s.revokeUnsent(t, "bob")
	result := s.down(t, 8*time.Second, 0)
	await(t, "only the outbox is left", func() bool { return s.list.Stats().State == "closed" })
	s.store.Recover()
	err := <-result
	if err == nil || !strings.Contains(err.Error(), "did not end in time") || errors.Is(err, revocation.ErrUnavailable) {
		t.Errorf("Shutdown = %v, want only that a request did not end", err)
	}
	<-left
	if !s.revoked(t, "bob") {
		t.Error("the revocation that waited is lost")
	}
}

// http.Server.Shutdown does not wait for hijacked connections.
func TestShutdownWaitsForHijackedConnections(t *testing.T) {
	for _, row := range []struct {
		name string
		ends bool
	}{{"that end", true}, {"that do not", false}} {
		t.Run(row.name, func(t *testing.T) {
			s := newStreaming(t)
			told, end := make(chan error, 1), make(chan struct{})
			mux := http.NewServeMux()
			mux.Handle("/hijack", s.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := s.From(r.Context()).Watch(context.WithoutCancel(r.Context()))
				defer cancel()
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello\n")
				<-ctx.Done()
				told <- context.Cause(ctx)
				<-end
			})))
			mux.Handle("/", s.server.Config.Handler)
			s.server.Config.Handler = mux
			res := s.get(t, "/hijack", nil)
			defer res.Body.Close()
			if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "hello\n" {
				t.Fatal(line, err)
			}
			limit := time.Minute
			if !row.ends {
				limit = 2 * time.Second
			}
			result := s.down(t, limit, 0)
			if err := <-told; err != httpmw.ErrShutdown {
				t.Errorf("the stream ended with %v", err)
			}
			if row.ends {
				select {
				case err := <-result:
					t.Errorf("Shutdown returned %v before the connection had ended", err)
				case <-time.After(50 * time.Millisecond):
				}
				close(end)
			} else {
				defer close(end)
			}
			err := <-result
			if row.ends && err != nil {
				t.Errorf("Shutdown = %v", err)
			}
			if !row.ends && (err == nil || !strings.Contains(err.Error(), "streams that did not end in time: 1")) {
				t.Errorf("Shutdown = %v, want an error for one stream", err)
			}
		})
	}
}

// A list that revokes nothing has streams as well.
func TestShutdownOfADisabledList(t *testing.T) {
	list := revocation.Disabled(keys.Generate(0))
	if err := httpmw.Shutdown(t.Context(), list, 0, new(http.Server)); err != nil || list.Ready() {
		t.Errorf("Shutdown = %v, Ready = %v", err, list.Ready())
	}
}

// A notice that is longer than the whole time leaves time to send what waits.
func TestShutdownKeepsTimeForTheStoreWhateverTheNotice(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		f.store.Fail()
		if _, err := f.list.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatalf("Revoke = %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		time.AfterFunc(16*time.Second, f.store.Recover)
		if err := httpmw.Shutdown(ctx, f.list, time.Hour); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		if _, ok, err := other.list.Revoked(t.Context(), revocation.Subject("bob")); !ok || err != nil {
			t.Errorf("Revoked = %v, %v", ok, err)
		}
	})
}

// A replica that has not joined its list yet sends what waits if the store returns in time.
func TestShutdownBeforeTheListIsJoined(t *testing.T) {
	ring, store := keys.Generate(0), revlogtest.NewFaulty(revlog.NewMemory())
	store.Fail()
	list, err := revocation.Open(t.Context(), store, ring, revocation.Config{StartWithoutStore: true, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	target := revocation.Session("AAAAAAAAAAAAAAAAAAAAAA")
	if _, err := list.Revoke(t.Context(), target, revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
		t.Fatalf("Revoke = %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	time.AfterFunc(100*time.Millisecond, store.Recover)
	if err := httpmw.Shutdown(ctx, list, 0); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if _, ok, err := newReplica(t, ring, store.Unwrap(), httpmw.Config{}).list.Revoked(t.Context(), target); !ok || err != nil {
		t.Errorf("Revoked = %v, %v", ok, err)
	}
}

func TestShutdownEndsStreamsOverBothProtocols(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		f := newFixture(t, httpmw.Config{})
		mux := http.NewServeMux()
		mux.Handle("/events", events(f.Manager, nil))
		mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
			if err := f.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
				t.Error(err)
			}
		})
		server, client := serve(t, f.Handler(mux), http2)
		for _, path := range []string{"/login", "/events"} {
			res, err := client.Get(server.URL + path)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatal(res, err)
			}
			defer res.Body.Close()
			if path == "/login" {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := httpmw.Shutdown(ctx, f.list, 0, server.Config); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
				t.Errorf("the stream ended with %q, %v", rest, err)
			}
		}
	})
}
