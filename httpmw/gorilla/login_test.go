package gorilla_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

// Until OldUntil the login handler of the new version writes the old cookie. Such a login holds, also in the request in which the
// Mover ends the session that was there before.
func TestALoginByTheOldHandlerHolds(t *testing.T) {
	rows := []struct {
		name   string
		before func(t *testing.T, r *replica, b browser, first seen) // what happened since the session was moved
	}{
		{"nothing", func(*testing.T, *replica, browser, seen) {}},
		{"the cookie is gone", func(_ *testing.T, _ *replica, b browser, _ seen) { delete(b, oldName) }},
		{"the cookie is damaged", func(_ *testing.T, _ *replica, b browser, _ seen) { b[oldName] = "x" }},
		{"logged out in its values", func(t *testing.T, _ *replica, b browser, _ seen) {
			b[oldName] = encode(t, codecs()[0], map[any]any{"user": "ada", "out": true})
		}},
		{"of somebody else", func(t *testing.T, _ *replica, b browser, _ seen) {
			b[oldName] = encode(t, codecs()[0], map[any]any{"user": "bob"})
		}},
		{"revoked", func(_ *testing.T, r *replica, _ browser, first seen) { r.kit.Revoke(revocation.Session(first.ID)) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(true)})
				b := browser{oldName: encode(t, codecs()[0], adas)}
				first := r.look(b)
				time.Sleep(10 * time.Second)
				row.before(t, r, b, first)
				r.visit(b, func(w http.ResponseWriter, _ *http.Request, _ *httpmw.Session[prefs]) {
					http.SetCookie(w, &http.Cookie{Name: oldName, Value: encode(t, codecs()[0], map[any]any{"user": "cleo"}), Path: "/"})
				})
				if s := r.look(b); s.Subject != "cleo" || s.Err != nil {
					t.Errorf("after the login: %+v, cookies %d", s, len(b))
				}
			})
		})
	}
}
