package httpmw_test

import (
	"context"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// exampleContext stands for the context a program begins with.
var exampleContext = context.Background()

// redirectToLogin sends people to the login page and remembers where they wanted to go. What is not a page that can
// be asked for again, such as a form, comes back to the start.
func redirectToLogin(w http.ResponseWriter, r *http.Request, status int, _ error) {
	w.Header().Set("Cache-Control", "no-store")
	if status != http.StatusUnauthorized {
		http.Error(w, http.StatusText(status), status)
		return
	}
	next := "/"
	if r.Method == http.MethodGet {
		next = r.URL.RequestURI()
	}
	http.Redirect(w, r, "/login?next="+url.QueryEscape(next), http.StatusSeeOther)
}

// localPath returns next if it is a path on this very host, and "/" otherwise. Browsers take "//host" and "/\host" for
// another host and ignore tabs and line breaks, so a login page that went wherever it is told would be a tool for
// phishing.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") {
		return "/"
	}
	return next
}

// ordersPage escapes what it prints.
var ordersPage = template.Must(template.New("orders").Parse("<!doctype html><title>Orders</title><p>Orders of {{.}}"))

// Pages that send people to a login page and back to where they wanted to go.
func ExampleConfig_redirectToLogin() {
	ring := keys.Generate(0)
	list, err := revocation.Open(exampleContext, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Refuse: redirectToLogin})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := ordersPage.Execute(w, sessions.From(r.Context()).Subject()); err != nil {
			log.Print(err)
		}
	})))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		since := sessions.Now(r.Context()) // then check the password
		if err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Since: since}); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, localPath(r.FormValue("next")), http.StatusSeeOther)
	})
	app := http.NewCrossOriginProtection().Handler(sessions.Handler(mux))

	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "https://shop.example.com/orders?page=2", nil))
	login := w.Header().Get("Location")
	fmt.Println(w.Code, login)

	_, query, _ := strings.Cut(login, "?")
	r := httptest.NewRequest("POST", "https://shop.example.com/login", strings.NewReader(query+"&user=ann"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w = httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))

	// Output:
	// 303 /login?next=%2Forders%3Fpage%3D2
	// 303 /orders?page=2
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/":                         "/",
		"/orders?page=2":            "/orders?page=2",
		"/a//b":                     "/a//b",
		"":                          "/",
		"orders":                    "/",
		"//evil.test":               "/",
		"///evil.test":              "/",
		"/\\evil.test":              "/",
		"/\t/evil.test":             "/",
		"/\n/evil.test":             "/",
		"\\\\evil.test":             "/",
		"https://evil.test/":        "/",
		"https:/evil.test":          "/",
		"javascript:alert(1)":       "/",
		"/%zz":                      "/",
		"/x?next=https://evil.test": "/x?next=https://evil.test",
	} {
		if got := localPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// A form that was refused leads back to the start: it cannot be sent again by asking for its address.
func TestRedirectToLogin(t *testing.T) {
	f := newFixture(t, httpmw.Config{Refuse: redirectToLogin})
	h := f.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let in") }))
	for method, want := range map[string]string{"GET": "/login?next=%2Fpay%3Fx%3D1", "POST": "/login?next=%2F"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "https://app.test/pay?x=1", nil))
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s: %d %q, want %q", method, w.Code, got, want)
		}
	}
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	res := b.get(f.RequireThat(httpmw.Requirements{Group: func(*http.Request) string { return "admins" }})(h))
	if res.StatusCode != http.StatusForbidden || res.Header.Get("Location") != "" {
		t.Errorf("somebody who is logged in but not allowed is sent to log in: %d", res.StatusCode)
	}
}
