package adopt_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Prefs is the data of a session from now on: everything that scs kept under keys, except the user.
type Prefs struct {
	Theme   string   `json:"theme,omitempty"`
	Flashes []string `json:"flashes,omitempty"`
}

// pages are the handlers after the change. The comments show the old calls of *scs.SessionManager.
func pages(sessions *httpmw.Manager[Prefs]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user := r.FormValue("user") // after you have checked the password
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

// scsSessions has the methods of *scs.SessionManager that moving needs.
type scsSessions interface {
	LoadAndSave(next http.Handler) http.Handler
	Token(ctx context.Context) string
	Deadline(ctx context.Context) time.Time
	GetString(ctx context.Context, key string) string
	Destroy(ctx context.Context) error
}

// moveFromSCS continues the sessions that scs knows. lifetime is its Lifetime. Until oldUntil replicas of the old version may run, and the old
// session has the last word.
func moveFromSCS(scs scsSessions, lifetime time.Duration, oldUntil time.Time, m *httpmw.Manager[Prefs], a *adopt.Adopter[Prefs], next http.Handler) http.Handler {
	move := func(w http.ResponseWriter, r *http.Request) {
		ctx, now := r.Context(), time.Now()
		s, user := m.From(ctx), scs.GetString(ctx, "userID")
		if now.Before(oldUntil) && s.InGroup(adopt.Group(a.System)) && user != s.Subject() {
			_ = s.Logout(ctx) // as on the old replica; refused here at once, even if the store does not answer
		}
		var err error
		switch {
		case user == "", errors.Is(s.Err(), httpmw.ErrUndecided):
		case s.LoggedIn() && now.After(oldUntil.Add(time.Minute)): // the clocks of replicas differ
			err = scs.Destroy(ctx)
		default: // for a session that is logged in, Adopt only notes what a logout has to end
			past := adopt.Predecessor{
				Credential: []byte(scs.Token(ctx)),
				Saved:      scs.Deadline(ctx).Add(-lifetime), // when RenewToken was called last
			}
			err = a.Adopt(ctx, s, past, httpmw.Identity{Subject: user}, Prefs{Theme: scs.GetString(ctx, "theme")})
		}
		switch {
		case errors.Is(err, httpmw.ErrUndecided): // try again
			w.Header().Set("Retry-After", "2")
			http.Error(w, "the session cannot be moved now", http.StatusServiceUnavailable)
			return
		case errors.Is(err, httpmw.ErrRevoked): // end the old session, too
			_ = errors.Join(s.Logout(ctx), scs.Destroy(ctx))
		}
		next.ServeHTTP(w, r)
	}
	return http.NewCrossOriginProtection().Handler(scs.LoadAndSave(m.Handler(http.HandlerFunc(move))))
}

// logoutBoth is the logout while sessions are moved: the old session ends with the new one.
func logoutBoth(scs scsSessions, m *httpmw.Manager[Prefs]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(m.From(r.Context()).Logout(r.Context()), scs.Destroy(r.Context())); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	}
}

// adoptFromSCS makes the Adopter. The list has to remember revocations until Until.
func adoptFromSCS(m *httpmw.Manager[Prefs]) (*adopt.Adopter[Prefs], error) {
	return adopt.New(m, adopt.Config{
		System: "scs",
		Until:  time.Date(2026, time.March, 3, 6, 0, 0, 0, time.UTC), // the deploy, and a day more: the Lifetime of scs
	})
}

// openForSCS makes the Manager. The comments name the settings of scs. MaxIdle has half a day to spare for the deploy.
func openForSCS(ctx context.Context, ring *keys.File, store revlog.Store) (*httpmw.Manager[Prefs], error) {
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{MaxIdle: 36 * time.Hour})
	if err != nil {
		return nil, err
	}
	return httpmw.New[Prefs](ring, list, httpmw.Config{
		App:      "shop",         // scs.Cookie.Name
		Idle:     2 * time.Hour,  // scs.IdleTimeout
		Absolute: 24 * time.Hour, // scs.Lifetime
	})
}
