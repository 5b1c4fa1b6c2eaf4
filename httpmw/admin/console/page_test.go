package console_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// pageToken opens the consoles of these tests.
const pageToken = "wafer_0123456789abcdefghijklmnopq"

// newPage makes a console without replicas.
func newPage(t *testing.T, c admin.Config) http.Handler {
	t.Helper()
	ring := keys.Generate(time.Hour)
	h, err := console.New(revocation.Disabled(ring), keys.Static(ring), console.Config{Admin: c, InsecureHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// serve answers a request for a path of a console.
func serve(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// known is a console that knows its caller, who has the role read.
func known(t *testing.T) http.Handler {
	return newPage(t, admin.Config{Authorize: func(*http.Request) (admin.Caller, error) {
		return admin.Caller{Name: `<b title="x">grace</b>`, Roles: []admin.Role{admin.RoleRead}}, nil
	}})
}

// states are the pages that the template makes, by what happened.
func states(t *testing.T) map[string]string {
	t.Helper()
	byToken := newPage(t, admin.Config{Token: pageToken})
	stranger := newPage(t, admin.Config{Authorize: func(*http.Request) (admin.Caller, error) { return admin.Caller{}, errors.New("who?") }})
	all := map[string]string{}
	for name, of := range map[string]struct {
		answer *httptest.ResponseRecorder
		status int
	}{
		"signed out":    {serve(byToken, "GET", "/", ""), http.StatusOK},
		"wrong token":   {serve(byToken, "POST", "/sign-in", url.Values{"token": {"no"}}.Encode()), http.StatusUnauthorized},
		"signed in":     {serve(known(t), "GET", "/", ""), http.StatusOK},
		"not permitted": {serve(stranger, "GET", "/", ""), http.StatusUnauthorized},
	} {
		if of.answer.Code != of.status {
			t.Errorf("%s: %d, want %d", name, of.answer.Code, of.status)
		}
		all[name] = of.answer.Body.String()
	}
	return all
}

func TestThePageOfEachState(t *testing.T) {
	for name, html := range states(t) {
		form, app := strings.Contains(html, `action="sign-in"`), strings.Contains(html, `src="console.js"`)
		if form != (name == "signed out" || name == "wrong token") || app != (name == "signed in") {
			t.Errorf("%s: a form to sign in: %t, the console: %t", name, form, app)
		}
		if alert := strings.Contains(html, `role="alert">That`) || strings.Contains(html, `role="alert">You`); alert != (name == "wrong token" || name == "not permitted") {
			t.Errorf("%s: it says what is wrong: %t", name, alert)
		}
		if strings.Contains(html, "<b title") || strings.Contains(html, pageToken) {
			t.Errorf("%s: the page has what it must not have", name)
		}
		if !strings.HasSuffix(strings.TrimSpace(html), "</html>") {
			t.Errorf("%s: the page is cut off", name)
		}
	}
}

// The page loads nothing but what is beside it, wherever it is mounted, and has nothing inline.
func TestThePageObeysItsPolicy(t *testing.T) {
	h := known(t)
	for name, html := range states(t) {
		if inline := regexp.MustCompile(`(?i)<script>|<style|\son[a-z]+=|\sstyle=|javascript:|<iframe|<base`).FindString(html); inline != "" {
			t.Errorf("%s: %q does not work under the policy", name, inline)
		}
		for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
			if strings.Contains(m[1], ":") || strings.HasPrefix(m[1], "/") {
				t.Errorf("%s: %q is not relative", name, m[1])
			}
			if m[1][0] != '#' && !strings.HasPrefix(m[1], "sign-") && serve(h, "GET", "/"+m[1], "").Code != http.StatusOK {
				t.Errorf("%s: %s is not served", name, m[1])
			}
		}
	}
	for name, script := range scripts(t) {
		w := serve(h, "GET", "/"+name, "")
		if w.Code != http.StatusOK || w.Body.String() != script || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: %d %s", name, w.Code, w.Header().Get("Content-Type"))
		}
		if strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: policy %q", name, w.Header().Get("Content-Security-Policy"))
		}
	}
}

// scripts returns the modules of the page, by name.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("page/*.js")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d modules, %v", len(names), err)
	}
	all := map[string]string{}
	for _, name := range names {
		all[filepath.Base(name)] = pageFile(t, filepath.Base(name))
	}
	return all
}

func pageFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("page", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Data goes into the page as text. Nothing is loaded from elsewhere, and nothing is interpreted.
func TestTheScriptsAreStrict(t *testing.T) {
	all := scripts(t)
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacent|document\.write|createContextualFragment|DOMParser|\beval\(|new Function|setTimeout\("|localStorage|document\.cookie|style\s*=|cssText`)
	address := regexp.MustCompile(`["'\x60](?:https?:|//|/[a-z])[^"']*`)
	for name, script := range all {
		if found := forbidden.FindString(script); found != "" {
			t.Errorf("%s has %q", name, found)
		}
		for _, found := range address.FindAllString(script, -1) {
			if found != `"http://www.w3.org/2000/svg` {
				t.Errorf("%s has the address %s", name, found)
			}
		}
		for _, m := range regexp.MustCompile(`from "\./([^"]+)"`).FindAllStringSubmatch(script, -1) {
			if all[m[1]] == "" {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
		if lines := strings.Count(script, "\n"); lines > 400 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
}

var idOf = regexp.MustCompile(`\sid="([^"]+)"`)

// ids returns the ids of a page, each of which there is once.
func ids(t *testing.T, state, html string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, m := range idOf.FindAllStringSubmatch(html, -1) {
		if all[m[1]] {
			t.Errorf("%s: two elements have the id %s", state, m[1])
		}
		all[m[1]] = true
	}
	return all
}

// What has a label, has one that is there.
func TestThePageIsLabelled(t *testing.T) {
	for state, html := range states(t) {
		all := ids(t, state, html)
		for _, m := range regexp.MustCompile(`(?:for|aria-labelledby|aria-describedby|href)="#?([a-z][a-z -]*)"`).FindAllStringSubmatch(html, -1) {
			for id := range strings.FieldsSeq(m[1]) {
				if !all[id] && !strings.Contains(m[0], "href=\"w") && !strings.Contains(m[0], "href=\"c") {
					t.Errorf("%s: %s: nothing has the id %s", state, m[0], id)
				}
			}
		}
		outside := regexp.MustCompile(`(?s)<label[^>]*>.*?</label>`).ReplaceAllStringFunc(html, func(label string) string {
			return regexp.MustCompile(`<(?:input|select)[^>]*>`).ReplaceAllString(label, "")
		})
		for _, field := range regexp.MustCompile(`<(?:input|select)[^>]*>`).FindAllString(outside, -1) {
			m := idOf.FindStringSubmatch(field)
			if m == nil || !strings.Contains(html, `for="`+m[1]+`"`) {
				t.Errorf("%s: %s has no label", state, field)
			}
		}
		for _, part := range regexp.MustCompile(`<(?:section|dialog|nav|table|fieldset)[\s>][^>]*`).FindAllString(html, -1) {
			named := strings.Contains(part, "aria-label") || strings.HasPrefix(part, "<table") || strings.HasPrefix(part, "<fieldset")
			if !named {
				t.Errorf("%s: %s> has no name", state, part)
			}
		}
		for tag, needs := range map[string]string{"<table": "<caption", "<fieldset": "<legend"} {
			if strings.Count(html, tag) != strings.Count(html, needs) {
				t.Errorf("%s: not every %s has a %s", state, tag, needs)
			}
		}
		if strings.Count(html, "<main") != 1 || strings.Count(html, "<h1") != 1 || !strings.Contains(html, `<html lang="en">`) {
			t.Errorf("%s: the page needs one main, one h1 and a language", state)
		}
	}
}

// Every element that a script looks for is in the page, or made by a script.
func TestTheScriptsFindTheirElements(t *testing.T) {
	html := states(t)
	app, form := ids(t, "signed in", html["signed in"]), ids(t, "signed out", html["signed out"])
	var made bytes.Buffer
	for _, script := range scripts(t) {
		made.WriteString(script)
	}
	for name, script := range scripts(t) {
		all := app
		if name == "farewell.js" {
			all = form
		}
		for _, m := range regexp.MustCompile(`(?:\$|put)\("([a-z-]+)"`).FindAllStringSubmatch(script, -1) {
			if !all[m[1]] && !strings.Contains(made.String(), `id: "`+m[1]+`"`) {
				t.Errorf("%s looks for %q, which the page does not have", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`onShow\("([a-z]+)"|\bgo\("([a-z]+)"`).FindAllStringSubmatch(script, -1) {
			if section := m[1] + m[2]; !all[section] || !all[section+"-title"] {
				t.Errorf("%s: there is no section %q", name, section)
			}
		}
	}
}

// The page has words for whatever an answer may say.
func TestThePageHasWords(t *testing.T) {
	api, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	reasons := []string{"logout", "login", "list_lost"}
	for _, why := range []error{
		httpmw.ErrExpiredIdle, httpmw.ErrExpiredAbsolute, httpmw.ErrRevokedSession, httpmw.ErrRevokedSubject, httpmw.ErrRevokedGroup, httpmw.ErrRevokedKey, httpmw.ErrRevokedEveryone,
	} {
		reasons = append(reasons, httpmw.Reason(why))
	}
	for script, words := range map[string][]string{
		"words.js":  enum(t, api, "booting"),
		"keys.js":   enum(t, api, "pending"),
		"revoke.js": enum(t, api, "session"),
		"charts.js": reasons,
		"lookup.js": {"end", "require_login", "reload"},
		"trail.js":  {audit.Revoke, audit.RevokeMany, audit.Keys, audit.Reset, audit.SignIn, audit.Refused, audit.ViaApplication, audit.ViaSession, audit.ViaAdmin, audit.ViaCommand},
	} {
		text := pageFile(t, script)
		for _, word := range words {
			if !regexp.MustCompile(`\b` + word + `: |"` + word + `"`).MatchString(text) {
				t.Errorf("%s has no words for %s", script, word)
			}
		}
	}
}

// enum returns the values of the first enum of the API that has a value.
func enum(t *testing.T, api []byte, value string) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`"enum": \[([^\]]*)\]`).FindAllSubmatch(api, -1) {
		for _, v := range regexp.MustCompile(`"([a-z_]+)"`).FindAllSubmatch(m[1], -1) {
			all = append(all, string(v[1]))
		}
		if slices.Contains(all, value) && !slices.Contains(all, "unauthorized") {
			return all
		}
		all = nil
	}
	t.Fatalf("no enum of the API has %s", value)
	return nil
}

// Text can be read in both schemes (WCAG 2.2: 4.5 to 1), and lines and borders of fields can be seen
// (3 to 1).
func TestThePageHasContrast(t *testing.T) {
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(pageFile(t, "console.css"), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d schemes", len(blocks))
	}
	colours := map[string]string{} // the dark scheme changes those of the light one
	for i, scheme := range []string{"light", "dark"} {
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(blocks[i][1], -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range []struct {
			fore, back string
			least      float64
		}{
			{"ink", "paper", 4.5}, {"ink", "card", 4.5}, {"ink", "field", 4.5}, {"soft", "paper", 4.5}, {"soft", "card", 4.5}, {"soft", "field", 4.5},
			{"wax-ink", "wax", 4.5}, {"good-ink", "good-soft", 4.5}, {"bad-ink", "bad-soft", 4.5}, {"wait-ink", "wait-soft", 4.5}, {"bad-ink", "card", 4.5}, {"card", "ink", 4.5},
			{"edge", "card", 3}, {"edge", "field", 3}, {"good", "card", 3}, {"wax", "card", 3}, {"wait-ink", "card", 3},
			{"line-0", "field", 3}, {"line-1", "field", 3}, {"line-2", "field", 3}, {"line-3", "field", 3}, {"line-2", "card", 3}, {"line-2", "paper", 3},
		} {
			if got := contrast(t, colours[pair.fore], colours[pair.back]); got < pair.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", scheme, pair.fore, pair.back, got, pair.least)
			}
		}
	}
}

func contrast(t *testing.T, one, other string) float64 {
	t.Helper()
	a, b := luminance(t, one), luminance(t, other)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

func luminance(t *testing.T, colour string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(fmt.Sprintf("%.2s", strings.TrimPrefix(colour, "#")[2*i:]), 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
