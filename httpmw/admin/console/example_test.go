package console_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

func ExampleNew() {
	ring := keys.Generate(0)
	trail := audit.NewTrail(slog.DiscardHandler) // a service gives the handler of its audit log
	list := revocation.Disabled(ring)            // a service opens one, with trail as its Config.Audit
	sessions, err := httpmw.New[string](keys.Static(ring), list, httpmw.Config{})
	if err != nil {
		panic(err)
	}
	token, secret, err := admin.NewToken("grace", admin.RoleRevoke) // a service reads what "wafer admin token" printed
	if err != nil {
		panic(err)
	}
	c, err := console.New(list, keys.Static(ring), console.Config{
		Admin:    admin.Config{Tokens: []admin.Token{token}, Audit: trail},
		Sessions: sessions.Stats,
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux() // on a listener of its own
	mux.Handle("/admin/", http.StripPrefix("/admin", c))

	form := strings.NewReader("token=" + secret)
	r := httptest.NewRequest(http.MethodPost, "https://localhost/admin/sign-in", form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, r)
	fmt.Println(answer.Code, answer.Result().Cookies()[0].Name)
	// Output: 303 __Host-Http-wafer-console
}
