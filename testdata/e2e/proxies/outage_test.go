package proxies

import (
	"net/http"
	"testing"
	"time"
)

// While the store is away for longer than Grace, sessions get 503 with Retry-After from the
// application, and no proxy takes a replica out of use for that. Nobody is signed out.
func TestOutage(t *testing.T) {
	t.Parallel()
	f := newFleet(t, settings{Grace: 3 * time.Second})
	var all []*proxy
	for _, k := range kinds {
		all = append(all, k.start(t, f, "defaults"), k.start(t, f, "tested"))
	}
	eager := []*proxy{ // what docs/proxies.md warns of; Apache has nothing like it
		kinds[0].start(t, f, "tested", "large_client", "proxy_next_upstream error timeout http_503;\nlarge_client"),
		kinds[1].start(t, f, "tested", "default-server", "default-server observe layer7 error-limit 3 on-error mark-down"),
	}
	users := map[*proxy]*visit{}
	for _, p := range append(all, eager...) {
		v := &visit{browser: p.browser(t, true)}
		v.id = v.ok("POST", shop+"/login?user=ada").ID
		v.everywhere("GET", shop+"/me", v.check)
		users[p] = v
	}

	f.redis.Kill()
	for _, p := range all {
		await(t, p.name+": undecided at every replica", func() bool { return undecided(t, users[p]) })
	}
	f.awaitProbes(t, 10)
	each(t, all, func(t *testing.T, p *proxy) {
		v := &visit{browser: p.browser(t, true)} // a stranger
		v.everywhere("GET", shop+"/public", func(a *answer) {
			if a.StatusCode != http.StatusOK {
				t.Fatalf("the public page has status %s: %s", a.Status, a.text)
			}
		})
		if !undecided(t, users[p]) {
			t.Error("a replica decides, or is out of use")
		}
	})
	for _, p := range eager {
		t.Run(p.name+"/eager", func(t *testing.T) { testEager(t, p, users[p]) })
	}

	f.redis.Restart()
	each(t, all, func(t *testing.T, p *proxy) {
		v := users[p]
		v.t = t
		await(t, "the session is back everywhere", func() bool {
			seen := map[int]bool{}
			for range 9 {
				if a := v.send("GET", shop+"/me", ""); a.StatusCode == http.StatusOK && a.ID == v.id {
					seen[a.reply.Replica] = true
				}
			}
			return len(seen) == 3
		})
	})
}

// testEager shows that a proxy which takes 503 for a failure loses the public page, too.
func testEager(t *testing.T, p *proxy, v *visit) {
	v.t = t
	stranger := p.browser(t, true)
	await(t, "the public page is lost", func() bool {
		for range 9 {
			v.send("GET", shop+"/me", "")
		}
		a := stranger.send("GET", shop+"/public", "")
		return a.StatusCode == http.StatusBadGateway || a.StatusCode == http.StatusServiceUnavailable
	})
}

// undecided reports whether three replicas answer 503. It fails the test if any of these answers
// was changed on its way, or touches a cookie.
func undecided(t *testing.T, v *visit) bool {
	t.Helper()
	seen := map[int]bool{}
	for range 9 {
		a := v.send("GET", shop+"/me", "")
		switch {
		case a.StatusCode == http.StatusOK:
			return false
		case a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !a.Undecided:
			t.Fatalf("status %s, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.text)
		case len(a.Header.Values("Set-Cookie")) > 0:
			t.Errorf("Set-Cookie: %q", a.Header.Values("Set-Cookie"))
		}
		seen[a.reply.Replica] = true
	}
	return len(seen) == 3
}

// awaitProbes waits until each replica has answered n health checks.
func (f *fleet) awaitProbes(t *testing.T, n int64) {
	t.Helper()
	for i, r := range f.all {
		b := f.direct(t)
		b.Transport = direct(r.App)
		begin := b.ok("GET", shop+"/public").Probes
		await(t, "health checks", func() bool { return b.ok("GET", shop+"/public").Probes >= begin+n })
		if b.ok("GET", shop+"/public").reply.Replica != i {
			t.Fatal("another replica answers")
		}
	}
}
