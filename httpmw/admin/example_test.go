package admin_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

func ExampleNew() {
	ring := keys.Generate(0)
	list := revocation.Disabled(ring)
	token := rand.Text() // a service takes it from where its operators keep it, such as an environment variable
	api, err := admin.New(list, keys.Static(ring), admin.Config{Token: token})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux() // on a listener of its own
	mux.Handle("/admin/", http.StripPrefix("/admin", api))

	req := httptest.NewRequest(http.MethodGet, "http://localhost/admin/status", strings.NewReader(""))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, req)
	fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	// Output: 401 application/problem+json
}
