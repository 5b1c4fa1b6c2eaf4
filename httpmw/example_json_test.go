package httpmw_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// refuseJSON answers in the way of RFC 9457. The client learns what it can do about it, not why its token is bad.
func refuseJSON(w http.ResponseWriter, _ *http.Request, status int, err error) {
	problem := map[string]any{"status": status, "title": http.StatusText(status)}
	switch {
	case errors.Is(err, httpmw.ErrLoginTooOld):
		problem["type"] = "https://api.example.com/problems/login-again"
	case status == http.StatusServiceUnavailable:
		problem["detail"] = "It cannot be decided now. Try again in a moment."
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(problem)
}

// An API for browsers with cookies and for programs with bearer tokens, which refuses both in JSON.
func ExampleConfig_refuseJSON() {
	ring := keys.Generate(0)
	list, err := revocation.Open(exampleContext, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Refuse: refuseJSON})
	if err != nil {
		log.Fatal(err)
	}

	// whoami answers anybody who is logged in, by cookie or by token.
	whoami := func(w http.ResponseWriter, s *httpmw.Session[struct{}]) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"subject": s.Subject()})
	}
	cookies := sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whoami(w, sessions.From(r.Context()))
	}))
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			cookies.ServeHTTP(w, r)
			return
		}
		s, err := sessions.Check(r.Context(), bearer)
		switch {
		case errors.Is(err, httpmw.ErrUndecided):
			w.Header().Set("Retry-After", "2")
			refuseJSON(w, r, http.StatusServiceUnavailable, err)
		case err != nil:
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 6750 §3
			refuseJSON(w, r, http.StatusUnauthorized, err)
		default:
			whoami(w, s)
		}
	})

	token, err := sessions.Issue(exampleContext, httpmw.Identity{Subject: "robot-7"}, struct{}{}, 10*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	for _, authorization := range []string{"", "Bearer " + token, "Bearer forged"} {
		r := httptest.NewRequest("GET", "https://api.example.com/whoami", nil)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		body, err := io.ReadAll(w.Result().Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(w.Code, " ", string(body))
	}

	// Output:
	// 401 {"status":401,"title":"Unauthorized"}
	// 200 {"subject":"robot-7"}
	// 401 {"status":401,"title":"Unauthorized"}
}
