package httpmw_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// renewal opens the renewal that a browser holds.
func (f *fixture) renewal(t *testing.T, b *browser) (s token.Renewal) {
	t.Helper()
	if err := token.New(keys.Static(f.ring)).OpenRenewal(make([]byte, 1024), b.jar[renewalName], &s, time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

// R24: the store is down for longer than the idle limit, and nobody who goes on working is logged out by that. Their
// cookies are checked up to where they were.
func TestR24AnOutageLongerThanTheIdleLimit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: 10 * time.Minute})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(2 * time.Minute)
		f.look(b)
		before := f.renewal(t, b)
		f.store.Fail()
		for range 29 {
			time.Sleep(time.Minute)
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Fatalf("%q, %v", subject, err)
			}
		}
		during := f.renewal(t, b)
		if moved := during.Expires - before.Expires; moved < 28*60 || during.Checked != before.Checked || during.Term != before.Term {
			t.Errorf("the limit moved by %d s; checked up to %d in %d, and before up to %d in %d", moved, during.Checked, during.Term, before.Checked, before.Term)
		}
		f.store.Recover()
		time.Sleep(within)
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		if after := f.renewal(t, b); after.Checked <= during.Checked {
			t.Error("not checked anew when the store was back")
		}
	})
}

// R24: Ann's session is revoked elsewhere while one replica is cut off, which moves its idle limit for as long as it
// accepts it at all. Nobody else accepts it then, nor afterwards, when the list has forgotten the revocation.
func TestR24ALimitThatMovedDoesNotOutliveARevocation(t *testing.T) {
	for name, target := range map[string]func(sid string) revocation.Target{
		"session":  revocation.Session,
		"everyone": func(string) revocation.Target { return revocation.Everyone() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ring, store := keys.Generate(0), revlog.NewMemory()
				l, c := revocation.Config{MaxIdle: 20 * time.Minute}, httpmw.Config{Idle: 20 * time.Minute} // as long as the list allows
				here, there := newReplicaWith(t, ring, store, l, c), newReplicaWith(t, ring, store, l, c)
				b, basket := newBrowser(), newBrowser()
				sid := here.login(t, b, httpmw.Identity{Subject: "ann"})
				here.in(basket, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { s.Set(cart{Note: "x"}) })
				time.Sleep(within)
				here.store.Fail()
				if _, err := there.list.Revoke(t.Context(), target(sid), revocation.Options{}); err != nil {
					t.Fatal(err)
				}
				accepted := 0
				for i := range 120 { // the idle limit, the grace, and the hour that a store may take to forget
					time.Sleep(time.Minute)
					if subject, _ := there.look(b.copy()); subject != "" {
						t.Fatalf("accepted %d minutes after it was revoked", i)
					}
					if _, note, _ := there.shows(basket.copy()); note != "" && name == "everyone" {
						t.Fatalf("an anonymous session came back after %d minutes", i)
					}
					if subject, _ := here.look(b); subject != "" {
						accepted++
					}
					here.look(basket)
					if _, err := there.list.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{}); err != nil { // which has the store forget
						t.Fatal(err)
					}
				}
				if accepted < 28 {
					t.Errorf("accepted for %d minutes where nobody could know", accepted)
				}
			})
		})
	}
}
