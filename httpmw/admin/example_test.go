package admin_test

import (
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
	api, err := admin.New(list, keys.Static(ring), admin.Config{Token: "as-printed-by-openssl-rand-base64-24"})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", api))

	req := httptest.NewRequest(http.MethodGet, "http://localhost/admin/status", strings.NewReader(""))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, req)
	fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	// Output: 401 application/problem+json
}
