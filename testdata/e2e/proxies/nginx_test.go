package proxies

import (
	"os"
	"strings"
	"testing"
)

// testTooLarge shows what nginx makes of answers that its buffers are too small for: it takes the
// replica out of use for everybody, until no replica is left.
func testTooLarge(t *testing.T, f *fleet) {
	p := kinds[0].start(t, f, "defaults")
	large, n := f.filled(t, "/three")
	stranger := p.browser(t, false)
	stranger.everywhere("GET", shop+"/public", func(a *answer) {
		if a.StatusCode != 200 {
			t.Fatalf("status %s", a.Status)
		}
	})
	for range 3 {
		if a := large.copy(t, p, false).send("POST", bulk("/three", n, 0), ""); a.StatusCode != 502 {
			t.Errorf("status %s, want 502", a.Status)
		}
	}
	if a := stranger.send("GET", shop+"/public", ""); a.StatusCode != 502 {
		t.Errorf("the public page has status %s; docs/proxies.md says that nobody gets it any more", a.Status)
	}
}

// A larger proxy_buffer_size alone is an error.
func TestBufferAlone(t *testing.T) {
	k := kinds[0]
	program := k.need(t)
	p := &proxy{kind: k, t: t, fleet: &fleet{t: t}, dir: t.TempDir(), addr: freeAddr(t), ended: make(chan struct{})}
	for i := range p.fleet.all {
		p.fleet.all[i] = &replica{settings: settings{App: "127.0.0.1:1", Admin: "127.0.0.1:1"}}
	}
	p.configure(strings.Replace(k.read(t, "tested"), "proxy_busy_buffers_size 16k;\n", "", 1))
	if p.run(program) {
		t.Fatal("nginx starts")
	}
	if b, err := os.ReadFile(p.file("log")); err != nil || !strings.Contains(string(b), `"proxy_busy_buffers_size" must be less than`) {
		t.Errorf("%v: %s", err, b)
	}
}
