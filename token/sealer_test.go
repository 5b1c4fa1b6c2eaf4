package token_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

func TestRevokedKey(t *testing.T) {
	ring := testRing(t, testJWK("a", ""))
	src := swapping(ring)
	s := token.New(src)
	session, renewal := sealed(t, s, fullSession(), testTime), sealedRenewal(t, s, fullRenewal(), testTime)
	revoked, err := ring.Revoke(testTime, testKID("a"))
	if err != nil {
		t.Fatal(err)
	}
	src.ring.Store(revoked)
	if _, err := opened(s, session); !errors.Is(err, token.ErrRevokedKey) {
		t.Errorf("session: %v", err)
	}
	if _, err := openedRenewal(s, renewal); !errors.Is(err, token.ErrRevokedKey) {
		t.Errorf("renewal token: %v", err)
	}
	elsewhere := mint(t, " "+testHeader("a", "session+jwt"), leastClaims)
	if _, err := opened(s, elsewhere); !errors.Is(err, token.ErrRevokedKey) {
		t.Errorf("token from elsewhere: %v", err)
	}
	// The ring has a new key, and tokens sealed with it open.
	got, err := opened(s, sealed(t, s, fullSession(), testTime))
	if err != nil || got.KeyID == testKID("a") {
		t.Errorf("sealed after the revocation: key %s, %v", got.KeyID, err)
	}
}

// The sealer and the ring must agree about when a key is valid.
func TestKeysByTime(t *testing.T) {
	until := testTime.Add(time.Hour)
	ring := testRing(t, testJWK("a", fmt.Sprintf(`,"exp":%d`, until.Unix())))
	key, _ := ring.Key(testKID("a"))
	s := token.New(keys.Static(ring))
	compact := sealed(t, s, fullSession(), testTime)
	for _, now := range []time.Time{
		testTime.AddDate(-1, 0, 0), // not begun yet on this clock
		testTime,
		until.Add(-time.Second),
		until.Add(-time.Nanosecond),
		until,
		until.Add(time.Nanosecond),
		until.AddDate(1, 0, 0),
	} {
		var c token.Session
		want := error(nil)
		if ring.State(key, now) == keys.Expired {
			want = token.ErrUnknownKey
		}
		if err := s.OpenSession(nil, compact, &c, now); !errors.Is(err, want) {
			t.Errorf("%v from the end of the key: %v, want %v", now.Sub(until), err, want)
		}
		if _, err := s.SealSession(nil, fullSession(), now); (err == nil) != (ring.State(key, now) == keys.Sealing) {
			t.Errorf("%v from the end of the key: sealing %v", now.Sub(until), err)
		}
	}
	if _, err := s.SealRenewal(nil, fullRenewal(), until); !errors.Is(err, token.ErrNoKey) {
		t.Errorf("sealing with an expired key: %v", err)
	}
}

func TestRotationChangesTheKey(t *testing.T) {
	ring := testRing(t, testJWK("a", ""))
	src := swapping(ring)
	s := token.New(src)
	old := sealed(t, s, fullSession(), testTime)
	rotated, err := ring.Rotate(testTime, keys.Rotation{Immediate: true})
	if err != nil {
		t.Fatal(err)
	}
	src.ring.Store(rotated)
	later := testTime.Add(time.Minute)
	var c token.Session
	if err := s.OpenSession(nil, sealed(t, s, fullSession(), later), &c, later); err != nil || c.KeyID == testKID("a") {
		t.Errorf("sealed after the rotation: key %s, %v", c.KeyID, err)
	}
	if err := s.OpenSession(nil, old, &c, later); err != nil || c.KeyID != testKID("a") {
		t.Errorf("sealed before the rotation: key %s, %v", c.KeyID, err)
	}
}

// A meteredSource is a source whose keys may seal only a few times.
type meteredSource struct {
	*swapSource
	meter *keys.Meter
}

func (s meteredSource) Meter() *keys.Meter { return s.meter }

func metered(r *keys.Ring, l meter.Limits) meteredSource {
	return meteredSource{swapping(r), keys.MeterOf(meter.New(l))}
}

func TestSpentKey(t *testing.T) {
	ring := testRing(t, testJWK("a", ""))
	src := metered(ring, meter.Limits{Renewals: 5, All: 5})
	s := token.New(src)
	// The first seals, of each kind: all count for the one key.
	compact := sealed(t, s, fullSession(), testTime)
	sealedRenewal(t, s, fullRenewal(), testTime)
	sealedBearer(t, s, fullSession(), testTime)
	sealed(t, token.New(src), fullSession(), testTime) // the meter is that of the source
	sealed(t, s, fullSession(), testTime)
	spent := func(when string) {
		t.Helper()
		if got, err := s.SealSession([]byte("before"), fullSession(), testTime); !errors.Is(err, keys.ErrSpent) || string(got) != "before" {
			t.Errorf("%s: session: %q, %v", when, got, err)
		}
		if got, err := s.SealRenewal([]byte("before"), fullRenewal(), testTime); !errors.Is(err, keys.ErrSpent) || string(got) != "before" {
			t.Errorf("%s: renewal token: %q, %v", when, got, err)
		}
		if got, err := s.SealBearer([]byte("before"), fullSession(), testTime); !errors.Is(err, keys.ErrSpent) || string(got) != "before" {
			t.Errorf("%s: bearer token: %q, %v", when, got, err)
		}
	}
	spent("after the last")
	if _, err := opened(s, compact); err != nil {
		t.Errorf("a spent key no longer opens: %v", err)
	}
	if n := s.Seals(testKID("a")); n != 4 {
		t.Errorf("this Sealer sealed %d times, want 4", n)
	}

	// A ring that is read again, or that comes back after another one, has the same keys, so their
	// counts continue.
	src.ring.Store(testRing(t, testJWK("a", "")))
	spent("after a reload")
	src.ring.Store(testRing(t, testJWK("b", "")))
	sealed(t, s, fullSession(), testTime)
	src.ring.Store(ring)
	spent("after the key was away")

	rotated, err := ring.Rotate(testTime, keys.Rotation{Immediate: true})
	if err != nil {
		t.Fatal(err)
	}
	src.ring.Store(rotated)
	sealed(t, s, fullSession(), testTime.Add(time.Minute))
}

// Renewals stop first, and leave the rest to sessions that would be lost.
func TestRenewalsStopFirst(t *testing.T) {
	s := token.New(metered(testRing(t, testJWK("a", "")), meter.Limits{Renewals: 2, All: 4}))
	sealedRenewal(t, s, fullRenewal(), testTime)
	sealed(t, s, fullSession(), testTime)
	for range 10 { // refused ones do not count
		if _, err := s.SealRenewal(nil, fullRenewal(), testTime); !errors.Is(err, keys.ErrSpent) || !strings.Contains(err.Error(), "renewals have stopped") {
			t.Fatalf("a renewal: %v", err)
		}
	}
	sealed(t, s, fullSession(), testTime)
	sealed(t, s, fullSession(), testTime)
	if _, err := s.SealSession(nil, fullSession(), testTime); err != keys.ErrSpent {
		t.Errorf("beyond the last: %v", err)
	}
}

// A key's use is noted when a token opens, whatever came before.
func TestUseIsNoted(t *testing.T) {
	src := metered(testRing(t, testJWK("a", "")), meter.Limits{})
	s := token.New(src)
	compact := sealed(t, s, fullSession(), testTime)
	kid := testKID("a")
	if u := src.meter.Use(kid); u.Seals != 1 || !u.Sealed.Equal(testTime.Truncate(time.Second)) || !u.Opened.IsZero() || u.Fleet {
		t.Errorf("after a seal: %+v", u)
	}
	if _, err := opened(s, changed(compact)); err == nil {
		t.Fatal("a changed token opened")
	}
	if u := src.meter.Use(kid); !u.Opened.IsZero() {
		t.Errorf("after a token that did not open: %+v", u)
	}
	var c token.Session
	for _, after := range []time.Duration{time.Hour, time.Minute} {
		if err := s.OpenSession(nil, compact, &c, testTime.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if u := src.meter.Use(kid); !u.Opened.Equal(testTime.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("after two that did: %+v", u)
	}
}

// A token that is refused for its size does not count as a seal.
func TestTooLargeIsNotCounted(t *testing.T) {
	s := token.New(metered(testRing(t, testJWK("a", "")), meter.Limits{All: 1}))
	c := fullSession()
	c.Data = make([]byte, 3500)
	if _, err := s.SealSession(nil, c, testTime); !errors.Is(err, token.ErrTooLarge) {
		t.Fatal(err)
	}
	sealed(t, s, fullSession(), testTime)
}

// Many goroutines seal and open while rings change, and each opens what another sealed.
func TestConcurrentUse(t *testing.T) {
	both := []*keys.Ring{
		testRing(t, testJWK("a", ""), testJWK("b", "")),
		testRing(t, testJWK("b", ""), testJWK("a", ""), testJWK("c", "")),
	}
	src := swapping(both[0])
	s := token.New(src)
	const workers, rounds = 4, 300
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			buf := make([]byte, token.MaxLength)
			dst := make([]byte, 0, token.MaxLength)
			for i := range rounds {
				src.ring.Store(both[i%2])
				c := fullSession()
				c.IssuedAt = int64(i)
				compact, err := s.SealSession(dst, c, testTime)
				if err != nil {
					t.Error(err)
					return
				}
				var got token.Session
				if err := s.OpenSession(buf, string(compact), &got, testTime); err != nil && !errors.Is(err, token.ErrUnknownKey) {
					t.Error(err)
					return
				} else if err == nil && got.IssuedAt != int64(i) {
					t.Errorf("sealed %d, opened %d", i, got.IssuedAt)
					return
				}
			}
		})
	}
	wg.Wait()
}
