package main

import (
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/cmd/wafer/internal/demo"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// newShop is an application with the zero Config, behind a proxy that changes its answers.
func newShop(t *testing.T, c httpmw.Config, proxy func(http.Header)) *httptest.Server {
	t.Helper()
	ring := keys.Generate(0)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	c.Logger = quiet
	sessions, err := httpmw.New[string](keys.Static(ring), list, c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		since := sessions.Now(r.Context())
		if r.FormValue("password") != "secret" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		if err := sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Since: since}); err != nil {
			t.Error(err)
		}
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	})
	mux.Handle("GET /account", sessions.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { sessions.From(r.Context()).Subject() })
	inner := sessions.Handler(mux)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		answer := httptest.NewRecorder()
		inner.ServeHTTP(answer, r)
		h := w.Header()
		maps.Copy(h, answer.Header())
		if proxy != nil {
			proxy(h)
		}
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	}))
	server.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// examineShop checks a shop, and returns the findings that are not good: "level check message".
func examineShop(t *testing.T, server *httptest.Server, page string) (bad []string) {
	t.Helper()
	form := filepath.Join(t.TempDir(), "form")
	if err := os.WriteFile(form, []byte("user=ada&password=secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := siteFlags{url: server.URL + "/login", formFile: form, page: server.URL + page}
	s, err := f.site()
	if err != nil {
		t.Fatal(err)
	}
	s.client.Transport = server.Client().Transport
	findings, err := s.examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range findings {
		if x.Level != redisstore.Good {
			bad = append(bad, x.Level.String()+" "+x.Check+" "+x.Message)
			if x.Fix == "" {
				t.Errorf("%s: nothing is said about what to do", x.Message)
			}
		}
		if strings.Contains(x.Message+x.Fix, "eyJ") || strings.Contains(x.Message+x.Fix, "secret") {
			t.Errorf("a finding shows a cookie or a password: %s", x.Message)
		}
	}
	return bad
}

func TestDoctorFindsNothingWrongWithTheZeroConfig(t *testing.T) {
	if bad := examineShop(t, newShop(t, httpmw.Config{}, nil), "/account"); len(bad) > 0 {
		t.Errorf("found\n%s", strings.Join(bad, "\n"))
	}
}

// Whatever a proxy can spoil is found, and nothing else.
func TestDoctorFindsWhatAProxySpoils(t *testing.T) {
	cookies := func(change func(string) string) func(http.Header) {
		return func(h http.Header) {
			for i, line := range h["Set-Cookie"] {
				if strings.Contains(line, "__Host-Http-session") {
					h["Set-Cookie"][i] = change(line)
				}
			}
		}
	}
	without := func(part string) func(http.Header) {
		return cookies(func(line string) string { return strings.Replace(line, part, "", 1) })
	}
	with := func(part string) func(http.Header) {
		return cookies(func(line string) string { return line + part })
	}
	on := func(name, value string) func(http.Header) {
		return func(h http.Header) {
			if h.Get("Set-Cookie") != "" || name != "Cache-Control" {
				h.Set(name, value)
			}
		}
	}
	const name = "__Host-Http-session "
	for what, row := range map[string]struct {
		proxy func(http.Header)
		want  []string // prefixes, in order
	}{
		"no Secure":    {without("; Secure"), []string{"failing cookie " + name + "has no Secure", "failing cookie " + name + "has attributes that its prefix forbids"}},
		"no HttpOnly":  {without("; HttpOnly"), []string{"failing cookie " + name + "has no HttpOnly"}},
		"no SameSite":  {without("; SameSite=Lax"), []string{"failing cookie " + name + "has no SameSite"}},
		"None":         {cookies(func(s string) string { return strings.Replace(s, "=Lax", "=None", 1) }), []string{"warning cookie " + name + "has SameSite=None"}},
		"another Path": {cookies(func(s string) string { return strings.Replace(s, "Path=/", "Path=/shop", 1) }), []string{`failing cookie ` + name + `has the Path "/shop"`, "failing cookie " + name + "has attributes"}},
		"a Domain":     {with("; Domain=example.com"), []string{"failing cookie " + name + "has attributes that its prefix forbids"}},
		"twice": {func(h http.Header) { h["Set-Cookie"] = append(h["Set-Cookie"], h["Set-Cookie"]...) },
			[]string{"warning cookie " + strings.TrimSpace(name) + " is set twice"}},
		"large":          {func(h http.Header) { h.Add("Set-Cookie", "x="+strings.Repeat("x", 4000)) }, []string{"warning size all Set-Cookie lines together have 4"}},
		"no cookie":      {func(h http.Header) { h.Del("Set-Cookie") }, []string{"failing cookies status 303, and no cookie of a session among 0 other cookies"}},
		"public":         {on("Cache-Control", "public, max-age=60"), []string{"failing caching Cache-Control lets"}},
		"private":        {on("Cache-Control", "private"), []string{"warning caching Cache-Control of the answer"}},
		"from a cache":   {on("Age", "7"), []string{"failing caching the answer with the cookies came from a cache"}},
		"no HSTS":        {func(h http.Header) { h.Del("Strict-Transport-Security") }, []string{"warning hsts no Strict"}},
		"short HSTS":     {on("Strict-Transport-Security", "includeSubDomains; max-age=300"), []string{"warning hsts Strict-Transport-Security is"}},
		"no Vary":        {func(h http.Header) { h.Del("Vary") }, []string{"failing vary "}},
		"a wrong clock":  {on("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)), []string{"warning clock the clock of the site"}},
		"another cookie": {cookies(func(s string) string { i := strings.Index(s, ";"); return s[:i-1] + string(s[i-1]^1) + s[i:] }), []string{"failing session the site answers 401"}},
	} {
		t.Run(what, func(t *testing.T) {
			bad := examineShop(t, newShop(t, httpmw.Config{}, row.proxy), "/account")
			for i := range max(len(bad), len(row.want)) {
				if i >= len(bad) || i >= len(row.want) || !strings.HasPrefix(bad[i], row.want[i]) {
					t.Fatalf("found %q, want %q", bad, row.want)
				}
			}
		})
	}
}

// A login that replaces the session of --cookie-file is followed as a browser follows it.
func TestDoctorReplacesCookies(t *testing.T) {
	shop := newShop(t, httpmw.Config{}, nil)
	dir := t.TempDir()
	f := siteFlags{url: shop.URL + "/login", page: shop.URL + "/account", formFile: filepath.Join(dir, "form"), cookieFile: filepath.Join(dir, "cookie")}
	header := "Cookie: theme=light"
	for range 2 {
		for name, text := range map[string]string{f.formFile: "user=ada&password=secret", f.cookieFile: header} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := f.site()
		if err != nil {
			t.Fatal(err)
		}
		s.client.Transport = shop.Client().Transport
		answer, err := s.ask(t.Context(), http.MethodPost, s.url, s.form, s.cookie)
		if err != nil {
			t.Fatal(err)
		}
		header = strings.Join(replaced(s.cookie, s.examineCookies(answer)), "; ")
		if err := s.examineSession(t.Context(), header); err != nil {
			t.Fatal(err)
		}
		for _, x := range s.findings {
			if x.Level != redisstore.Good {
				t.Errorf("%v %s: %s", x.Level, x.Check, x.Message)
			}
		}
		if !strings.HasPrefix(header, "theme=light; ") || strings.Count(header, "__Host-Http-session=") != 1 {
			t.Errorf("%d cookies go to the page", strings.Count(header, "=")) // without their values
		}
	}
}

func TestDoctorOfWeakerConfigs(t *testing.T) {
	for what, row := range map[string]struct {
		config httpmw.Config
		page   string
		want   string
	}{
		"Domain":      {httpmw.Config{Domain: "shop.example"}, "/account", "warning cookie __Secure-session has the Domain shop.example"},
		"public page": {httpmw.Config{}, "/", "warning session the page answers 200 also without a session"},
		"wrong page":  {httpmw.Config{}, "/nothing", "failing session the site answers 404"},
	} {
		bad := examineShop(t, newShop(t, row.config, nil), row.page)
		if len(bad) != 1 || !strings.HasPrefix(bad[0], row.want) {
			t.Errorf("%s: %q", what, bad)
		}
	}
}

// TestDoctorScripts runs the command on a demo, which serves plain http, and on a shop with https.
func TestDoctorScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers")
	}
	shop := newShop(t, httpmw.Config{}, nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: shop.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := demo.Open(t.Context(), demo.Config{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(t.Context()) }()
	t.Cleanup(func() {
		<-served // t.Context has ended
		d.Close()
	})
	// The scripts are parallel subtests; the group ends before the cleanup.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata/doctor",
			RequireExplicitExec: true,
			Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "signin": signIn},
			Setup: func(env *testscript.Env) error {
				env.Setenv("DEMO", d.URL())
				env.Setenv("SHOP", shop.URL)
				env.Setenv("CA", ca)
				return quickExit(env)
			},
		})
	})
}
