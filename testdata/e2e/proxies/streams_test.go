package proxies

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A stream's first event passes while the stream is open, and so does its last one.
func testStream(t *testing.T, p *proxy) {
	b := p.browser(t, p.conf == "tested")
	b.ok("POST", shop+"/login?user=grace")
	r, err := http.NewRequestWithContext(t.Context(), "GET", shop+"/tab/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Accept-Encoding", "gzip")
	opened := time.Now()
	res, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Content-Encoding") != "" {
		t.Fatalf("status %s, %v", res.Status, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	next := func(want string) {
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				if name != want {
					t.Fatalf("event %q, want %q", name, want)
				}
				return
			}
		}
		t.Fatalf("the stream ended before the event %q: %v", want, lines.Err())
	}
	next("session") // Wafer sends nothing more until the heartbeat, which is a comment
	first := time.Since(opened)
	b.ok("POST", shop+"/logout")
	loggedOut := time.Now()
	next("ended")
	took := time.Since(loggedOut)
	t.Logf("the first event came after %v, the last one %v after the logout", first.Round(time.Millisecond), took.Round(time.Millisecond))
	if first > 15*time.Second || took > 5*within {
		t.Error("that is too long, even on a machine with much else to do")
	}
	if lines.Scan() && lines.Text() != "" && !strings.HasPrefix(lines.Text(), "data: ") {
		t.Errorf("after the end came %q", lines.Text())
	}
}
