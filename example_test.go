package wafer_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
)

// Basket is the data of a session in this application. Any type works that encoding/json handles.
type Basket struct{ Items []string }

func newApp(ctx context.Context, dir string) http.Handler {
	kek := keys.KEKFile(dir + "/ring.kek")
	ring := must(keys.OpenFile(ctx, dir+"/ring.jwe", kek, keys.FileConfig{Create: true}))
	store := must(boltstore.Open(dir + "/revoked.db"))
	list := must(revocation.Open(ctx, store, ring.Ring(), revocation.Config{}))
	config := httpmw.Config{InsecureHTTP: true} // for plain http on localhost only
	sessions := must(httpmw.New[Basket](ring, list, config))

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		since := sessions.Now(r.Context()) // before you check the password, which belongs here
		user := httpmw.Identity{Subject: r.FormValue("user"), Since: since}
		if err := sessions.From(r.Context()).Login(r.Context(), user); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("POST /basket", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		add := func(b *Basket) error {
			b.Items = append(b.Items, r.FormValue("item"))
			return nil
		}
		if err := sessions.From(r.Context()).Update(add); err != nil { // such as httpmw.ErrTooLarge
			http.Error(w, "your basket is full", http.StatusInsufficientStorage)
		}
	})))
	mux.Handle("GET /{$}", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8") // a name is text, even "<script>"
		fmt.Fprintf(w, "%s has %q\n", s.Subject(), s.Value().Items)
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.From(r.Context()).Logout(r.Context())
		if err != nil { // this browser's cookie is gone, but a copy may still work
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	return http.NewCrossOriginProtection().Handler(sessions.Handler(mux))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func Example() {
	server := &http.Server{
		Addr:              "127.0.0.1:8080",
		Handler:           newApp(context.Background(), "."),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	log.Fatal(server.ListenAndServe())
}
