package demo_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// A user sees both devices and signs one out. Nobody else can, and every replica refuses it.
func TestYourDevices(t *testing.T) {
	p := start(t)
	laptop, mallory := p.login("ada"), p.login("mallory")
	phone := newBrowser(t)
	if status := phone.try(p, "/login", url.Values{"user": {"ada"}, "device": {"Phone"}}); status != http.StatusSeeOther {
		t.Fatalf("login: %d", status)
	}
	if status, answer := newBrowser(t).ask(p, http.MethodGet, "/api/devices", nil); status != http.StatusUnauthorized {
		t.Errorf("nobody is told %d %v", status, answer)
	}
	if status := newBrowser(t).try(p, "/login", url.Values{"user": {"ada"}, "device": {"two\nlines"}}); status != http.StatusBadRequest {
		t.Errorf("a name of two lines: %d", status)
	}
	byLabel := map[string]map[string]any{}
	redistest.Await(t, "both devices are listed", func() bool {
		_, answer := laptop.ask(p, http.MethodGet, "/api/devices", nil)
		rows, _ := answer["devices"].([]any)
		for _, row := range rows {
			row := row.(map[string]any)
			byLabel[row["label"].(string)] = row
		}
		return len(rows) == 2
	})
	other, own := byLabel["Phone"], byLabel["a Go program"]
	if other["current"] != false || own["current"] != true || own["id"] != laptop.read(p).SID {
		t.Fatalf("the devices are %v", byLabel)
	}
	form := url.Values{"id": {other["id"].(string)}}
	if status, answer := mallory.ask(p, http.MethodPost, "/devices/sign-out", form); status != http.StatusNotFound {
		t.Errorf("somebody else signs it out: %d %v", status, answer)
	}
	phone.everyReplica(p, http.StatusOK)
	if status, answer := laptop.ask(p, http.MethodPost, "/devices/sign-out", form); status != http.StatusOK {
		t.Fatalf("sign out: %d %v", status, answer)
	}
	phone.refusedWithin(p, time.Now(), promised)
	laptop.everyReplica(p, http.StatusOK)
	mallory.everyReplica(p, http.StatusOK)
}
