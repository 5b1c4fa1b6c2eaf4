package httpmw_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// askForMore sends somebody whose login is too weak for a route to the page that asks for a second
// factor, and everybody else to the login page.
func askForMore(w http.ResponseWriter, r *http.Request, status int, err error) {
	w.Header().Set("Cache-Control", "no-store")
	var lacks *httpmw.MethodsError
	switch {
	case errors.As(err, &lacks) && slices.Contains(lacks.Missing, "mfa"):
		http.Redirect(w, r, "/second-factor", http.StatusSeeOther)
	case status == http.StatusUnauthorized:
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	default:
		http.Error(w, http.StatusText(status), status)
	}
}

// A bank whose transfers need a second factor.
type bank struct{ sessions *httpmw.Manager[struct{}] }

func (b bank) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", b.login)
	mux.Handle("POST /second-factor", b.sessions.Require(http.HandlerFunc(b.secondFactor)))
	strong := b.sessions.RequireThat(httpmw.Requirements{Methods: []string{"mfa"}})
	mux.Handle("GET /transfer", strong(http.HandlerFunc(b.transfer)))
	return http.NewCrossOriginProtection().Handler(b.sessions.Handler(mux))
}

func (b bank) login(w http.ResponseWriter, r *http.Request) {
	since := b.sessions.Now(r.Context()) // then check the password
	err := b.sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{
		Subject: r.FormValue("user"),
		Methods: []string{"pwd"},
		Since:   since,
	})
	if err != nil {
		b.sessions.Fail(w, r, err)
	}
}

func (b bank) secondFactor(w http.ResponseWriter, r *http.Request) {
	s := b.sessions.From(r.Context())
	since := b.sessions.Now(r.Context())
	if r.FormValue("code") != "123456" { // a real application asks its table of the user's factors
		http.Error(w, "That is not the code.", http.StatusUnauthorized)
		return
	}
	_, end := s.Deadlines()
	err := s.Login(r.Context(), httpmw.Identity{
		Subject: s.Subject(),
		Methods: append(s.Methods(), "otp", "mfa"), // the password still counts
		Until:   end,                               // a second factor makes the session stronger, not longer
		Since:   since,
	})
	if err != nil {
		b.sessions.Fail(w, r, err)
	}
}

func (b bank) transfer(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, b.sessions.From(r.Context()).Methods())
}

// A route that needs a second factor, and the way to it.
func ExampleMethodsError() {
	ring := keys.Generate(0)
	list, err := revocation.Open(exampleContext, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	limits := httpmw.AAL2.Limits() // an hour idle, a day in all
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{
		Idle:     limits.Idle,
		Absolute: limits.Absolute,
		Refuse:   askForMore,
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewTLSServer(bank{sessions}.handler())
	defer server.Close()
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	show := func(res *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode == http.StatusSeeOther {
			fmt.Println("to", res.Header.Get("Location"))
			return
		}
		fmt.Println(res.StatusCode)
	}

	show(client.Get(server.URL + "/transfer"))
	show(client.PostForm(server.URL+"/login", url.Values{"user": {"ann"}}))
	show(client.Get(server.URL + "/transfer"))
	show(client.PostForm(server.URL+"/second-factor", url.Values{"code": {"123456"}}))
	show(client.Get(server.URL + "/transfer"))

	// Output:
	// to /login
	// 200
	// to /second-factor
	// 200
	// 200
}

// idClaims are those of a verified ID token that a session needs.
type idClaims struct {
	Subject       string   `json:"sub"`
	Methods       []string `json:"amr"`
	SessionExpiry int64    `json:"session_expiry"`
}

// identity turns the claims of a verified ID token into who logs in.
func identity(c idClaims, since revocation.Instant) httpmw.Identity {
	id := httpmw.Identity{Subject: "user of " + c.Subject, Since: since}
	if c.SessionExpiry != 0 {
		id.Until = time.Unix(c.SessionExpiry, 0)
	}
	for _, method := range []string{"pwd", "otp", "hwk", "mfa"} { // those that your routes ask for
		if slices.Contains(c.Methods, method) {
			id.Methods = append(id.Methods, method)
		}
	}
	return id
}

func TestIdentityOfAnIDToken(t *testing.T) {
	for token, want := range map[string]httpmw.Identity{
		`{"sub":"1"}`: {Subject: "user of 1"},
		`{"sub":"2","amr":["mfa","urn:example:a-method-of-their-own","pwd"],"session_expiry":1760000000}`: {
			Subject: "user of 2", Methods: []string{"pwd", "mfa"}, Until: time.Unix(1760000000, 0),
		},
	} {
		var c idClaims
		if err := json.Unmarshal([]byte(token), &c); err != nil {
			t.Fatal(err)
		}
		got := identity(c, revocation.Instant{})
		if diff := cmp.Diff([]any{want.Subject, want.Methods, want.Until}, []any{got.Subject, got.Methods, got.Until}); diff != "" {
			t.Error(diff)
		}
	}
}
