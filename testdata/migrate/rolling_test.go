package migrate

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A deploy is what docs/from-gorilla.md and docs/from-scs.md lead through: versions of one application behind one address, in turns.
type deploy struct {
	t      *testing.T
	server *httptest.Server
	pod    atomic.Pointer[http.Handler]
	ring   *keys.Ring
	store  *revlog.Memory
}

func newDeploy(t *testing.T) *deploy {
	d := &deploy{t: t, ring: keys.Generate(0), store: revlog.NewMemory()}
	d.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.pod.Load()).ServeHTTP(w, r) }))
	t.Cleanup(d.server.Close)
	return d
}

// manager is that of one more replica of the new version. The first one begins the list.
func (d *deploy) manager() *httpmw.Manager[Prefs] {
	d.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	list, err := revocation.Open(d.t.Context(), d.store, d.ring, revocation.Config{MaxIdle: 36 * time.Hour, Logger: quiet})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[Prefs](keys.Static(d.ring), list, httpmw.Config{Logger: quiet})
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// A visitor is one browser.
type visitor struct {
	*deploy
	jar http.CookieJar
}

func (d *deploy) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return &visitor{d, jar}
}

func (v *visitor) home() *url.URL {
	u, err := url.Parse(v.server.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	return u
}

// copied is a thief with copies of some of the visitor's cookies, all of them if none is named.
func (v *visitor) copied(names ...string) *visitor {
	thief := v.visitor()
	for _, c := range v.jar.Cookies(v.home()) {
		if len(names) == 0 || strings.Contains(strings.Join(names, " "), c.Name) {
			thief.jar.SetCookies(v.home(), []*http.Cookie{c})
		}
	}
	return thief
}

func (v *visitor) names() (names []string) {
	for _, c := range v.jar.Cookies(v.home()) {
		names = append(names, c.Name)
	}
	return names
}

func (v *visitor) do(pod http.Handler, method, path string) string {
	v.t.Helper()
	v.pod.Store(&pod)
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.server.URL+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	client := http.Client{Transport: v.server.Client().Transport, Jar: v.jar}
	resp, err := client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

func (v *visitor) want(pod http.Handler, method, path, want string) {
	v.t.Helper()
	if got := v.do(pod, method, path); got != want {
		v.t.Fatalf("%s %s: %q, want %q", method, path, got, want)
	}
}

// outWithin waits until a replica that did not serve the logout refuses as well.
func (v *visitor) outWithin(pod http.Handler, d time.Duration) {
	v.t.Helper()
	for deadline := time.Now().Add(d); v.do(pod, "GET", "/") != out; {
		if time.Now().After(deadline) {
			v.t.Fatal("it is still logged in")
		}
	}
}

const (
	out     = "nobody"
	waferIs = "__Host-Http-session"
	soon    = 10 * time.Second // the list promises 2 s; a busy machine may need more for the test itself
)

// page shows who is logged in, and the flash messages, which it takes.
func page(sessions *httpmw.Manager[Prefs]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		if !s.LoggedIn() {
			fmt.Fprint(w, out)
			return
		}
		if p := s.Value(); len(p.Flashes) > 0 {
			if err := s.Set(Prefs{Theme: p.Theme}); err != nil {
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintf(w, "%q ", p.Flashes)
		}
		fmt.Fprintf(w, "%s", s.Subject())
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).Logout(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// The deploy of docs/from-gorilla.md. The old version saves at each request, as one with flash messages does, so that each of its
// answers makes another cookie.
func TestRollingDeployFromGorilla(t *testing.T) {
	store := sessions.NewCookieStore(securecookie.GenerateRandomKey(64), securecookie.GenerateRandomKey(32))
	old := http.NewServeMux()
	handle := func(pattern string, do func(w http.ResponseWriter, r *http.Request, s *sessions.Session)) {
		old.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s, _ := store.Get(r, "app-session")
			do(w, r, s)
		})
	}
	save := func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		if err := s.Save(r, w); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"ada", "bob", "eve"} {
		handle("POST /login/"+name, func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
			s.Values["user"] = name
			s.AddFlash("welcome")
			save(w, r, s)
		})
	}
	handle("GET /", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		user, ok := s.Values["user"].(string)
		if !ok {
			user = out
		} else {
			s.Values["seen"] = time.Now().UnixNano()
			save(w, r, s)
		}
		fmt.Fprint(w, user)
	})
	handle("POST /logout", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		s.Options.MaxAge = -1
		save(w, r, s)
	})

	d := newDeploy(t)
	replica := func(oldUntil time.Time) http.Handler {
		m := d.manager()
		mover, err := gorilla.New(m, gorilla.Config[Prefs]{
			Cookie: "app-session", Codecs: store.Codecs, Until: time.Now().Add(24 * time.Hour), OldUntil: oldUntil,
			Read: func(values map[any]any) (id httpmw.Identity, p Prefs, ok bool) {
				flashes, _ := values["_flash"].([]any)
				for _, f := range flashes {
					p.Flashes = append(p.Flashes, f.(string))
				}
				id.Subject, ok = values["user"].(string)
				return id, p, ok
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/", page(m))
		mux.Handle("POST /login/", old) // which is left as it is
		return mover.Handler(mux)
	}

	during := time.Now().Add(time.Hour)
	ada, bob, eve := d.visitor(), d.visitor(), d.visitor()
	ada.want(old, "POST", "/login/ada", "")
	first := replica(during)
	ada.want(first, "GET", "/", `["welcome"] ada`) // in its first moment
	for range 10 {
		ada.want(old, "GET", "/", "ada")
		ada.want(first, "GET", "/", "ada")
	}
	bob.want(old, "POST", "/login/bob", "")
	eve.want(first, "POST", "/login/eve", "")
	second := replica(during)
	bob.want(second, "GET", "/", `["welcome"] bob`)
	eve.want(first, "GET", "/", `["welcome"] eve`)
	for range 10 {
		for _, pod := range []http.Handler{old, first, old, second, first} {
			ada.want(pod, "GET", "/", "ada")
			bob.want(pod, "GET", "/", "bob")
			eve.want(pod, "GET", "/", "eve")
		}
	}

	// A logout on a new replica ends both cookies, also that which an old one wrote after the move.
	nextSecond()
	ada.want(old, "GET", "/", "ada")
	all, onlyOld, onlyNew := ada.copied(), ada.copied("app-session"), ada.copied(waferIs)
	ada.want(first, "POST", "/logout", "")
	for _, pod := range []http.Handler{old, first, second} {
		ada.want(pod, "GET", "/", out)
	}
	for _, thief := range []*visitor{all, onlyOld, onlyNew} {
		if len(thief.names()) == 0 {
			t.Fatal("a thief without cookies")
		}
		thief.copied().want(first, "GET", "/", out)
		thief.outWithin(second, soon)
	}

	// A logout on an old replica ends the new session, and copies of its cookie.
	onlyNew = bob.copied(waferIs)
	bob.want(old, "POST", "/logout", "")
	bob.want(first, "GET", "/", out)
	onlyNew.outWithin(second, soon)
	if strings.Contains(strings.Join(bob.names(), " "), "app-session") {
		t.Errorf("bob still has %q", bob.names())
	}

	// Bob logs in again, and then somebody else in his browser, on replicas of both versions.
	for _, pod := range []http.Handler{old, first} {
		for _, name := range []string{"bob", "eve"} {
			nextSecond()
			bob.want(pod, "POST", "/login/"+name, "")
			bob.do(first, "GET", "/") // with the flash message
			bob.want(old, "GET", "/", name)
			bob.want(second, "GET", "/", name)
		}
	}

	// No old replica is left.
	last := replica(time.Time{})
	eve.want(last, "GET", "/", "eve")
	if names := eve.names(); strings.Contains(strings.Join(names, " "), "app-session") {
		t.Errorf("eve has %q", names)
	}
	eve.want(last, "GET", "/", "eve")
}

// The deploy of docs/from-scs.md.
func TestRollingDeployFromSCS(t *testing.T) {
	old := scs.New()
	old.IdleTimeout = time.Hour
	before := http.NewServeMux()
	for _, name := range []string{"ada", "bob", "eve"} {
		before.HandleFunc("POST /login/"+name, func(_ http.ResponseWriter, r *http.Request) {
			if err := old.RenewToken(r.Context()); err != nil {
				t.Error(err)
			}
			old.Put(r.Context(), "userID", name)
		})
	}
	before.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		user := old.GetString(r.Context(), "userID")
		if user == "" {
			user = out
		}
		fmt.Fprint(w, user)
	})
	before.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := old.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	})
	first := old.LoadAndSave(before)

	d := newDeploy(t)
	replica := func(oldUntil time.Time) http.Handler {
		m := d.manager()
		a, err := adopt.New(m, adopt.Config{System: "scs", Until: time.Now().Add(24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/", page(m))
		mux.HandleFunc("POST /logout", logoutBoth(old, m))
		mux.Handle("POST /login/", before) // which is left as it is
		return moveFromSCS(old, old.Lifetime, oldUntil, m, a, mux)
	}

	during := time.Now().Add(time.Hour)
	ada, bob, eve := d.visitor(), d.visitor(), d.visitor()
	ada.want(first, "POST", "/login/ada", "")
	one := replica(during)
	ada.want(one, "GET", "/", "ada") // in its first moment
	for range 10 {
		ada.want(first, "GET", "/", "ada")
		ada.want(one, "GET", "/", "ada")
	}
	bob.want(first, "POST", "/login/bob", "")
	eve.want(one, "POST", "/login/eve", "")
	two := replica(during)
	for range 10 {
		for _, pod := range []http.Handler{first, one, first, two, one} {
			ada.want(pod, "GET", "/", "ada")
			bob.want(pod, "GET", "/", "bob")
			eve.want(pod, "GET", "/", "eve")
		}
	}

	// A logout on a new replica ends both sessions, and every copy of a cookie.
	all, onlyOld, onlyNew := ada.copied(), ada.copied("session"), ada.copied(waferIs)
	ada.want(one, "POST", "/logout", "")
	for _, pod := range []http.Handler{first, one, two} {
		ada.want(pod, "GET", "/", out)
	}
	onlyOld.want(first, "GET", "/", out)
	for _, thief := range []*visitor{all, onlyOld, onlyNew} {
		thief.copied().want(one, "GET", "/", out)
		thief.outWithin(two, soon)
	}

	// And so does one on an old replica.
	all, onlyNew = bob.copied(), bob.copied(waferIs)
	bob.want(first, "POST", "/logout", "")
	all.want(one, "GET", "/", out)
	onlyNew.want(two, "GET", "/", out)
	bob.want(two, "GET", "/", out)

	// Bob logs in again, and then somebody else in his browser, on replicas of both versions.
	for _, pod := range []http.Handler{first, one} {
		for _, name := range []string{"bob", "eve"} {
			bob.want(pod, "POST", "/login/"+name, "")
			bob.want(one, "GET", "/", name)
			bob.want(first, "GET", "/", name)
			bob.want(two, "GET", "/", name)
		}
	}

	// No old replica is left.
	last := replica(time.Time{})
	eve.want(last, "GET", "/", "eve")
	if names := eve.names(); len(names) != 1 || names[0] != waferIs {
		t.Errorf("eve has %q", names)
	}
	eve.want(last, "GET", "/", "eve")
}
