package frameworks

import (
	"fmt"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/wafer-sessions/wafer/httpmw"
)

// GorillaMux is an application with gorilla/mux. Handler is around the router, and not in Use: middleware of the router does not run for
// requests that match no route.
func GorillaMux(sessions *Sessions) http.Handler {
	r := mux.NewRouter()
	r.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		id := httpmw.Identity{Subject: r.FormValue("user")} // after the password was checked
		if err := sessions.From(r.Context()).Login(r.Context(), id); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "welcome")
	}).Methods(http.MethodPost)
	r.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		status, text := ended(sessions.From(r.Context()).Logout(r.Context()))
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}).Methods(http.MethodPost)

	members := r.NewRoute().Subrouter()
	members.Use(sessions.Require)
	members.HandleFunc("/hello/{greeting}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8") // or a greeting from a stranger's link would be a script
		fmt.Fprintf(w, "%s, %s", mux.Vars(r)["greeting"], sessions.From(r.Context()).Subject())
	}).Methods(http.MethodGet)
	members.HandleFunc("/visit", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		if err := s.Update(func(v *Visit) error { v.Count++; return nil }); err != nil {
			http.Error(w, "not kept", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, s.Value().Count)
	}).Methods(http.MethodPost)
	members.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) { stream(w, r, sessions) }).Methods(http.MethodGet)
	members.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) {
		_ = sessions.From(r.Context()).Set(Visit{Count: 1000})
		panic("a bug") // gorilla/mux recovers nothing: net/http closes the connection
	}).Methods(http.MethodPost)
	return http.NewCrossOriginProtection().Handler(sessions.Handler(r))
}
