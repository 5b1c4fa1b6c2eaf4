package e2e

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

const (
	replicas  = 5
	rotations = 20
	// waits is how long a new key waits before it seals, ten minutes in production. It is many
	// times what a replica takes to read the ring, so that no replica is late.
	waits = 4 * time.Second
)

// A fleet serves while its keys rotate twenty times, expired keys are pruned twice, and the key
// that encrypts the ring changes. No session is lost, and no request fails. Then a key is revoked:
// after S, no replica accepts what it sealed, and every replica accepts what other keys sealed.
func TestKeysOfAFleet(t *testing.T) {
	k := newKeeper(t)
	f := newFleet(t, replicas, k.settings("old"))
	quiet := make([]*browser, 20) // they come back after all rotations
	for i := range quiet {
		quiet[i] = &browser{}
		if err := quiet[i].login(f, "?remember=1&user=quiet"); err != nil {
			t.Fatal(err)
		}
	}
	l := newLoad(t, f)
	for i := range rotations {
		var kid string
		if i < 5 {
			kid = k.rotate("--wait")
		} else {
			kid = k.rotate() // the replicas that are replaced would have to be waited for
		}
		switch i {
		case 0, 15:
			k.prune()
		case 5:
			f.deploy(k.settings("old", "new"))
		case 8:
			k.rewrap("new")
		case 10:
			f.deploy(k.settings("new"))
		}
		k.await(kid)
		redistest.Await(t, "sessions are sealed with the new key", func() bool { return l.used(kid) > 0 })
		k.check()
	}
	redistest.Await(t, "many sessions are sealed with the last key", func() bool { return l.used(k.ring.Ring().Keys()[0].ID()) > 200 })
	all := l.stop()
	for _, b := range quiet {
		if err := b.use(f, "GET", "/me"); err != nil {
			t.Errorf("a session from before all rotations: %v", err)
		}
		all = append(all, b.cookies)
	}
	if n := len(k.open(k.kek).Ring().Keys()); n != rotations+1 {
		t.Errorf("the ring has %d keys, want %d", n, rotations+1)
	}
	if !t.Failed() {
		revoke(t, f, k, all)
	}
}

// revoke revokes the key that seals, by the command, and checks who is accepted from then on.
func revoke(t *testing.T, f *fleet, k *keeper, all []cookies) {
	sealing, _ := k.ring.Ring().Sealing(time.Now())
	var leaked, others []cookies
	for _, c := range all {
		if c.kid() == sealing.ID() {
			leaked = append(leaked, c)
		} else {
			others = append(others, c)
		}
	}
	if len(leaked) < 5 || len(others) < 5 {
		t.Fatalf("%d sessions are sealed with the key and %d with others: too few of one", len(leaked), len(others))
	}
	k.wafer("revoke", sealing.ID(), "--key-only", "--yes")
	<-time.After(within)
	accepted, refused := 0, 0
	for range 3 {
		for _, p := range f.all {
			for _, c := range leaked {
				switch status, body, err := f.sendTo(p, "GET", "/me", maps.Clone(c)); {
				case err != nil || status == http.StatusServiceUnavailable:
					t.Errorf("process %d: %d: %s, %v", p.n, status, body.Error, err)
				case status == http.StatusUnauthorized:
					refused++
				default:
					accepted++
				}
			}
		}
	}
	t.Logf("of %d requests with what the revoked key sealed, %d were accepted", refused+accepted, accepted)
	if accepted > 0 {
		t.Errorf("%d accepted after S", accepted)
	}
	for _, p := range f.all {
		for _, c := range others {
			if status, body, err := f.sendTo(p, "POST", "/write", c); status != http.StatusOK {
				t.Errorf("process %d refuses a session of another key: %d: %s, %v", p.n, status, body.Error, err)
			}
		}
	}
}
