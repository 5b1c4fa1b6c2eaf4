package console_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A desk is an operator at a console in this process, whose time is simulated.
type desk struct {
	t       *testing.T
	list    *revocation.List
	h       http.Handler
	secret  string
	cookies map[string]string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	ops, secret := token(t, "ops", admin.RoleRevoke)
	ring := keys.Generate(0)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet, Audit: slog.DiscardHandler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	h, err := console.New(list, keys.Static(ring), console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}, Audit: slog.DiscardHandler}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, list, h, secret, map[string]string{}}
}

func (d *desk) do(method, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), method, "https://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for name, value := range d.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		d.cookies[c.Name] = c.Value
	}
	return w
}

func (d *desk) get(path string) *httptest.ResponseRecorder { return d.do(http.MethodGet, path, "", "") }

func (d *desk) post(path, body string) int {
	return d.do(http.MethodPost, path, "application/json", body).Code
}

func (d *desk) signIn() {
	d.t.Helper()
	clear(d.cookies)
	if w := d.do(http.MethodPost, "/sign-in", form, url.Values{"token": {d.secret}}.Encode()); w.Code != http.StatusSeeOther {
		d.t.Fatalf("sign-in: %d", w.Code)
	}
}

// What an open page asks for by itself does not keep a session alive. What an operator does, and the
// button of the page, do. After 15 minutes without use, and after 8 hours, the session ends.
func TestWhatRenewsASession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for _, row := range []struct {
			method, path, body string
			renews             bool
		}{
			{http.MethodGet, "/status", "", false},
			{http.MethodGet, "/replicas", "", false},
			{http.MethodGet, "/console.js", "", false},
			{http.MethodGet, "/tab/state", "", false},
			{http.MethodGet, "/", "", true},
			{http.MethodPost, "/revocations/lookup", `{"scope":"everyone"}`, true},
			{http.MethodPost, "/tab/state", "", true},
		} {
			d.signIn()
			time.Sleep(14 * time.Minute)
			if w := d.do(row.method, row.path, "application/json", row.body); w.Code != http.StatusOK {
				t.Errorf("%s %s: %d", row.method, row.path, w.Code)
			}
			time.Sleep(2 * time.Minute)
			want := http.StatusUnauthorized
			if row.renews {
				want = http.StatusOK
			}
			if w := d.get("/status"); w.Code != want {
				t.Errorf("two minutes after %s %s: %d, want %d", row.method, row.path, w.Code, want)
			}
			if w := d.get("/"); !row.renews && !strings.Contains(w.Body.String(), "was not used for a while") {
				t.Errorf("the page does not say why: %s", w.Body.String())
			}
		}
		d.signIn()
		for range 47 {
			time.Sleep(10 * time.Minute)
			if code := d.post("/tab/state", ""); code != http.StatusOK {
				t.Fatalf("in use: %d", code)
			}
		}
		time.Sleep(11 * time.Minute)
		if w := d.get("/status"); w.Code != http.StatusUnauthorized {
			t.Errorf("after 8 hours: %d", w.Code)
		}
	})
}

// Who stays signed in after revoking everyone stays no longer than before.
func TestTheEndStaysWhereItIs(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.signIn()
		for i := range 47 {
			time.Sleep(10 * time.Minute)
			if code := d.post("/revocations", `{"scope":"everyone"}`); code != http.StatusOK {
				t.Fatalf("revocation %d: %d", i, code)
			}
		}
		time.Sleep(11 * time.Minute)
		if w := d.get("/status"); w.Code != http.StatusUnauthorized {
			t.Errorf("after 8 hours: %d", w.Code)
		}
	})
}

// A body calls arrived when it is read.
type body struct {
	io.Reader
	arrived func()
}

func (b body) Read(p []byte) (int, error) {
	b.arrived()
	return b.Reader.Read(p)
}

// Somebody who holds a copy of the cookie keeps calls under way, and everyone is revoked during one. No
// other session begins in its place, unless that call revokes everyone itself.
func TestACallDoesNotOutliveARevocation(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for asked, stays := range map[string]bool{
			`{"scope":"subject","id":"ada"}`:                           false,
			`{"scope":"everyone","dry_run":true}`:                      false,
			`{"scope":"everyone","effect":"reload"}`:                   false,
			`{"scope":"everyone"}`:                                     true,
			`{"scope":"everyone","effect":"end","reason":"it leaked"}`: true,
		} {
			d.signIn()
			time.Sleep(time.Minute)
			everyone := sync.OnceFunc(func() {
				if _, err := d.list.Revoke(t.Context(), revocation.Everyone(), revocation.Options{}); err != nil {
					t.Error(err)
				}
			})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/revocations", body{strings.NewReader(asked), everyone})
			r.Header.Set("Content-Type", "application/json")
			r.AddCookie(&http.Cookie{Name: cookieName, Value: d.cookies[cookieName]})
			w := httptest.NewRecorder()
			d.h.ServeHTTP(w, r)
			began := false
			for _, c := range w.Result().Cookies() {
				began = began || c.Name == cookieName && c.MaxAge >= 0
			}
			if w.Code != http.StatusOK || began != stays {
				t.Errorf("%s: %d, another session: %v, want %v", asked, w.Code, began, stays)
			}
		}
	})
}
