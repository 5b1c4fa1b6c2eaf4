package httpmw_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Each replica tells the store which keys it holds and how it used them, and nothing of keys that
// are over.
func TestReplicasTellTheirKeys(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		now := time.Now()
		old := keys.Generate(0)
		ring, err := old.Rotate(now, keys.Rotation{After: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		waiting, sealing := ring.Keys()[0].ID(), ring.Keys()[1].ID()
		if ring, err = ring.Revoke(now, waiting); err != nil {
			t.Fatal(err)
		}
		successor := ring.Keys()[0].ID()
		store := revlog.NewMemory()
		a, b := newReplica(t, ring, store, httpmw.Config{}), newReplica(t, ring, store, httpmw.Config{})
		browser := newBrowser()
		a.login(t, browser, httpmw.Identity{Subject: "ada"})
		a.in(browser, func(http.ResponseWriter, *http.Request, *httpmw.Session[cart]) {})
		time.Sleep(6 * time.Second)
		opened := time.Now().Truncate(time.Second)
		if subject, err := b.look(browser); subject != "ada" || err != nil {
			t.Fatalf("%q, %v", subject, err)
		}
		time.Sleep(6 * time.Second)
		all, err := a.list.Replicas(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("%d replicas, %v", len(all), err)
		}
		seals := uint64(0)
		for _, r := range all {
			if len(r.Keys) != 3 {
				t.Fatalf("a replica tells %+v", r.Keys)
			}
			for _, k := range r.Keys {
				if k.Revoked != (k.ID == waiting) {
					t.Errorf("%s: revoked: %v", k.ID, k.Revoked)
				}
				if k.ID == successor && (k.Seals != 0 || !k.Sealed.IsZero() || !k.Opened.IsZero()) {
					t.Errorf("a key that was not used: %+v", k)
				}
				if k.ID == sealing {
					seals += k.Seals
					if (k.Seals > 0) != !k.Sealed.IsZero() || !k.Opened.Equal(opened) && !k.Opened.Equal(now.Truncate(time.Second)) {
						t.Errorf("the key in use: %+v", k)
					}
				}
			}
		}
		if seals != 1 {
			t.Errorf("%d seals, want that of the login", seals)
		}
	})
}

// An expired key is not told.
func TestExpiredKeysAreNotTold(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, err := keys.Generate(time.Hour).Rotate(time.Now(), keys.Rotation{After: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(26 * time.Hour)
		f := newReplica(t, ring, revlog.NewMemory(), httpmw.Config{Absolute: time.Hour, Idle: time.Hour})
		time.Sleep(6 * time.Second)
		all, err := f.list.Replicas(t.Context())
		if err != nil || len(all) != 1 || len(all[0].Keys) != 1 || all[0].Keys[0].ID != ring.Keys()[0].ID() {
			t.Errorf("%+v, %v", all, err)
		}
	})
}
