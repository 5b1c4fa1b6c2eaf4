package httpmw_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Somebody keeps the session cookie with his old role, and sends it beside a renewal of the session
// that has the new one. The role stays taken away, also when no list remembers the entry any more.
func TestR36AnOldCookieWithANewRenewal(t *testing.T) {
	const idle = 20 * time.Minute
	for name, target := range map[string]func(sid string) revocation.Target{
		"session":  revocation.Session,
		"everyone": func(string) revocation.Target { return revocation.Everyone() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newReplicaWith(t, keys.Generate(0), revlog.NewMemory(), revocation.Config{MaxIdle: idle}, httpmw.Config{Idle: idle})
				var r roles
				r.set("a reader")
				f.OnReload(r.load)
				ada := newBrowser()
				sid := f.login(t, ada, httpmw.Identity{Subject: "ada"})
				f.put(t, ada, cart{Note: "ada is an admin"})
				old := ada.jar[sessionName]
				time.Sleep(10 * time.Second)
				if _, err := f.list.Reload(t.Context(), target(sid), revocation.Options{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				for range 12 {
					if note, err := f.note(ada); note != "ada is a reader" || err != nil {
						t.Fatalf("%q, %v", note, err)
					}
					mixed := ada.copy()
					mixed.jar[sessionName] = old
					if note, _ := f.note(mixed); note == "ada is an admin" {
						t.Fatal("the old role is back")
					}
					time.Sleep(6 * time.Minute) // so that every click renews the session
				}
			})
		})
	}
}
