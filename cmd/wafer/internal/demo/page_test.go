package demo_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func (p *process) get(path string) (*http.Response, string) {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(body)
}

// The page loads nothing from elsewhere, and its policy forbids it.
func TestThePageStandsAlone(t *testing.T) {
	p := start(t)
	resp, html := p.get("/")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("page: %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	policy := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if inline := regexp.MustCompile(`(?i)<script>|<style|\son[a-z]+=|\sstyle=`).FindString(html); inline != "" {
		t.Errorf("%q does not work under the policy", inline)
	}
	parts := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1)
	if len(parts) < 3 {
		t.Fatalf("the page has only the parts %v", parts)
	}
	for _, part := range parts {
		if resp, body := p.get(part[1]); resp.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: %s", part[1], resp.Status)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bid="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		ids[m[1]] = true
	}
	_, script := p.get("/app.js")
	for _, m := range regexp.MustCompile(`(?:\$|put)\("([a-z-]+)"`).FindAllStringSubmatch(script, -1) {
		if !ids[m[1]] {
			t.Errorf("the script looks for %q, which the page does not have", m[1])
		}
	}
	if resp, _ := p.get("/nothing"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("/nothing: %s", resp.Status)
	}
}

// The numbered steps lead through all that the page can do, in one count from 1 on.
func TestTheStepsNameEveryControl(t *testing.T) {
	_, html := start(t).get("/")
	_, rest, _ := strings.Cut(html, `<div class="acts">`)
	acts, _, _ := strings.Cut(rest, "<noscript>")
	for control, word := range map[string]string{
		`action="/login"`: "Sign in", `action="/note"`: "note", `id="transfer"`: "transfer", `id="factor"`: "second factor", `data-end="/logout"`: "Sign out here",
		`id="devices"`: "devices", `id="role-button"`: "role", `data-end="/require-login"`: "Require a login", `id="everybody"`: "everybody",
		`id="store-button"`: "Stop the store", `id="rotate-button"`: "Rotate the key",
	} {
		if !strings.Contains(html, control) || !strings.Contains(acts, word) {
			t.Errorf("the page lacks %s, or its steps do not say %q", control, word)
		}
	}
	n := 1
	for _, list := range regexp.MustCompile(`(?s)<ol(?: start="(\d+)")?>(.*?)</ol>`).FindAllStringSubmatch(acts, -1) {
		if want := fmt.Sprint(n); list[1] != want && (n > 1 || list[1] != "") {
			t.Errorf("a list begins with %q, after %d steps", list[1], n-1)
		}
		n += strings.Count(list[2], "<li>")
	}
	if n < 9 {
		t.Errorf("%d steps", n-1)
	}
}

// ask posts as the page does, and decodes the answer.
func (b *browser) ask(p *process, method, path string, form url.Values) (status int, answer map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// The thief gets in with the cookie that the server copied and is refused after the logout. The phone
// is not.
func TestTheStage(t *testing.T) {
	p := start(t)
	ada := newBrowser(t)
	if status, answer := ada.ask(p, http.MethodPost, "/stage/thief", nil); status != http.StatusBadRequest {
		t.Errorf("stealing nothing: %d %v", status, answer)
	}
	home, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	planted := &http.Cookie{Name: "wafer-demo", Value: "'`id`'", Path: "/stage"} // by another program on this host
	ada.client.Jar.SetCookies(home.JoinPath("/stage"), []*http.Cookie{planted})
	if status, answer := ada.ask(p, http.MethodPost, "/stage/thief", nil); status != http.StatusBadRequest {
		t.Errorf("a command for the shell with a planted cookie in it: %d %v", status, answer)
	}
	if status, answer := ada.ask(p, http.MethodPost, "/login", url.Values{"user": {"ada"}}); status != http.StatusOK || answer["replica"] == nil {
		t.Fatalf("login: %d %v", status, answer)
	}
	status, thief := ada.ask(p, http.MethodPost, "/stage/thief", nil)
	curl, _ := thief["curl"].(string)
	if status != http.StatusOK || thief["bytes"].(float64) < 200 || !strings.Contains(curl, p.url+"/api/session") {
		t.Fatalf("stealing: %d %v", status, thief)
	}
	status, phone := ada.ask(p, http.MethodPost, "/stage/browser", url.Values{"user": {"ada"}})
	if status != http.StatusOK {
		t.Fatalf("phone: %d %v", status, phone)
	}
	replay := func(who map[string]any) map[string]any {
		t.Helper()
		status, answer := ada.ask(p, http.MethodGet, "/stage/"+who["id"].(string), nil)
		if status != http.StatusOK {
			t.Fatalf("replay: %d %v", status, answer)
		}
		return answer
	}
	for _, who := range []map[string]any{thief, phone} {
		if got := replay(who); got["status"] != 200.0 || got["subject"] != "ada" || got["replica"] == 0.0 {
			t.Errorf("before the logout: %v", got)
		}
	}
	if status, answer := ada.ask(p, http.MethodPost, "/logout", nil); status != http.StatusOK {
		t.Fatalf("logout: %d %v", status, answer)
	}
	deadline, refusals := time.Now().Add(promised), 0
	for refusals < 12 {
		switch got := replay(thief); got["status"] {
		case 401.0:
			refusals++
			if got["reason"] != "revoked_session" {
				t.Fatalf("refused because of %v", got["reason"])
			}
		default:
			if time.Now().After(deadline) {
				t.Fatalf("the thief still gets %v", got)
			}
		}
	}
	if got := replay(phone); got["status"] != 200.0 {
		t.Errorf("the phone gets %v", got)
	}
	if status, answer := ada.ask(p, http.MethodPost, "/stage/thief", nil); status != http.StatusBadRequest {
		t.Errorf("stealing from a browser that is signed out: %d %v", status, answer)
	}
	if status, _ := ada.ask(p, http.MethodGet, "/stage/nobody", nil); status != http.StatusNotFound {
		t.Errorf("an unknown browser: %d", status)
	}

	status, answer := ada.ask(p, http.MethodGet, "/api/replicas", nil)
	list, _ := answer["replicas"].([]any)
	if status != http.StatusOK || len(list) != replicas || answer["within"] != promised.Seconds() {
		t.Errorf("replicas: %d %v", status, answer)
	}
}

// /api/me answers 200, signed in or not, so that a browser's console shows no errors.
func TestWhoAmI(t *testing.T) {
	p := start(t)
	nobody, ada := newBrowser(t), p.login("ada")
	if status, answer := nobody.ask(p, http.MethodGet, "/api/me", nil); status != 200 || answer["status"] != 401.0 || answer["error"] != "not_logged_in" {
		t.Errorf("nobody: %d %v", status, answer)
	}
	if status, answer := ada.ask(p, http.MethodGet, "/api/me", nil); status != 200 || answer["subject"] != "ada" {
		t.Errorf("ada: %d %v", status, answer)
	}
}

// With the store stopped everybody stays signed in. A sign-out is an error; one replica enforces it at
// once, and the others do when the store is back.
func TestTheStoreIsStopped(t *testing.T) {
	p := start(t)
	ada, bob := p.login("ada"), p.login("bob")
	stop := func(stopped string) {
		t.Helper()
		if status, answer := bob.ask(p, http.MethodPost, "/stage/store", url.Values{"stopped": {stopped}}); status != 200 {
			t.Fatalf("the store: %d %v", status, answer)
		}
	}
	status, thief := ada.ask(p, http.MethodPost, "/stage/thief", nil)
	if status != 200 {
		t.Fatalf("stealing: %d %v", status, thief)
	}
	stop("true")
	defer stop("false")
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, answer := bob.ask(p, http.MethodGet, "/api/replicas", nil)
		late := 0
		for _, r := range answer["replicas"].([]any) {
			if r.(map[string]any)["state"] != "synced" {
				late++
			}
		}
		if late == replicas && answer["stopped"] == true {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the replicas do not notice: %v", answer)
		}
	}
	bob.everyReplica(p, http.StatusOK)
	if status, answer := ada.ask(p, http.MethodPost, "/logout", nil); status != http.StatusServiceUnavailable {
		t.Errorf("signing out without the store: %d %v", status, answer)
	}
	stop("false")
	for deadline, refusals := time.Now().Add(10*time.Second), 0; refusals < 12; {
		_, got := ada.ask(p, http.MethodGet, "/stage/"+thief["id"].(string), nil)
		if got["status"] == 401.0 {
			refusals++
		} else if refusals = 0; time.Now().After(deadline) {
			t.Fatalf("the store is back, and the thief gets %v", got)
		}
	}
	bob.everyReplica(p, http.StatusOK)
}

func TestTheKeyIsRotated(t *testing.T) {
	p := start(t)
	ada := p.login("ada")
	_, before := ada.ask(p, http.MethodGet, "/api/replicas", nil)
	status, answer := ada.ask(p, http.MethodPost, "/stage/rotate", nil)
	if _, after := ada.ask(p, http.MethodGet, "/api/replicas", nil); status != 200 || answer["kid"] == before["kid"] || answer["kid"] != after["kid"] {
		t.Errorf("rotated: %d %v, %v before, %v after", status, answer, before["kid"], after["kid"])
	}
	ada.everyReplica(p, http.StatusOK)
}

// A page of another site cannot log anybody in or out, nor open browsers.
func TestRequestForgery(t *testing.T) {
	p := start(t)
	ada := p.login("ada")
	for _, path := range []string{"/login", "/note", "/logout", "/logout-others", "/logout-everywhere", "/role", "/require-login", "/everybody-out", "/stage/thief", "/stage/browser", "/stage/store", "/stage/rotate"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, strings.NewReader("user=eve&text=x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := ada.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if s := ada.everyReplica(p, http.StatusOK); s.Subject != "ada" || s.Data.Note != "" {
		t.Errorf("the session is %+v", s)
	}
}

func TestForms(t *testing.T) {
	p := start(t)
	nobody, ada := newBrowser(t), p.login("ada")
	for _, row := range []struct {
		name, path string
		form       url.Values
		who        *browser
		status     int
	}{
		{"login as nobody", "/login", url.Values{"user": {"  "}}, nobody, http.StatusBadRequest},
		{"login with a long name", "/login", url.Values{"user": {strings.Repeat("x", 65)}}, nobody, http.StatusBadRequest},
		{"login not in UTF-8", "/login", url.Values{"user": {"a\xff"}}, nobody, http.StatusBadRequest},
		{"a note by nobody", "/note", url.Values{"text": {"x"}}, nobody, http.StatusUnauthorized},
		{"a long note", "/note", url.Values{"text": {strings.Repeat("x", 501)}}, ada, http.StatusBadRequest},
		{"logout by nobody", "/logout", nil, nobody, http.StatusOK},
		{"logout of others by nobody", "/logout-others", nil, nobody, http.StatusUnauthorized},
		{"logout everywhere by nobody", "/logout-everywhere", nil, nobody, http.StatusUnauthorized},
	} {
		t.Run(row.name, func(t *testing.T) {
			if status, answer := row.who.ask(p, http.MethodPost, row.path, row.form); status != row.status {
				t.Errorf("%d %v, want %d", status, answer, row.status)
			}
		})
	}
	if s := ada.read(p); s.Status != http.StatusOK || s.Data.Note != "" {
		t.Errorf("the session is %+v", s)
	}
}
