package wafertest

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/wafer-sessions/wafer/httpmw"
)

// SignIn gives a client the cookies of a new session of id with data, as if it had logged in at
// server, a URL such as that of an httptest.Server. It returns the id of the session. A client
// without a jar gets one. Cookies of an earlier session are replaced.
func (k *Kit[T]) SignIn(c *http.Client, server string, id httpmw.Identity, data T) (sid string) {
	k.tb.Helper()
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		k.tb.Fatalf("wafertest: %q is not the URL of a server", server)
	}
	if u.Scheme != "https" && !k.http {
		k.tb.Fatalf("wafertest: the cookies are Secure, so a client does not send them to %s: use httptest.NewTLSServer, or httpmw.Config.InsecureHTTP", server)
	}
	if c.Jar == nil {
		c.Jar, _ = cookiejar.New(nil) // never fails without options
	}
	sid, cookies := k.signIn(id, data)
	c.Jar.SetCookies(u, cookies)
	if !slices.ContainsFunc(c.Jar.Cookies(u), func(have *http.Cookie) bool { return have.Value == cookies[0].Value }) {
		k.tb.Fatalf("wafertest: the client's jar did not accept the %s cookie for %s; is that host within Config.Domain %q?", cookies[0].Name, server, cookies[0].Domain)
	}
	return sid
}

// SignInRequest adds to r the cookies of a new session of id with data, for a handler that is
// called directly. They replace those of an earlier session. It returns the id of the session.
func (k *Kit[T]) SignInRequest(r *http.Request, id httpmw.Identity, data T) (sid string) {
	k.tb.Helper()
	sid, cookies := k.signIn(id, data)
	var others []*http.Cookie
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, cookies[0].Name) {
			others = append(others, c)
		}
	}
	r.Header.Del("Cookie")
	for _, c := range append(others, cookies...) {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return sid
}

// signIn begins a session as an application does. It returns the cookies, that of the session
// first.
func (k *Kit[T]) signIn(id httpmw.Identity, data T) (sid string, cookies []*http.Cookie) {
	k.tb.Helper()
	var loginErr, setErr error
	answer := &answer{header: http.Header{}}
	k.Manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := k.Manager.From(r.Context())
		if loginErr = s.Login(r.Context(), id); loginErr == nil {
			setErr = s.Set(data)
		}
		sid = s.ID()
	})).ServeHTTP(answer, httptest.NewRequestWithContext(k.tb.Context(), "GET", "https://localhost/", nil))
	switch {
	case loginErr != nil:
		k.tb.Fatalf("wafertest: sign in: %v", loginErr)
	case setErr != nil:
		k.tb.Fatalf("wafertest: sign in: set the data: %v", setErr)
	}
	if cookies = (&http.Response{Header: answer.header}).Cookies(); len(cookies) == 0 {
		k.tb.Fatalf("wafertest: sign in: the session got no cookie: %v", slices.Sorted(maps.Keys(answer.header)))
	}
	return sid, cookies
}

// answer is a ResponseWriter that keeps the cookies.
type answer struct {
	header http.Header
	bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(int)     {}
