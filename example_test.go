package wafer_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"path/filepath"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
)

// Basket is what this application keeps in a session: any type that encoding/json can handle.
type Basket struct{ Items []string }

func newApp(ctx context.Context, dir string) (http.Handler, error) {
	ring, err := keys.OpenFile(ctx, filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "ring.kek")), keys.FileConfig{Create: true})
	if err != nil {
		return nil, err
	}
	store, err := boltstore.Open(filepath.Join(dir, "revoked.db"))
	if err != nil {
		return nil, err
	}
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{})
	if err != nil {
		return nil, err
	}
	sessions, err := httpmw.New[Basket](ring, list, httpmw.Config{InsecureHTTP: true}) // for plain http on localhost only
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		since := list.Now() // before the password is checked, which is for you to do here
		err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Since: since})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("POST /basket", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := sessions.From(r.Context()).Update(func(b *Basket) error {
			b.Items = append(b.Items, r.FormValue("item"))
			return nil
		})
		if err != nil { // such as httpmw.ErrTooLarge
			http.Error(w, "it does not fit", http.StatusInsufficientStorage)
		}
	})))
	mux.Handle("GET /{$}", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		fmt.Fprintf(w, "%s has %q\n", s.Subject(), s.Value().Items)
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.From(r.Context()).Logout(r.Context()); err != nil { // the cookie is gone, but copies may live on
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	return http.NewCrossOriginProtection().Handler(sessions.Handler(mux)), nil
}

func Example() {
	app, err := newApp(context.Background(), ".")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", app))
}
