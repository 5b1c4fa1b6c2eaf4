package oauth_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// serveTokens adds the endpoints to an application.
func serveTokens[T any](mux *http.ServeMux, sessions *httpmw.Manager[T], secret string) {
	endpoints, err := oauth.New(sessions, oauth.Config{
		Clients:  map[string]string{"gateway": secret}, // from where your operators keep secrets
		Identify: true,                                 // tell the gateway whose session it is
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.HandleFunc("/oauth/introspect", endpoints.Introspect)
	mux.HandleFunc("/oauth/revoke", endpoints.Revoke)
}

// A gateway asks about a robot's token, before and after the robot has signed out.
func Example() {
	ring := keys.Generate(0)    // a service keeps its ring in a file: keys.OpenFile
	store := revlog.NewMemory() // and its list in a store that its replicas share
	list, err := revocation.Open(context.Background(), store, ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[string](keys.Static(ring), list, httpmw.Config{})
	if err != nil {
		log.Fatal(err)
	}
	secret := rand.Text()
	mux := http.NewServeMux()
	serveTokens(mux, sessions, secret)

	robot, err := sessions.Issue(context.Background(), httpmw.Identity{Subject: "robot-7"}, "", time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	ask := func(path string) string {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(url.Values{"token": {robot}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("gateway", secret)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body)
		return string(body)
	}
	fmt.Println(strings.Contains(ask("/oauth/introspect"), `"sub":"robot-7"`))
	ask("/oauth/revoke")
	fmt.Print(ask("/oauth/introspect"))
	// Output:
	// true
	// {"active":false}
}
