package gorilla_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// oldApp is the application before: the handlers and cookies of gorilla/sessions with a CookieStore.
func oldApp(codecs []securecookie.Codec) http.Handler {
	const name = "app-session"
	load := func(r *http.Request) map[any]any {
		values := map[any]any{}
		if c, err := r.Cookie(name); err == nil {
			_ = securecookie.DecodeMulti(name, c.Value, &values, codecs...)
		}
		return values
	}
	save := func(w http.ResponseWriter, values map[any]any, maxAge int) {
		encoded, err := securecookie.EncodeMulti(name, values, codecs...)
		if err != nil {
			panic(err)
		}
		http.SetCookie(w, &http.Cookie{Name: name, Value: encoded, Path: "/", MaxAge: maxAge})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		var user int64
		if _, err := fmt.Sscan(r.FormValue("user"), &user); err != nil {
			panic(err)
		}
		save(w, map[any]any{"user_id": user, "theme": "dark"}, 86400)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		values := load(r)
		if values["user_id"] == nil {
			http.Error(w, "log in", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "user %d, %s", values["user_id"], values["theme"])
	})
	mux.HandleFunc("POST /theme", func(w http.ResponseWriter, r *http.Request) {
		values := load(r)
		values["theme"] = r.FormValue("theme")
		save(w, values, 86400)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, _ *http.Request) { save(w, nil, -1) })
	return mux
}

// site is what browsers see: one address, and behind it whatever the deploy has running.
type site struct {
	*httptest.Server
	pod atomic.Pointer[http.Handler]
}

func newSite(t *testing.T) *site {
	s := &site{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.pod.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	return s
}

// client is one browser.
type client struct {
	t    *testing.T
	site *site
	http *http.Client
}

func (s *site) client(t *testing.T) *client {
	return &client{t, s, &http.Client{Transport: s.Client().Transport, Jar: must(cookiejar.New(nil))}}
}

// on sends a request to a replica of that version and returns the page, or the status if it is not 200.
func (c *client) on(pod http.Handler, method, path string, form ...string) string {
	c.t.Helper()
	c.site.pod.Store(&pod)
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	req := must(http.NewRequestWithContext(c.t.Context(), method, c.site.URL+path, strings.NewReader(values.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body := must(io.ReadAll(resp.Body))
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.StatusCode)
	}
	return string(body)
}

// cookies returns the names of the browser's cookies, and a copy of the browser.
func (c *client) cookies() (names map[string]bool, copied *client) {
	names = map[string]bool{}
	home := must(url.Parse(c.site.URL))
	copied = c.site.client(c.t)
	for _, cookie := range c.http.Jar.Cookies(home) {
		names[cookie.Name] = true
	}
	copied.http.Jar.SetCookies(home, c.http.Jar.Cookies(home))
	return names, copied
}

// A deploy goes forward, back, and forward again, with both versions serving one browser.
func TestARollingDeploy(t *testing.T) {
	hash, block := secret(11, 64), secret(12, 32)
	old := oldApp(securecookie.CodecsFromPairs(hash, block))
	ring, store := keys.Generate(0), revlog.NewMemory()
	newPod := func(keep bool) (http.Handler, *gorilla.Mover[Account], *revocation.List) {
		list := must(revocation.Open(t.Context(), store, ring, revocation.Config{MaxIdle: 15 * 24 * time.Hour, Logger: quiet()}))
		t.Cleanup(func() { list.Close() })
		m := must(httpmw.New[Account](keys.Static(ring), list, httpmw.Config{App: "shop", Logger: quiet()}))
		c := migration(hash, block)
		c.Until, c.OldUntil = time.Now().Add(14*24*time.Hour), oldUntil(keep)
		mover := must(gorilla.New(m, c))
		return mover.Handler(routes(m)), mover, list
	}
	one, mover, _ := newPod(true)
	two, _, listTwo := newPod(true)
	s := newSite(t)
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}

	ada := s.client(t)
	want(ada.on(old, "POST", "/login", "user", "7"), "")
	for range 2 { // forward and back
		want(ada.on(old, "GET", "/"), "user 7, dark")
		want(ada.on(one, "GET", "/"), "user 7, dark")
		want(ada.on(two, "GET", "/"), "user 7, dark")
	}
	if n := mover.Stats().Moved; n != 1 {
		t.Errorf("moved %d times, want once", n)
	}
	names, stolen := ada.cookies()
	if d := cmp.Diff(map[string]bool{"app-session": true, "__Host-Http-shop": true}, names); d != "" {
		t.Error(d)
	}
	// What is changed on a new replica is seen on all new ones.
	want(ada.on(one, "POST", "/theme", "theme", "light"), "")
	want(ada.on(two, "GET", "/"), "user 7, light")
	want(ada.on(old, "GET", "/"), "user 7, dark")

	// A logout on a new replica is one everywhere, and the old cookie a thief has is worth nothing to a new replica.
	want(ada.on(one, "POST", "/logout"), "")
	want(ada.on(old, "GET", "/"), "401")
	want(ada.on(two, "GET", "/"), "401")
	names, _ = ada.cookies()
	if d := cmp.Diff(map[string]bool{"__Host-Http-shop": true}, names); d != "" { // the marker of a logout
		t.Errorf("after the logout: %s", d)
	}
	want(stolen.on(one, "GET", "/"), "401")
	thief := s.client(t) // with the old cookie alone
	for _, c := range stolen.http.Jar.Cookies(must(url.Parse(s.URL))) {
		if c.Name == "app-session" {
			thief.http.Jar.SetCookies(must(url.Parse(s.URL)), []*http.Cookie{c})
		}
	}
	want(thief.on(one, "GET", "/"), "401")
	for deadline := time.Now().Add(listTwo.Replica().Within()); thief.on(two, "GET", "/") != "401"; {
		if time.Now().After(deadline) {
			t.Fatal("another replica accepts the old cookie after the logout")
		}
	}

	// A logout on an old replica is one everywhere, also of a copy of the new cookie.
	bob := s.client(t)
	want(bob.on(old, "POST", "/login", "user", "8"), "")
	want(bob.on(one, "GET", "/"), "user 8, dark")
	want(bob.on(old, "POST", "/logout"), "")
	want(bob.on(one, "GET", "/"), "401")
	want(bob.on(old, "POST", "/login", "user", "9"), "")
	want(bob.on(two, "GET", "/"), "user 9, dark")
	// Or another login.
	want(bob.on(old, "POST", "/login", "user", "10"), "")
	want(bob.on(one, "GET", "/"), "user 10, dark")
	want(bob.on(old, "GET", "/"), "user 10, dark")
	want(bob.on(one, "GET", "/"), "user 10, dark")
	if n := mover.Stats().Ended; n != 2 {
		t.Errorf("ended %d moved sessions, want 2", n)
	}

	// The deploy is complete.
	last, _, _ := newPod(false)
	want(bob.on(last, "GET", "/"), "user 10, dark")
	if names, _ := bob.cookies(); names["app-session"] || !names["__Host-Http-shop"] {
		t.Errorf("cookies at the end: %v", names)
	}
	want(bob.on(last, "GET", "/"), "user 10, dark")
}

func TestTheExample(t *testing.T) {
	t.Setenv("WAFER_KEK", base64.RawURLEncoding.EncodeToString(securecookie.GenerateRandomKey(32)))
	if _, err := open(t.Context(), filepath.Join(t.TempDir(), "ring.jwe"), revlog.NewMemory()); err != nil {
		t.Fatal(err)
	}
	kit := wafertest.New[Account](t, httpmw.Config{})
	h, err := serve(kit.Manager, secret(11, 64), secret(12, 32))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	c := s.client(t)
	if got := c.on(h, "GET", "/"); got != "401" {
		t.Errorf("nobody: %s", got)
	}
	kit.SignIn(c.http, s.URL, httpmw.Identity{Subject: "7"}, Account{Theme: "dark"})
	if got := c.on(h, "GET", "/"); got != "user 7, dark" {
		t.Errorf("somebody: %s", got)
	}
}

// While old replicas run, the old cookie has the last word on the sessions it became.
func TestTheOldCookieHasTheLastWord(t *testing.T) {
	other := map[any]any{"user": "bob"}
	out := map[any]any{"user": "ada", "out": true}
	rows := []struct {
		name string
		keep bool
		then func(t *testing.T, b browser) // what an old replica does to the cookie
		want string
	}{
		{"nothing", true, func(*testing.T, browser) {}, "ada"},
		{"saved again", true, func(t *testing.T, b browser) { b[oldName] = encode(t, codecs()[0], adas) }, "ada"},
		{"gone", true, func(_ *testing.T, b browser) { delete(b, oldName) }, ""},
		{"damaged", true, func(_ *testing.T, b browser) { b[oldName] = "x" }, ""},
		{"logged out in its values", true, func(t *testing.T, b browser) { b[oldName] = encode(t, codecs()[0], out) }, ""},
		{"of somebody else", true, func(t *testing.T, b browser) { b[oldName] = encode(t, codecs()[0], other) }, "bob"},
		{"gone, and no old replicas", false, func(_ *testing.T, b browser) { delete(b, oldName) }, "ada"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(row.keep)})
				b := browser{oldName: encode(t, codecs()[0], adas)}
				first := r.look(b)
				stolen := browser{newName: b[newName]}
				time.Sleep(time.Second)
				row.then(t, b)
				if s := r.look(b); s.Subject != row.want || s.Err != nil || s.Subject == "ada" != (s.ID == first.ID) {
					t.Errorf("%+v, want %q; it was %+v", s, row.want, first)
				}
				if s := r.look(b); s.Subject != row.want {
					t.Errorf("the next request: %+v", s)
				}
				if _, err := r.CheckCookies(t.Context(), stolen[newName], ""); (row.want == "ada") != (err == nil) {
					t.Errorf("the session that was: %v", err)
				}
			})
		})
	}
}

// A login on a new replica is a session of its own.
func TestNewLoginsAreLeftAlone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(true)})
		b := browser{}
		r.visit(b, func(_ http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs]) {
			if err := s.Login(req.Context(), httpmw.Identity{Subject: "ada"}); err != nil {
				t.Error(err)
			}
		})
		if s := r.look(b); s.Subject != "ada" {
			t.Errorf("%+v", s)
		}
		b[oldName] = encode(t, codecs()[0], map[any]any{"user": "bob"})
		if s := r.look(b); s.Subject != "ada" || b[oldName] == "" {
			t.Errorf("beside an old cookie: %+v, %v", s, b)
		}
	})
}

// Replicas whose clocks differ come to OldUntil one after the other. None takes the cookie that another expired for a logout.
func TestTheEndOfTheOldReplicas(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		end := time.Now().Add(10 * time.Minute)
		all := several(t, 2, gorilla.Config[prefs]{OldUntil: end})
		c := config(gorilla.Config[prefs]{OldUntil: end.Add(45 * time.Second), From: time.Now(), Until: time.Now().Add(time.Hour)})
		all[1].Mover = must(gorilla.New(all[1].Manager, c)) // as if its clock were behind
		b := browser{oldName: encode(t, codecs()[0], adas)}
		for i := 0; time.Now().Before(end.Add(5 * time.Minute)); i++ {
			if s := all[i%2].look(b); s.Subject != "ada" {
				t.Fatalf("%v after OldUntil: %+v", time.Since(end), s)
			}
			if time.Now().Before(end) && b[oldName] == "" {
				t.Fatalf("%v before OldUntil the old cookie is gone", time.Until(end))
			}
			time.Sleep(10 * time.Second)
		}
		if b[oldName] != "" {
			t.Error("the old cookie is still there")
		}
	})
}

// A session that was revoked takes the old cookie with it, or old replicas would still know who it is, and new ones would take what
// those write for another login. A login that follows, on an old replica, is moved.
func TestARevocationEndsTheOldCookie(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(true)})
		b := browser{oldName: encode(t, codecs()[0], adas)}
		first := r.look(b)
		time.Sleep(10 * time.Second)
		r.kit.Revoke(revocation.Session(first.ID))
		b[oldName] = encode(t, codecs()[0], adas) // an old replica knows nothing of it
		rewritten := b.copy()
		if s := r.look(b); s.Subject != "" || !b.signedOut() {
			t.Errorf("%+v, cookies %v", s, b)
		}
		delete(rewritten, newName)
		if s := r.look(rewritten); s.Subject != "" || !errors.Is(s.Err, httpmw.ErrRevoked) {
			t.Errorf("a copy of the old cookie: %+v", s)
		}
		time.Sleep(time.Second)
		b[oldName] = encode(t, codecs()[0], adas) // a login
		if s := r.look(b); s.Subject != "ada" || s.ID == first.ID {
			t.Errorf("after another login: %+v", s)
		}
	})
}

// While old replicas run nobody is idle who still has a good old cookie: there they would be logged in, and here not.
func TestAnIdleSessionIsContinuedWhileOldReplicasRun(t *testing.T) {
	for keep, want := range map[bool]string{true: "ada", false: ""} {
		bubble.Test(t, func(t *testing.T) {
			r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(keep)})
			b := browser{oldName: encode(t, codecs()[0], adas)}
			old := b[oldName]
			r.look(b)
			time.Sleep(3 * time.Hour)
			b[oldName] = old
			if s := r.look(b); s.Subject != want {
				t.Errorf("old replicas run: %v: %+v", keep, s)
			}
		})
	}
}

// Expiring the old cookie takes the attributes it was set with.
func TestTheOldCookieGoesWithItsAttributes(t *testing.T) {
	rows := []struct {
		name   string
		cookie string
		config gorilla.Config[prefs]
		want   string
	}{
		{"as gorilla/sessions sets it", "legacy", gorilla.Config[prefs]{}, "legacy=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly"},
		{"path and domain", "legacy", gorilla.Config[prefs]{Path: "/app", Domain: "app.test"},
			"legacy=; Path=/app; Domain=app.test; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly"},
		{"prefix", "__Host-legacy", gorilla.Config[prefs]{}, "__Host-legacy=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := alone(t, gorilla.Config[prefs]{})
			c := config(row.config)
			c.Cookie = row.cookie
			r.Mover = must(gorilla.New(r.Manager, c))
			res := r.visit(browser{row.cookie: must(codecs()[0].Encode(row.cookie, adas))}, nil)
			var got []string
			for _, line := range res.Header["Set-Cookie"] {
				if strings.HasPrefix(line, row.cookie+"=") {
					got = append(got, line)
				}
			}
			if d := cmp.Diff([]string{row.want}, got); d != "" {
				t.Error(d)
			}
		})
	}
}
