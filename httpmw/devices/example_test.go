package devices_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// account serves the pages of a user's account.
type account struct {
	sessions *httpmw.Manager[struct{}]
	registry *devices.Registry
}

// login signs somebody in. A real one checks a password first.
func (a account) login(w http.ResponseWriter, r *http.Request) {
	s := a.sessions.From(r.Context())
	err := s.Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Device: r.FormValue("device")})
	if err != nil {
		a.sessions.Fail(w, r, err)
	}
}

// devices answers with the devices of the user who asks.
func (a account) devices(w http.ResponseWriter, r *http.Request) {
	s := a.sessions.From(r.Context())
	list, err := a.registry.List(r.Context(), s.Subject())
	if err != nil {
		a.sessions.Fail(w, r, err)
		return
	}
	type row struct {
		ID, Label string
		ThisOne   bool
	}
	var rows []row
	for _, d := range list {
		rows = append(rows, row{d.ID, d.Label(), d.ID == s.ID()})
	}
	json.NewEncoder(w).Encode(rows)
}

// signOut ends one of the sessions of the user who asks.
func (a account) signOut(w http.ResponseWriter, r *http.Request) {
	s := a.sessions.From(r.Context())
	err := a.registry.SignOut(r.Context(), s.Subject(), r.FormValue("id"))
	switch {
	case errors.Is(err, devices.ErrNotFound):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	}
}

// A page "your devices", from which a lost phone can be signed out, and at most five sessions a user.
func Example() {
	ring := keys.Generate(0)
	list, err := revocation.Open(context.Background(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()

	registry, err := devices.New(devices.NewMemory(), list, devices.Config{Max: 5})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Devices: registry})
	if err != nil {
		log.Fatal(err)
	}
	a := account{sessions, registry}
	mux := http.NewServeMux()
	mux.Handle("POST /login", sessions.Handler(http.HandlerFunc(a.login)))
	mux.Handle("GET /devices", sessions.Require(http.HandlerFunc(a.devices)))
	mux.Handle("POST /devices/sign-out", sessions.Require(http.HandlerFunc(a.signOut)))

	site := httptest.NewTLSServer(mux)
	defer site.Close()
	laptop, phone := client(site, "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), client(site, "Mozilla/5.0 (iPhone) Safari/604.1")
	laptop("POST", "/login", url.Values{"user": {"ann"}})
	phone("POST", "/login", url.Values{"user": {"ann"}, "device": {"Ann's phone"}})
	var rows []struct {
		ID, Label string
		ThisOne   bool
	}
	_, body := laptop("GET", "/devices", nil)
	if err := json.Unmarshal([]byte(body), &rows); err != nil {
		log.Fatal(err)
	}
	lost := ""
	for _, row := range rows {
		fmt.Println(row.Label, "this one:", row.ThisOne)
		if !row.ThisOne {
			lost = row.ID
		}
	}
	status, _ := laptop("POST", "/devices/sign-out", url.Values{"id": {lost}})
	fmt.Println("sign out:", status)
	status, _ = phone("GET", "/devices", nil)
	fmt.Println("the phone:", status)

	// Unordered output:
	// Ann's phone this one: false
	// Firefox on Linux this one: true
	// sign out: 200
	// the phone: 401
}

// client returns a function that sends requests as a browser does.
func client(site *httptest.Server, agent string) func(method, path string, form url.Values) (int, string) {
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Transport: site.Client().Transport, Jar: jar}
	return func(method, path string, form url.Values) (int, string) {
		req, err := http.NewRequest(method, site.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			log.Fatal(err)
		}
		req.Header.Set("User-Agent", agent)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := c.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
}
