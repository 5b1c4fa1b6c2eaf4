package httpmw_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Prefs is the data of a session from now on: what scs kept under keys, but for who is logged in.
type Prefs struct {
	Theme   string   `json:"theme,omitempty"`
	Flashes []string `json:"flashes,omitempty"`
}

// pages are handlers after the change. What they called of *scs.SessionManager stands beside them.
func pages(sessions *httpmw.Manager[Prefs]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user := r.FormValue("user") // whose password was checked
		// scs.RenewToken(ctx), scs.Put(ctx, "userID", user)
		if err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: user}); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /theme", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.From(r.Context()).Update(func(p *Prefs) error { // scs.Put(ctx, "theme", ...)
			p.Theme = r.FormValue("theme")
			p.Flashes = append(p.Flashes, "saved")
			return nil
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		p := s.Value() // scs.GetString(ctx, "theme")
		if len(p.Flashes) > 0 {
			if err := s.Set(Prefs{Theme: p.Theme}); err != nil { // scs.PopString(ctx, "flash")
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "user %q, theme %q, %q", s.Subject(), p.Theme, p.Flashes)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).Logout(r.Context()); err != nil { // scs.Destroy(ctx)
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// scsSessions is what moving needs of *scs.SessionManager.
type scsSessions interface {
	LoadAndSave(next http.Handler) http.Handler
	Token(ctx context.Context) string
	Deadline(ctx context.Context) time.Time
	GetString(ctx context.Context, key string) string
	Destroy(ctx context.Context) error
}

// moveFromSCS continues the sessions that scs knows. lifetime is its Lifetime.
func moveFromSCS(scs scsSessions, lifetime time.Duration, m *httpmw.Manager[Prefs], a *httpmw.Adopter[Prefs], next http.Handler) http.Handler {
	return scs.LoadAndSave(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		user := scs.GetString(ctx, "userID")
		if user == "" { // nobody is logged in with scs
			next.ServeHTTP(w, r)
			return
		}
		s := m.From(ctx)
		var err error
		if s.LoggedIn() { // the browser has the new cookie
			err = scs.Destroy(ctx)
		} else if s.Err() == nil || errors.Is(s.Err(), httpmw.ErrInvalid) {
			past := httpmw.Past{
				Credential: []byte(scs.Token(ctx)),
				Saved:      scs.Deadline(ctx).Add(-lifetime), // when RenewToken was called last
			}
			err = a.Adopt(ctx, s, past, httpmw.Identity{Subject: user}, Prefs{Theme: scs.GetString(ctx, "theme")})
		}
		if errors.Is(err, httpmw.ErrUndecided) { // try again
			w.Header().Set("Retry-After", "2")
			http.Error(w, "the session cannot be moved now", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})))
}

// adoptFromSCS says when that is done. The list has to remember revocations for so long.
func adoptFromSCS(m *httpmw.Manager[Prefs]) (*httpmw.Adopter[Prefs], error) {
	return m.Adopter(httpmw.Adoption{
		System: "scs",
		From:   time.Date(2026, time.March, 2, 6, 0, 0, 0, time.UTC),
		Until:  time.Date(2026, time.March, 3, 6, 0, 0, 0, time.UTC), // a day: the Lifetime of scs
	})
}

// openForSCS makes the Manager: the limits of scs have other names here.
func openForSCS(ctx context.Context, ring *keys.File, store revocation.Store) (*httpmw.Manager[Prefs], error) {
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{MaxIdle: 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	return httpmw.New[Prefs](ring, list, httpmw.Config{
		App:      "shop",         // scs.Cookie.Name
		Idle:     2 * time.Hour,  // scs.IdleTimeout
		Absolute: 24 * time.Hour, // scs.Lifetime
	})
}
