package frameworks

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/wafer-sessions/wafer/httpmw"
)

// Chi is an application with chi. Its middleware is that of net/http, so Require goes into a Group as it is.
func Chi(sessions *Sessions) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.Recoverer)
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		id := httpmw.Identity{Subject: r.FormValue("user")} // after the password was checked
		if err := sessions.From(r.Context()).Login(r.Context(), id); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "welcome")
	})
	r.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
		status, text := ended(sessions.From(r.Context()).Logout(r.Context()))
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	})
	r.Group(func(r chi.Router) {
		r.Use(sessions.Require)
		r.Get("/hello/{greeting}", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8") // or a greeting from a stranger's link would be a script
			fmt.Fprintf(w, "%s, %s", chi.URLParam(r, "greeting"), sessions.From(r.Context()).Subject())
		})
		r.Post("/visit", func(w http.ResponseWriter, r *http.Request) {
			s := sessions.From(r.Context())
			if err := s.Update(func(v *Visit) error { v.Count++; return nil }); err != nil {
				http.Error(w, "not kept", http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, s.Value().Count)
		})
		r.Get("/events", func(w http.ResponseWriter, r *http.Request) { stream(w, r, sessions) })
		r.Post("/panic", func(w http.ResponseWriter, r *http.Request) {
			_ = sessions.From(r.Context()).Set(Visit{Count: 1000})
			panic("a bug")
		})
	})
	return http.NewCrossOriginProtection().Handler(sessions.Handler(r))
}
