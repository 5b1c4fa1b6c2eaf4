package demo_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// A new role reaches every session of its user, on every replica, and the note stays.
func TestARoleChanges(t *testing.T) {
	p := start(t)
	ada, phone, bob := p.login("ada"), p.login("ada"), p.login("bob")
	ada.post(p, "/note", url.Values{"text": {"two candles"}})
	for _, role := range []string{"editor", "reader"} {
		if status, answer := ada.ask(p, http.MethodPost, "/role", nil); status != http.StatusOK || answer["role"] != role {
			t.Fatalf("changing the role: %d %v", status, answer)
		}
		for name, b := range map[string]*browser{"this one": ada, "the phone": phone} {
			redistest.Await(t, name+" has the role", func() bool { return b.read(p).Data.Role == role })
			if s := b.everyReplica(p, http.StatusOK); s.Data.Role != role {
				t.Errorf("%s: then %q", name, s.Data.Role)
			}
		}
	}
	if s := ada.read(p); s.Data.Note != "two candles" {
		t.Errorf("the note is %q", s.Data.Note)
	}
	if s := bob.read(p); s.Data.Role != "reader" {
		t.Errorf("bob is %q", s.Data.Role)
	}
	ada.ask(p, http.MethodPost, "/role", nil)
	if s := p.login("ada").read(p); s.Data.Role != "editor" {
		t.Errorf("a new login is %q", s.Data.Role)
	}
}

// The session waits for a login on every replica, names its user for the form, and goes on with its note.
func TestALoginIsRequired(t *testing.T) {
	p := start(t)
	ada, bob := p.login("ada"), p.login("bob")
	ada.post(p, "/note", url.Values{"text": {"two candles"}})
	thief := ada.copied(p)
	ada.post(p, "/require-login", nil)
	ada.refusedWithin(p, time.Now(), promised)
	if s := ada.read(p); s.Error != "login_required" {
		t.Errorf("the reason is %q", s.Error)
	}
	if _, answer := ada.ask(p, http.MethodGet, "/api/me", nil); answer["status"] != 401.0 || answer["error"] != "login_required" || answer["locked"] != "ada" {
		t.Errorf("the page learns %v", answer)
	}
	ada.post(p, "/login", url.Values{"user": {"ada"}})
	if s := ada.everyReplica(p, http.StatusOK); s.Data.Note != "two candles" {
		t.Errorf("the note is %q", s.Data.Note)
	}
	thief.everyReplica(p, http.StatusUnauthorized)
	bob.everyReplica(p, http.StatusOK)
}

// Sessions end one after another: one is out while others are still in.
func TestEverybodyOut(t *testing.T) {
	t.Parallel()
	p := start(t)
	var all []*browser
	for range 12 {
		all = append(all, p.login("ada"))
	}
	operator := p.login("root")
	operator.post(p, "/everybody-out", nil)
	if s := operator.read(p); s.Status == http.StatusOK {
		if status, answer := operator.ask(p, http.MethodPost, "/everybody-out", nil); status != http.StatusConflict || answer["error"] != "under_way" {
			t.Errorf("a second time: %d %v", status, answer)
		}
	}
	for in := len(all); in == len(all); {
		in = 0
		for _, b := range all {
			switch s := b.read(p); {
			case s.Status == http.StatusOK:
				in++
			case s.Error != "revoked_everyone":
				t.Fatalf("refused because of %q", s.Error)
			}
		}
		if in == 0 {
			t.Error("all are out at once")
		}
	}
}
