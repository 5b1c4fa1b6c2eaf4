package httpmw_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A session that had to be asked about is renewed at once, so that no other request and no other replica asks again.
func TestR19AskedAboutIsRenewedAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(5 * time.Second)
		bob := revocation.Subject("bob")
		if _, err := f.list.RevokeMany(t.Context(), slices.Values([]revocation.Target{bob}), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(within)
		res := f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Subject() != "ann" {
				t.Errorf("got %v", s.Err())
			}
		})
		if diff := cmp.Diff([]string{renewalName}, setNames(res)); diff != "" {
			t.Errorf("not renewed: %s", diff)
		}
		for range 3 {
			if subject, err := other.look(b); subject != "ann" || err != nil {
				t.Errorf("%q, %v", subject, err)
			}
		}
		if here, there := f.store.Confirms(), other.store.Confirms(); here != 2 || there != 0 { // one is the login's
			t.Errorf("asked %d times here, and %d times elsewhere", here, there)
		}
	})
}

// A renewal that was sealed just before everybody has to be asked about serves no request after that.
func TestR19ARenewalFromBeforeALossIsNotShared(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(10 * time.Minute)
		late := b.copy() // of a page that is loaded in two halves
		f.look(b)
		if _, err := f.list.RevokeMany(t.Context(), slices.Values([]revocation.Target{revocation.Subject("bob")}), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(within)
		f.look(late)
		asked := f.store.Confirms()
		other := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		if subject, err := other.look(late); subject != "ann" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		if n := other.store.Confirms(); n != 0 || asked != 2 || f.Stats().Shared != 0 {
			t.Errorf("asked %d times, then %d times more; %d shared", asked, n, f.Stats().Shared)
		}
	})
}

// The store is emptied, and one replica of four boots, which knows nothing. Behind a balancer people click every three
// seconds. The three others know everybody, so nobody is logged out, and hardly anybody is told to wait.
func TestALossAndABootLogNobodyOut(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, store := keys.Generate(0), revlogtest.NewFaulty(revlog.NewMemory())
		var replicas []*fixture
		for range 3 {
			replicas = append(replicas, newReplica(t, ring, store, httpmw.Config{}))
		}
		r := rand.New(rand.NewPCG(1, 1))
		var people []*browser
		for range 60 {
			b := newBrowser()
			replicas[r.IntN(3)].login(t, b, httpmw.Identity{Subject: "ann"})
			people = append(people, b)
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		store.Replace(revlog.NewMemory())
		replicas = append(replicas, newReplica(t, ring, store, httpmw.Config{}))
		clicks, waits := 0, 0
		for range 30 {
			for _, b := range people {
				time.Sleep(50 * time.Millisecond)
				clicks++
				switch _, err := replicas[r.IntN(4)].look(b); {
				case errors.Is(err, httpmw.ErrUndecided):
					waits++
				case err != nil:
					t.Fatalf("logged out: %v", err)
				}
			}
		}
		if waits*20 > clicks {
			t.Errorf("%d of %d clicks were told to wait", waits, clicks)
		}
	})
}
