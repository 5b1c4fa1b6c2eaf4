package gorilla_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// open makes the Manager. The list has to remember revocations for as long as old cookies are moved, here with a day to
// spare, and the ring has to seal for as long as a session may last.
func open(ctx context.Context, ringFile string, store revlog.Store) (*httpmw.Manager[Account], error) {
	const migration = 14 * 24 * time.Hour
	ring, err := keys.OpenFile(ctx, ringFile, keys.KEKEnv("WAFER_KEK"), keys.FileConfig{Create: true, MaxSession: migration})
	if err != nil {
		return nil, err
	}
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{MaxIdle: migration + 24*time.Hour})
	if err != nil {
		return nil, err
	}
	return httpmw.New[Account](ring, list, httpmw.Config{App: "shop", Absolute: migration})
}

// Account is the data of a session from now on.
type Account struct {
	Theme   string   `json:"theme,omitempty"`
	Flashes []string `json:"flashes,omitempty"`
}

// fromValues reads what the old handlers kept in session.Values.
func fromValues(values map[any]any) (id httpmw.Identity, data Account, ok bool) {
	user, ok := values["user_id"].(int64)
	if !ok {
		return id, data, false // nobody is logged in: there is nothing to move
	}
	data.Theme, _ = values["theme"].(string)
	flashes, _ := values["_flash"].([]any) // what AddFlash kept
	for _, f := range flashes {
		if text, ok := f.(string); ok {
			data.Flashes = append(data.Flashes, text)
		}
	}
	return httpmw.Identity{Subject: strconv.FormatInt(user, 10)}, data, true
}

// migration describes the cookies of sessions.NewCookieStore(hashKey, blockKey) and store.Get(r, "app-session").
func migration(hashKey, blockKey []byte) gorilla.Config[Account] {
	return gorilla.Config[Account]{
		Cookie:   "app-session",
		Codecs:   securecookie.CodecsFromPairs(hashKey, blockKey), // what NewCookieStore does
		Read:     fromValues,
		OldUntil: time.Date(2026, time.March, 4, 6, 0, 0, 0, time.UTC), // no old replica runs any more, none will come back
		Until:    time.Date(2026, time.March, 16, 6, 0, 0, 0, time.UTC),
	}
}

// routes are the handlers after the change. The comments show what they did with sessions.Session.
func routes(sessions *httpmw.Manager[Account]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context()) // store.Get(r, "app-session")
		if !s.LoggedIn() {              // session.Values["user_id"] == nil
			http.Error(w, "log in", http.StatusUnauthorized)
			return
		}
		account := s.Value()
		if len(account.Flashes) > 0 { // session.Flashes(); session.Save(r, w)
			if err := s.Set(Account{Theme: account.Theme}); err != nil {
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "user %s, %s", s.Subject(), account.Theme)
		for _, text := range account.Flashes {
			fmt.Fprintf(w, ", %s", text)
		}
	})
	mux.HandleFunc("POST /theme", func(w http.ResponseWriter, r *http.Request) {
		theme := r.FormValue("theme")
		err := sessions.From(r.Context()).Update(func(a *Account) error { // session.Values["theme"] = theme
			a.Theme = theme // session.Save(r, w): not needed, it is written with the headers
			return nil
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		// session.Options.MaxAge = -1; session.Save(r, w)
		if err := sessions.From(r.Context()).Logout(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// serve puts the Mover's Handler where the Manager's belongs.
func serve(sessions *httpmw.Manager[Account], hashKey, blockKey []byte) (http.Handler, error) {
	mover, err := gorilla.New(sessions, migration(hashKey, blockKey))
	if err != nil {
		return nil, err
	}
	return http.NewCrossOriginProtection().Handler(mover.Handler(routes(sessions))), nil
}

func Example() {
	// What an old handler kept, and what becomes of it.
	id, data, ok := fromValues(map[any]any{"user_id": int64(7), "theme": "dark"})
	fmt.Println(id.Subject, data.Theme, ok)
	_, _, ok = fromValues(map[any]any{"theme": "dark"})
	fmt.Println(ok)
	// Output:
	// 7 dark true
	// false
}
