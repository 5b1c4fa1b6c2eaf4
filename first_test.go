package wafer_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// first is the program at the beginning of the README.
func first(mux *http.ServeMux, sessions *httpmw.Manager[Basket], list *revocation.List, account http.Handler, reply func(http.ResponseWriter, error)) {
	// README:
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		since := sessions.Now(r.Context()) // before you check the password
		ada := httpmw.Identity{Subject: "ada", Since: since}
		reply(w, sessions.From(r.Context()).Login(r.Context(), ada)) // seals a cookie
	})
	mux.Handle("GET /account", sessions.Require(account)) // 401 without a login
	mux.HandleFunc("POST /lock", func(w http.ResponseWriter, r *http.Request) {
		_, err := list.Revoke(r.Context(), revocation.Subject("ada"), revocation.Options{})
		reply(w, err) // every replica refuses ada within 2 s
	})
}

// end

func TestTheFirstLinesWork(t *testing.T) {
	ring := keys.Generate(0)
	list := must(revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{}))
	defer list.Close()
	sessions := must(httpmw.New[Basket](keys.Static(ring), list, httpmw.Config{}))
	mux := http.NewServeMux()
	first(mux, sessions, list, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(_ http.ResponseWriter, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	app := sessions.Handler(mux)
	var jar []*http.Cookie
	visit := func(method, path string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, "https://app.test"+path, nil)
		for _, c := range jar {
			r.AddCookie(c)
		}
		app.ServeHTTP(w, r)
		if set := w.Result().Cookies(); jar == nil {
			jar = set
		}
		return w.Code
	}
	if got := visit("POST", "/login"); got != 200 {
		t.Fatalf("login: %d", got)
	}
	if got := visit("GET", "/account"); got != 200 {
		t.Errorf("the account: %d", got)
	}
	if got := visit("POST", "/lock"); got != 200 {
		t.Errorf("locking: %d", got)
	}
	if got := visit("GET", "/account"); got != 401 {
		t.Errorf("the account once it is locked: %d", got)
	}
}
