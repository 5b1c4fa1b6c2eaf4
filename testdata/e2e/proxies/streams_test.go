package proxies

import (
	"bufio"
	"net/http"
	"testing"
	"time"
)

// A stream is an open page's.
type stream struct {
	*browser
	lines *bufio.Scanner
}

// openStream logs in and opens a stream.
func openStream(t *testing.T, b *browser) *stream {
	t.Helper()
	b.Timeout = 3 * patience
	b.ok("POST", shop+"/login?user=grace")
	r, err := http.NewRequestWithContext(t.Context(), "GET", shop+"/tab/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Content-Encoding") != "" {
		t.Fatalf("status %s, %v", res.Status, res.Header)
	}
	return &stream{b, bufio.NewScanner(res.Body)}
}

// await reads until a line comes.
func (s *stream) await(t *testing.T, line string) {
	t.Helper()
	for s.lines.Scan() {
		if s.lines.Text() == line {
			return
		}
	}
	t.Fatalf("the stream ended before %q: %v", line, s.lines.Err())
}

const (
	first     = "event: session"
	heartbeat = ":"
	last      = "event: ended"
)

// A stream's first event passes while the stream is open, and so does its last one.
func testStream(t *testing.T, p *proxy) {
	opened := time.Now()
	s := openStream(t, p.browser(t, p.conf == "tested"))
	s.await(t, first)
	if came := time.Since(opened); came > 15*time.Second { // the heartbeat comes after 20 s
		t.Errorf("the first event came after %v", came)
	}
	s.logout(t)
}

// logout ends the session, and awaits that the stream says so.
func (s *stream) logout(t *testing.T) {
	t.Helper()
	s.ok("POST", shop+"/logout")
	loggedOut := time.Now()
	s.await(t, last)
	took := time.Since(loggedOut)
	t.Logf("the last event came %v after the logout", took.Round(time.Millisecond))
	if took > 5*within {
		t.Error("that is too long, even on a machine with much else to do")
	}
}

// openLong opens a stream through each proxy, which closes what is silent for 30 s.
func openLong(t *testing.T, f *fleet) map[*proxy]*stream {
	t.Helper()
	streams := map[*proxy]*stream{}
	for _, p := range []*proxy{
		kinds[0].start(t, f, "tested", "large_client", "proxy_read_timeout 30s;\nsend_timeout 30s;\nlarge_client"),
		kinds[1].start(t, f, "tested", "50s", "30s"),
		kinds[2].start(t, f, "tested", "Protocols", "Timeout 30\nProxyTimeout 30\nProtocols"),
	} {
		streams[p] = openStream(t, p.browser(t, true))
	}
	return streams
}

// testLong checks that streams go on after these 30 s.
func testLong(t *testing.T, streams map[*proxy]*stream) {
	for p, s := range streams {
		t.Run(p.name, func(t *testing.T) {
			s.t = t
			s.await(t, first)
			s.await(t, heartbeat) // after 20 s
			s.await(t, heartbeat) // after 40 s
			s.logout(t)
		})
	}
}
