// Package migrate moves sessions from the libraries themselves: what the guides in docs say of them holds for the real ones.
package migrate

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
)

// site is one address with changing versions behind it, and one browser.
type site struct {
	t      *testing.T
	server *httptest.Server
	now    atomic.Pointer[http.Handler]
	http   *http.Client
}

func newSite(t *testing.T) *site {
	s := &site{t: t}
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.now.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	s.http = s.server.Client()
	s.http.Jar, _ = cookiejar.New(nil)
	return s
}

func (s *site) get(version http.Handler, path string) string {
	s.t.Helper()
	s.now.Store(&version)
	resp, err := s.http.Get(s.server.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

func (s *site) want(version http.Handler, path, want string) {
	s.t.Helper()
	if got := s.get(version, path); got != want {
		s.t.Errorf("%s: %q, want %q", path, got, want)
	}
}

func (s *site) home() *url.URL {
	u, err := url.Parse(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// has says whether the browser has a cookie.
func (s *site) has(name string) bool {
	for _, c := range s.http.Jar.Cookies(s.home()) {
		if c.Name == name {
			return true
		}
	}
	return false
}

// newApp is the application after the change.
func newApp(m *httpmw.Manager[string]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		fmt.Fprintf(w, "user %q theme %q", s.Subject(), s.Value())
	})
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.From(r.Context()).Logout(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	return mux
}

func TestGorillaSessions(t *testing.T) {
	stores := map[string][][]byte{
		"encrypted":      {securecookie.GenerateRandomKey(64), securecookie.GenerateRandomKey(32)},
		"signed":         {securecookie.GenerateRandomKey(32)},
		"several pairs":  {securecookie.GenerateRandomKey(64), nil, securecookie.GenerateRandomKey(64), securecookie.GenerateRandomKey(16)},
		"a shorter life": {securecookie.GenerateRandomKey(64)},
	}
	for name, pairs := range stores {
		t.Run(name, func(t *testing.T) {
			store := sessions.NewCookieStore(pairs...)
			if name == "a shorter life" {
				store.MaxAge(600)
			}
			old := http.NewServeMux()
			old.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
				session, err := store.Get(r, "app-session")
				if err != nil {
					t.Error(err)
				}
				session.Values["user_id"], session.Values["theme"] = int64(7), "dark"
				if err := session.Save(r, w); err != nil {
					t.Error(err)
				}
			})
			old.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
				session, _ := store.Get(r, "app-session")
				fmt.Fprintf(w, "old %v", session.Values["user_id"])
			})
			old.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
				session, _ := store.Get(r, "app-session")
				session.Options.MaxAge = -1
				if err := session.Save(r, w); err != nil {
					t.Error(err)
				}
			})

			kit := wafertest.New[string](t, httpmw.Config{})
			config := gorilla.Config[string]{
				Cookie: "app-session", Codecs: store.Codecs, Until: time.Now().Add(time.Hour), OldUntil: time.Now().Add(30 * time.Minute),
				Read: func(values map[any]any) (id httpmw.Identity, theme string, ok bool) {
					user, ok := values["user_id"].(int64)
					theme, _ = values["theme"].(string)
					return httpmw.Identity{Subject: fmt.Sprint(user)}, theme, ok
				},
			}
			mover, err := gorilla.New(kit.Manager, config)
			if err != nil {
				t.Fatal(err)
			}
			during := mover.Handler(newApp(kit.Manager))
			config.OldUntil = time.Time{}
			if mover, err = gorilla.New(kit.Manager, config); err != nil {
				t.Fatal(err)
			}
			after := mover.Handler(newApp(kit.Manager))

			s := newSite(t)
			s.want(old, "/login", "")
			s.want(during, "/", `user "7" theme "dark"`)
			s.want(old, "/", "old 7")
			s.want(during, "/", `user "7" theme "dark"`)
			s.want(old, "/logout", "")
			s.want(during, "/", `user "" theme ""`)

			nextSecond()
			s.want(old, "/login", "")
			copied := s.http.Jar.Cookies(s.home())
			s.want(during, "/", `user "7" theme "dark"`)
			s.want(during, "/logout", "")
			s.want(old, "/", "old <nil>")
			s.http.Jar.SetCookies(s.home(), copied)
			s.want(during, "/", `user "" theme ""`)

			nextSecond()
			s.want(old, "/login", "")
			s.want(during, "/", `user "7" theme "dark"`)
			s.want(after, "/", `user "7" theme "dark"`)
			if s.has("app-session") {
				t.Error("the old cookie is still there")
			}
			s.want(after, "/", `user "7" theme "dark"`)
		})
	}
}

// nextSecond waits until a cookie with the same values is another cookie: their timestamps have seconds.
func nextSecond() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

func TestSCS(t *testing.T) {
	old := scs.New()
	old.Lifetime = 12 * time.Hour
	var began time.Time
	before := http.NewServeMux()
	before.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		if err := old.RenewToken(r.Context()); err != nil {
			t.Error(err)
		}
		began = time.Now()
		old.Put(r.Context(), "userID", "ada")
		old.Put(r.Context(), "theme", "dark")
	})
	kit := wafertest.New[string](t, httpmw.Config{})
	m := kit.Manager
	a, err := adopt.New(m, adopt.Config{System: "scs", Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	move := func(destroy bool) http.Handler {
		return old.LoadAndSave(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, s := r.Context(), m.From(r.Context())
			if user := old.GetString(ctx, "userID"); user != "" {
				saved := old.Deadline(ctx).Add(-old.Lifetime)
				tokens = append(tokens, old.Token(ctx))
				if d := saved.Sub(began); d < -time.Second || d > time.Second {
					t.Errorf("the token was made at %v, and Deadline minus Lifetime is %v", began, saved)
				}
				switch {
				case !s.LoggedIn():
					if err := a.Adopt(ctx, s, adopt.Predecessor{Credential: []byte(old.Token(ctx)), Saved: saved}, httpmw.Identity{Subject: user}, old.GetString(ctx, "theme")); err != nil {
						t.Log(err)
					}
				case destroy:
					if err := old.Destroy(ctx); err != nil {
						t.Error(err)
					}
				}
			}
			newApp(m).ServeHTTP(w, r)
		})))
	}
	first, during, after := old.LoadAndSave(before), move(false), move(true)

	s := newSite(t)
	s.want(first, "/login", "")
	copied := s.http.Jar.Cookies(s.home())
	s.want(during, "/", `user "ada" theme "dark"`)
	s.want(during, "/", `user "ada" theme "dark"`)
	if len(tokens) != 2 || tokens[0] == "" || tokens[0] != tokens[1] {
		t.Errorf("the token is not the same at each request: %d of them", len(tokens))
	}
	s.want(during, "/logout", "")
	s.http.Jar.SetCookies(s.home(), copied)
	s.want(during, "/", `user "" theme ""`)

	s.want(first, "/login", "")
	s.want(during, "/", `user "ada" theme "dark"`)
	s.want(after, "/", `user "ada" theme "dark"`)
	if s.has("session") {
		t.Error("the old cookie is still there")
	}
	s.want(after, "/", `user "ada" theme "dark"`)
}
