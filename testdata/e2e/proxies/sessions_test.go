package proxies

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestProxies starts one fleet, with each proxy in front of it in two configurations.
func TestProxies(t *testing.T) {
	t.Parallel()
	f := newFleet(t, settings{Idle: 50 * time.Second}) // a session is renewed after 25 s
	var all []*proxy
	for _, k := range kinds {
		all = append(all, k.start(t, f, "defaults"), k.start(t, f, "tested"))
	}
	long := openLong(t, f)
	// The longest of them waits for a renewal most of the time, so the others run meanwhile.
	t.Run("all", func(t *testing.T) {
		t.Run("sessions", func(t *testing.T) { t.Parallel(); testSessions(t, all) })
		t.Run("others", func(t *testing.T) {
			t.Parallel()
			t.Run("streams", func(t *testing.T) { each(t, all, testStream) })
			t.Run("hosts", func(t *testing.T) { each(t, all, testHosts) })
			t.Run("addresses", func(t *testing.T) { each(t, all, testAddress) })
			t.Run("sizes", func(t *testing.T) { testSizes(t, f) })
			t.Run("too large", func(t *testing.T) { testTooLarge(t, f) })
		})
	})
	t.Run("long streams", func(t *testing.T) { testLong(t, long) })
}

// each tests the proxies one after another.
func each(t *testing.T, all []*proxy, test func(*testing.T, *proxy)) {
	for _, p := range all {
		t.Run(p.name+"/"+p.conf, func(t *testing.T) { test(t, p) })
	}
}

// everywhere sends a request until each replica has answered it, and gives all answers to check.
func (b *browser) everywhere(method, url string, check func(*answer)) {
	b.t.Helper()
	seen := map[int]bool{}
	for deadline := time.Now().Add(patience); len(seen) < 3; {
		a := b.send(method, url, "")
		check(a)
		seen[a.reply.Replica] = true
		if time.Now().After(deadline) {
			b.t.Fatalf("only the replicas %v answer", seen)
		}
	}
}

// A session lives in the browser: every replica reads what another one wrote, and refuses what
// another one has ended.
func testSessions(t *testing.T, all []*proxy) {
	visits := map[*proxy]*visit{}
	each(t, all, func(t *testing.T, p *proxy) {
		v := &visit{browser: p.browser(t, true)}
		visits[p] = v
		login := v.ok("POST", shop+"/login?user=ada")
		if lines := login.Header.Values("Set-Cookie"); len(lines) != 2 {
			t.Errorf("%d Set-Cookie lines, want that of the application and that of Wafer: %q", len(lines), lines)
		}
		checkCookie(t, login, "__Host-Http-session")
		v.id = login.ID
		v.everywhere("GET", shop+"/me", v.check)
		v.ok("POST", shop+"/write")
		v.writes++
		v.everywhere("GET", shop+"/me", v.check)
	})
	each(t, all, func(t *testing.T, p *proxy) { visits[p].renew(t) })
	each(t, all, func(t *testing.T, p *proxy) { visits[p].logout(t, p) })
}

// A visit is what a user does, through one proxy.
type visit struct {
	*browser
	id     string
	writes int
}

// check checks that the same session with the same data is there.
func (v *visit) check(a *answer) {
	v.t.Helper()
	if a.StatusCode != http.StatusOK || a.ID != v.id || a.Writes != v.writes {
		v.t.Fatalf("status %s, session %q with %d writes; want 200, %q with %d", a.Status, a.ID, a.Writes, v.id, v.writes)
	}
}

// renew uses the session until a replica renews it.
func (v *visit) renew(t *testing.T) {
	v.t = t
	const name = "__Host-Http-session-seen"
	var a *answer
	await(t, "a renewal", func() bool {
		a = v.ok("GET", shop+"/me")
		return strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), name+"=")
	})
	checkCookie(t, a, name)
	v.everywhere("GET", shop+"/me", v.check)
}

// logout logs out, and awaits that every replica refuses a copy of the session.
func (v *visit) logout(t *testing.T, p *proxy) {
	v.t = t
	thief := v.copy(t, p, false)
	thief.everywhere("GET", shop+"/me", v.check)
	v.ok("POST", shop+"/logout")
	loggedOut := time.Now()
	refused := map[int]bool{}
	await(t, "every replica refuses the copy", func() bool {
		sent := time.Now()
		switch a := thief.send("GET", shop+"/me", ""); a.StatusCode {
		case http.StatusUnauthorized:
			refused[a.reply.Replica] = true
		case http.StatusOK:
			if sent.Sub(loggedOut) > within {
				t.Errorf("replica %d accepted the copy %v after the logout", a.reply.Replica, sent.Sub(loggedOut))
			}
		default:
			t.Fatalf("the copy got status %s: %s", a.Status, a.text)
		}
		return len(refused) == 3
	})
	t.Logf("every replica refused %v after the logout", time.Since(loggedOut).Round(time.Millisecond))
}

// checkCookie checks that a proxy changed no attribute of a cookie.
func checkCookie(t *testing.T, a *answer, name string) {
	t.Helper()
	for _, line := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(line, name+"=") {
			if _, attributes, _ := strings.Cut(line, ";"); attributes != " Path=/; HttpOnly; Secure; SameSite=Lax" {
				t.Errorf("%s has the attributes %q", name, attributes)
			}
			return
		}
	}
	t.Errorf("no Set-Cookie line of %s", name)
}

// await asks until the answer is yes.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}
