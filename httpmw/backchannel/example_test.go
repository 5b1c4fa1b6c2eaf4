package backchannel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func ExampleNew() {
	ring := keys.Generate(0)
	list, err := revocation.Open(context.Background(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		panic(err)
	}
	defer list.Close()

	logout, err := backchannel.New(list, backchannel.Config{
		Issuer:    "https://id.example/realms/shop",
		ClientIDs: []string{"shop"},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/backchannel-logout", logout) // the provider knows it as backchannel_logout_uri

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/backchannel-logout", nil))
	fmt.Println(w.Code, w.Header().Get("Allow"))
	// Output: 405 POST
}

func ExampleGroups() {
	// At login, with the claims of the ID token:
	groups := backchannel.Groups("https://id.example", "08a5019c-17e1-4977-8f42-65a12843ea02", "24400320")
	for _, g := range groups { // for httpmw.Identity.Groups
		fmt.Println(g)
	}
	// Output:
	// oidc:sid:18:https://id.example:08a5019c-17e1-4977-8f42-65a12843ea02
	// oidc:sub:18:https://id.example:24400320
}
