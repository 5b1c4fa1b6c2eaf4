package admin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
)

// A slow client sends what it likes, when it likes.
type slow struct {
	net.Conn
	answers *bufio.Reader
}

// slow begins a request and returns when the API reads its body.
func (f *fixture) slow(t *testing.T, path, contentType, length string) slow {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := slow{conn, bufio.NewReader(conn)}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n%s\r\nExpect: 100-continue\r\n\r\n",
		path, secret, contentType, length)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := s.answers.ReadString('\n'); line != want {
			t.Fatalf("%s answered %q, %v", path, line, err)
		}
	}
	return s
}

// Whoever sends ids slowly, or not at all, keeps nobody else from revoking.
func TestRevokeManyBesideSlowBodies(t *testing.T) {
	f := start(t)
	for range 50 {
		s := f.slow(t, "/revocations/many", "application/x-ndjson", "Content-Length: 67108864")
		fmt.Fprintf(s, "{\"scope\":\"session\"}\n%q\n", sessionID(1))
	}
	f.many("{\"scope\":\"session\"}\n\""+sid+"\"").want(t, http.StatusOK, "")
}

// All bodies together have a bound, and those that are gone count no more.
func TestRevokeManyHasLittleRoom(t *testing.T) {
	f := start(t)
	const bulk, blank = 64 << 20, 4000
	object := `{"scope":"session"}`
	var all []slow
	for range 2 {
		s := f.slow(t, "/revocations/many", "application/x-ndjson", "Transfer-Encoding: chunked")
		all = append(all, s)
		go func() {
			fmt.Fprintf(s, "%x\r\n%s", bulk, object)
			for n := bulk - len(object); n > 0; n -= min(n, blank) {
				fmt.Fprintf(s, "\n%*s", min(n, blank)-1, "")
			}
		}()
	}
	ask := func() answer { return f.many("{\"scope\":\"session\"}\n\"" + sid + "\"") }
	until := func(status int) (got answer) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if got = ask(); got.status == status {
				return got
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("%d, want %d", got.status, status)
			}
		}
	}
	until(http.StatusConflict).want(t, http.StatusConflict, "busy")
	for _, s := range all {
		s.Close()
	}
	until(http.StatusOK)
}

// A body that does not arrive in time is refused, and the connection ends with it.
func TestBodiesThatDoNotArrive(t *testing.T) {
	f := start(t)
	defer admin.SetBodyTime(admin.SetBodyTime(10 * time.Millisecond))
	defer admin.SetBulkBodyTime(admin.SetBulkBodyTime(10 * time.Millisecond))
	for _, row := range []struct{ path, contentType, length string }{
		{"/revocations/many", "application/x-ndjson", "Content-Length: 100"},
		{"/revocations/many", "application/x-ndjson", "Transfer-Encoding: chunked"},
		{"/revocations/lookup", "application/json", "Content-Length: 100"},
		{"/revocations/lookup", "application/json", "Transfer-Encoding: chunked"},
	} {
		t.Run(row.path+" "+row.length, func(t *testing.T) {
			s := f.slow(t, row.path, row.contentType, row.length)
			s.SetReadDeadline(time.Now().Add(30 * time.Second))
			got, err := http.ReadResponse(s.answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			if got.StatusCode != http.StatusBadRequest {
				t.Errorf("status %s", got.Status)
			}
			if _, err := io.Copy(io.Discard, s.answers); err != nil {
				t.Errorf("the connection stays: %v", err)
			}
		})
	}
}
