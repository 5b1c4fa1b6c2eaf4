package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/go-jose/go-jose/v4"
	"github.com/gorilla/sessions"
	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// prefs are what each site keeps in a session, about 100 bytes.
type prefs struct {
	Name, Theme, Locale string
	Roles               []string
}

var ada = prefs{"Ada Lovelace", "dark", "en-GB", []string{"editor", "billing", "reports"}}

const user = "user-4711"

// A site has a page that needs a session and says whose it is, and signs in at /in.
type site struct {
	name string
	// ends says whether signing out ends copies of the cookie, and what that costs.
	ends    string
	handler http.Handler
	cookies []*http.Cookie
}

// answer is what every page writes, so that what differs is the session.
func answer(w http.ResponseWriter, id string, p prefs) {
	if id != user || p.Name != ada.Name {
		http.Error(w, "no session", http.StatusUnauthorized)
		return
	}
	w.Write([]byte(p.Name))
}

// sites makes all of them, signed in. Those with Redis share one server.
func sites(t *testing.T) []*site {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { client.Close() })
	all := []*site{
		{name: "no session at all", ends: "", handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, user, ada) })},
		{name: "Wafer, list in Redis", ends: "yes, asking nobody", handler: wafer(t, server.Addr)},
		{name: "gorilla/sessions, cookie", ends: "no", handler: gorilla()},
		{name: "scs, memory of one process", ends: "yes, on that process", handler: scsSite(nil)},
		{name: "scs, Redis", ends: "yes, asking Redis", handler: scsSite(goredisstore.New(client))},
		{name: "JWE cookie, id looked up in Redis", ends: "yes, asking Redis", handler: jweSite(client)},
	}
	for _, s := range all[1:] {
		s.signIn(t)
	}
	for _, s := range all {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, s.request())
		if w.Code != 200 || w.Body.String() != ada.Name {
			t.Fatalf("%s: %d %s", s.name, w.Code, w.Body)
		}
	}
	return all
}

func (s *site) request() *http.Request {
	r := httptest.NewRequest("GET", "https://site.test/", nil)
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	return r
}

func (s *site) signIn(t *testing.T) {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest("POST", "https://site.test/in", nil))
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 && c.Value != "" {
			s.cookies = append(s.cookies, c)
		}
	}
	if w.Code != 200 || len(s.cookies) == 0 {
		t.Fatalf("%s: signing in: %d %s", s.name, w.Code, w.Body)
	}
}

func wafer(t *testing.T, addr string) http.Handler {
	ring := keys.Generate(0)
	quiet := slog.New(slog.DiscardHandler)
	store, err := redisstore.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{addr}}, redisstore.Config{Prefix: "bench", AllowVolatile: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	list, err := revocation.Open(t.Context(), store, ring, revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[prefs](keys.Static(ring), list, httpmw.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /in", func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		if err := s.Login(r.Context(), httpmw.Identity{Subject: user}); err != nil {
			panic(err)
		}
		if err := s.Set(ada); err != nil {
			panic(err)
		}
	})
	mux.Handle("GET /", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		answer(w, s.Subject(), s.Value())
	})))
	return m.Handler(mux)
}

func gorilla() http.Handler {
	gob.Register(prefs{})
	store := sessions.NewCookieStore(random(64), random(32))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := store.Get(r, "session")
		if r.URL.Path == "/in" {
			s.Values["user"], s.Values["prefs"] = user, ada
			if err := s.Save(r, w); err != nil {
				panic(err)
			}
			return
		}
		id, _ := s.Values["user"].(string)
		p, _ := s.Values["prefs"].(prefs)
		answer(w, id, p)
	})
}

func scsSite(store scs.Store) http.Handler {
	m := scs.New()
	if store != nil {
		m.Store = store
	}
	return m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/in" {
			m.Put(r.Context(), "user", user)
			m.Put(r.Context(), "prefs", ada)
			return
		}
		p, _ := m.Get(r.Context(), "prefs").(prefs)
		answer(w, m.GetString(r.Context(), "user"), p)
	}))
}

// claims of a token of one's own.
type claims struct {
	ID    string `json:"jti"`
	User  string `json:"sub"`
	Until int64  `json:"exp"`
	Prefs prefs  `json:"prefs"`
}

// jweSite is what people write by hand: an encrypted token, and a lookup in Redis whether it was signed out.
func jweSite(client *redis.Client) http.Handler {
	key := random(32)
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/in" {
			c := claims{base64.RawURLEncoding.EncodeToString(random(16)), user, time.Now().Add(time.Hour).Unix(), ada}
			b, _ := json.Marshal(c)
			token, err := encrypter.Encrypt(b)
			if err != nil {
				panic(err)
			}
			compact, _ := token.CompactSerialize()
			http.SetCookie(w, &http.Cookie{Name: "token", Value: compact})
			return
		}
		cookie, err := r.Cookie("token")
		if err != nil {
			answer(w, "", prefs{})
			return
		}
		token, err := jose.ParseEncryptedCompact(cookie.Value, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
		if err != nil {
			panic(err)
		}
		b, err := token.Decrypt(key)
		if err != nil {
			panic(err)
		}
		var c claims
		if err := json.Unmarshal(b, &c); err != nil || time.Now().Unix() > c.Until {
			panic("expired")
		}
		if n, err := client.Exists(context.Background(), "revoked:"+c.ID).Result(); err != nil || n != 0 {
			panic(fmt.Sprint("revoked: ", n, err))
		}
		answer(w, c.User, c.Prefs)
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	return s[len(s)/2]
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |" }
