package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Whatever a form holds, it gets a page or, with the right token and nothing else by that name, a
// session.
func FuzzSignIn(f *testing.F) {
	ops, secret := token(f, "ops", admin.RoleRead)
	ring := keys.Generate(0)
	h, err := console.New(revocation.Disabled(ring), keys.Static(ring), console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}, Audit: quiet.Handler()}, Logger: quiet})
	if err != nil {
		f.Fatal(err)
	}
	right := "token=" + secret
	for _, body := range []string{"", "token", "token=", right, right + "&" + right, "token=%", "token=%00", right + "%0a", ";", right + ";", "%74oken=" + secret, "token=wrong&x=%ff", strings.Repeat("&", 9000)} {
		f.Add("", form, body)
		f.Add("token=x", form, body)
		f.Add("", "multipart/form-data; boundary=x", body)
		f.Add("", "text/plain", body)
	}
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/sign-in", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusTooManyRequests:
			if w.Header().Get("Set-Cookie") != "" || !strings.Contains(w.Body.String(), `action="sign-in"`) {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		case http.StatusSeeOther:
			values, err := url.ParseQuery(body)
			if all := values["token"]; err != nil || len(all) != 1 || strings.TrimSpace(all[0]) != secret || w.Header().Get("Location") != "./" {
				t.Errorf("signed in with %q", body)
			}
		default:
			t.Errorf("%d %s", w.Code, w.Body.String())
		}
	})
}
