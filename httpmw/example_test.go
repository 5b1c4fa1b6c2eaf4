package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// basket is what an application keeps in its sessions.
type basket struct{ Items []string }

// A shop with a basket for everybody, a page for who is logged in, and a logout that a copied cookie does not
// survive. A service keeps its ring in a file (keys.OpenFile) and its list in a store that its replicas share.
func Example() {
	ring := keys.Generate(0)
	list, err := revocation.Open(context.Background(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[basket](keys.Static(ring), list, httpmw.Config{App: "shop"})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /basket", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.From(r.Context()).Update(func(b *basket) error {
			b.Items = append(b.Items, r.FormValue("item"))
			return nil
		})
		if err != nil {
			http.Error(w, "it does not fit", http.StatusInsufficientStorage)
		}
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		since := sessions.Now(r.Context()) // before the password is checked, which is left out here
		if err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Since: since}); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /account", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s has %q\n", s.Subject(), s.Value().Items)
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).Logout(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	server := httptest.NewTLSServer(http.NewCrossOriginProtection().Handler(sessions.Handler(mux)))
	defer server.Close()

	// A browser.
	client := server.Client()
	if client.Jar, err = cookiejar.New(nil); err != nil {
		log.Fatal(err)
	}
	do := func(method, path, form string) {
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(form))
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(method, " ", path, " ", res.StatusCode, " ", string(body))))
	}
	do("GET", "/account", "")
	do("POST", "/basket", "item=tea")
	do("POST", "/login", "user=ann")
	do("GET", "/account", "")
	address, err := url.Parse(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	stolen := client.Jar.Cookies(address)
	do("POST", "/logout", "")
	client.Jar.SetCookies(address, stolen)
	do("GET", "/account", "")

	// Output:
	// GET /account 401 Unauthorized
	// POST /basket 200
	// POST /login 200
	// GET /account 200 ann has ["tea"]
	// POST /logout 200
	// GET /account 401 Unauthorized
}
