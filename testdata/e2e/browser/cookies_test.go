package browser

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// documentCookie is what the browser says of a script that reads or writes cookies.
const documentCookie = "DocumentCookie"

// The session's cookie as the browser keeps it.
func TestCookieFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config httpmw.Config
		url    func(*site) string
		want   network.Cookie
	}{
		"https":          {httpmw.Config{}, httpsHome, network.Cookie{Name: "__Host-Http-app", Secure: true, SameSite: "Lax", Domain: home}},
		"strict":         {httpmw.Config{SameSite: http.SameSiteStrictMode}, httpsHome, network.Cookie{Name: "__Host-Http-app", Secure: true, SameSite: "Strict", Domain: home}},
		"several hosts":  {httpmw.Config{Domain: "wafer.test"}, httpsHome, network.Cookie{Name: "__Secure-app", Secure: true, SameSite: "Lax", Domain: ".wafer.test"}},
		"http, insecure": {httpmw.Config{InsecureHTTP: true}, httpHome, network.Cookie{Name: "app", SameSite: "Lax", Domain: home}},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newSite(t, c.config), browsertest.NewProfile(t, documentCookie)
			b := s.login(p, c.url(s), "ada")
			hasCookie(t, p, c.want)
			if got := browsertest.Value[string](b, "document.cookie"); got != "" {
				t.Errorf("a script reads %q", got)
			}
		})
	}
}

// hasCookie checks that a browser has a cookie, perhaps the one of its renewals, and no others.
func hasCookie(t *testing.T, p *browsertest.Profile, want network.Cookie) {
	t.Helper()
	found := false
	for _, got := range p.Cookies() {
		if got.Name != want.Name && got.Name != want.Name+"-seen" {
			t.Errorf("a cookie %q", got.Name)
		}
		if !got.HTTPOnly || got.Secure != want.Secure || got.SameSite != want.SameSite || got.Domain != want.Domain || got.Path != "/" || !got.Session {
			t.Errorf("the cookie is %+v", got)
		}
		found = found || got.Name == want.Name
	}
	if !found {
		t.Errorf("no cookie %s", want.Name)
	}
}

// The console's cookie is one that no other site can cause to be sent, and a page of a sibling, for which the browser sends it,
// can do nothing with it.
func TestTheConsolesCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpmw.Config{})
	user, p := browsertest.NewProfile(t), browsertest.NewProfile(t, "CookieIssue", "BlockedByResponseIssue", "ERR_BLOCKED_BY_RESPONSE", "blocked by CORS policy", "CorsIssue", "net::ERR_FAILED")
	s.login(user, s.https(home, "/"), "ada")
	b := p.Tab(s.https(home, "/admin/"))
	b.Fill("#token", adminToken)
	b.Click("form button")
	b.Await("signed in", `document.readyState === "complete" && document.querySelector("form[action=sign-out]") !== null`)
	hasCookie(t, p, network.Cookie{Name: "__Host-Http-wafer-console", Secure: true, SameSite: "Strict", Domain: home})
	for _, host := range []string{sibling, foreign} {
		evil := p.Tab(s.https(host, "/blank"))
		for _, path := range []string{"/admin/revocations", "/admin/keys/rotate", "/admin/sign-out"} {
			for _, body := range []string{"", `{"scope":"everyone"}`} {
				evil.Evaluate(fmt.Sprintf(`fetch(%q, { method: "POST", mode: "no-cors", credentials: "include", body: %q }).catch(() => {})`, s.https(home, path), body))
			}
		}
		evil.Evaluate(fmt.Sprintf(`fetch(%q, { credentials: "include" }).then(() => { throw "it is readable"; }, () => {})`, s.https(home, "/admin/status")))
	}
	if got := browsertest.Value[int](b, `fetch("/admin/status").then(r => r.status)`); got != http.StatusOK {
		t.Errorf("then the operator gets %d", got)
	}
	if got := s.who(user, s.https(home, "/")); got != "ada" {
		t.Errorf("then %q is logged in", got)
	}
}

func httpsHome(s *site) string { return s.https(home, "/") }
func httpHome(s *site) string  { return s.http(home, "/") }

// What another site embeds or posts comes without the session, and a sibling of the same site cannot use it either.
func TestOtherSitesDoNotAct(t *testing.T) {
	t.Parallel()
	s, p := newSite(t, httpmw.Config{}), browsertest.NewProfile(t, "status of 403", "CookieIssue")
	s.login(p, s.https(home, "/"), "ada")
	b := p.Tab(s.https(foreign, "/blank"))
	b.Evaluate(fmt.Sprintf(`fetch(%q, { mode: "no-cors", credentials: "include" })`, s.https(home, "/pixel")))
	if all, with := s.embedded.Load(), s.withSession.Load(); all != 1 || with != 0 {
		t.Errorf("%d requests of another site came, %d with a session", all, with)
	}
	for _, host := range []string{foreign, sibling} {
		b := p.Tab(s.https(host, "/blank"))
		b.Evaluate(fmt.Sprintf(`fetch(%q, { method: "POST", mode: "no-cors", credentials: "include" })`, s.https(home, "/logout")))
	}
	if got := s.who(p, s.https(home, "/")); got != "ada" {
		t.Errorf("then %q is logged in", got)
	}
	if s.embedded.Store(0); s.withSession.Load() != 0 {
		t.Error("another site used the session")
	}
}

// who returns who is logged in at home.
func (s *site) who(p *browsertest.Profile, url string) string {
	s.t.Helper()
	b := p.Tab(url)
	defer b.Close()
	return browsertest.Value[string](b, `document.querySelector("h1").textContent`)
}

// No script of a sibling or of the application itself, and nobody who can answer in the name of another host or over http, can
// give a user somebody else's session.
func TestNobodyPlantsACookie(t *testing.T) {
	t.Parallel()
	const name = "__Host-Http-app"
	s := newSite(t, httpmw.Config{})
	token := s.tokenOf("mallory", s.https(home, "/"), name)
	ada := browsertest.NewProfile(t, "CookieIssue", documentCookie)
	pages := map[string]string{
		"the application":           s.https(home, "/"),
		"a sibling":                 s.https(sibling, "/blank"),
		"the application over http": s.http(home, "/"),
		"a sibling over http":       s.http(sibling, "/blank"),
	}
	for _, want := range []string{"", "ada"} {
		if want != "" {
			s.login(ada, s.https(home, "/"), want)
		}
		for from, url := range pages {
			b := ada.Tab(url)
			b.Evaluate(fmt.Sprintf(plant, name, token, url != pages["the application"]))
			b.Close()
			if got := s.who(ada, s.https(home, "/")); got != want {
				t.Errorf("planted by %s: %q is logged in, want %q", from, got, want)
				for _, c := range ada.Cookies() {
					t.Logf("the browser has a cookie %q of %s", c.Name, c.Domain)
				}
			}
		}
	}
}

// The attack above works where cookies have neither the prefix nor Secure, as Config.InsecureHTTP says.
func TestAnybodyPlantsAnInsecureCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpmw.Config{InsecureHTTP: true})
	token := s.tokenOf("mallory", s.http(home, "/"), "app")
	ada := browsertest.NewProfile(t, "CookieIssue", documentCookie)
	b := ada.Tab(s.http(sibling, "/blank"))
	b.Evaluate(fmt.Sprintf(plant, "app", token, true))
	if got := s.who(ada, s.http(home, "/")); got != "mallory" {
		t.Errorf("%q is logged in: the attack does not work at all", got)
	}
}

// tokenOf logs a user in and returns the value of a cookie.
func (s *site) tokenOf(user, url, cookie string) string {
	s.t.Helper()
	p := browsertest.NewProfile(s.t)
	s.login(p, url, user)
	for _, c := range p.Cookies() {
		if c.Name == cookie {
			return c.Value
		}
	}
	s.t.Fatalf("no cookie %s", cookie)
	return ""
}

// plant is a script that plants a token under a name, and under names that look like it on the wire: by both interfaces that
// scripts have, and by responses if that is true.
const plant = `(async (name, token, responses) => {
	for (const pair of [name + "=" + token, "=" + name + "=" + token, name.toLowerCase() + "=" + token, "\t" + name + "=" + token])
		for (const attributes of ["; Path=/; Secure", "; Path=/; Secure; Domain=wafer.test", "; Path=/", "; Domain=wafer.test"]) {
			document.cookie = pair + attributes;
			if (responses)
				await fetch("/set?line=" + encodeURIComponent(pair + attributes + "; HttpOnly"));
		}
	for (const cookie of [{ name, value: token }, { name: "", value: name + "=" + token }, { name: name.toLowerCase(), value: token }])
		for (const domain of [null, "wafer.test"])
			await globalThis.cookieStore?.set({ ...cookie, path: "/", domain }).catch(() => {});
})(%q, %q, %t)`
