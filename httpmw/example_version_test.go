package httpmw_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

type mode struct{ Admin bool }

// floors holds the least version of the data that is accepted of each session: here in memory, in an application in its
// database, beside the account. Rows older than the absolute limit can be deleted, because such sessions are over.
type floors struct {
	mu   sync.Mutex
	rows map[string]int64 // by session id
}

// raise makes what the session holds now the least that is accepted.
func (f *floors) raise(s *httpmw.Session[mode]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows[s.ID()] = max(f.rows[s.ID()], s.Version())
}

// check refuses a session with older data than that. It goes around every route but the logout: Login, SetGroups and
// LogoutOthers take the data along to another id.
func (f *floors) check(sessions *httpmw.Manager[mode], next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		f.mu.Lock()
		older := s.Version() < f.rows[s.ID()]
		f.mu.Unlock()
		if older {
			http.Error(w, "Try again, or sign out and in again.", http.StatusConflict)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Somebody leaves the admin mode, and an older cookie does not bring it back.
func ExampleSession_Version() {
	ring := keys.Generate(0)
	list, err := revocation.Open(exampleContext, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[mode](keys.Static(ring), list, httpmw.Config{})
	if err != nil {
		log.Fatal(err)
	}
	floors := &floors{rows: make(map[string]int64)}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ada"}); err != nil {
			http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
			return
		}
		if err := s.Set(mode{Admin: true}); err != nil {
			http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("POST /leave", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		if err := s.Set(mode{Admin: false}); err != nil {
			http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
			return
		}
		floors.raise(s)
	})))
	mux.Handle("POST /admin", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sessions.From(r.Context()).Value().Admin {
			http.Error(w, "Not in the admin mode.", http.StatusForbidden)
		}
	})))
	app := sessions.Handler(floors.check(sessions, mux))

	post := func(path string, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest("POST", "https://shop.example.com"+path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		return w.Result()
	}
	older := post("/login", nil).Cookies()
	fmt.Println(post("/admin", older).StatusCode)
	newer := post("/leave", older).Cookies()
	fmt.Println(post("/admin", newer).StatusCode)
	fmt.Println(post("/admin", older).StatusCode, post("/login", older).StatusCode)

	// Output:
	// 200
	// 403
	// 409 409
}
