package revocation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func entries(t *testing.T, s revlog.Store) ([]revlog.Entry, revlog.Head) {
	t.Helper()
	h, err := s.Create(t.Context(), revlog.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Read(t.Context(), revlog.Cursor{List: h.ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return p.Entries, p.Head
}

// R4: an entry is kept for a time that counts from when it was made, never from its watermark.
func TestR4AnEntryIsKeptFromWhenItWasMade(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		l := open(t, store)
		time.Sleep(10 * time.Minute)
		q := login(t, l, 1, "ada")
		began := time.Now()
		time.Sleep(time.Hour)
		if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{Before: began}); err != nil {
			t.Fatal(err)
		}
		e, h := entries(t, store)
		if want := e[0].Position.MS + h.Retain().Milliseconds(); e[0].Until != want {
			t.Errorf("until %d, want %d", e[0].Until, want)
		}
		time.Sleep(h.Retain() - time.Hour - time.Minute)
		wantVerdict(t, "while a cookie may still live", verdict(t, l, q), replica.Refuse, replica.RevokedSubject)
	})
}

// R4: a new list starts with the longest retention. A session from the time of the lost list is
// still judged by the retention of that list, even an anonymous one, about which no replica asks.
func TestR4ALostListKeptWhatItKept(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		short := openWith(t, store, revocation.Config{MaxIdle: 20 * time.Minute, Grace: time.Minute})
		start := short.Replica().Anonymous()
		q := replica.Query{Epoch: start.Epoch, Checked: start.Checked, Term: start.Term}
		time.Sleep(time.Second)
		revoke(t, short, revocation.Everyone())
		long := openWith(t, store, revocation.Config{MaxIdle: 6 * time.Hour, Grace: time.Minute})
		for _, lost := range []bool{false, true} {
			time.Sleep(time.Hour)
			if lost {
				store.flush()
				time.Sleep(time.Second)
			}
			for name, l := range map[string]*revocation.List{"short": short, "long": long} {
				if d := verdict(t, l, new(q)); d.Outcome != replica.Refuse {
					t.Errorf("%s, lost %v: %v", name, lost, d.Outcome)
				}
			}
		}
	})
}

// R4: the longest idle limit of any process decides the retention. A cookie from before it was
// raised is judged by the retention of that time.
func TestR4ALongerIdleLimitRaisesTheRetention(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		short := openWith(t, store, revocation.Config{MaxIdle: 20 * time.Minute, Grace: time.Minute})
		early := login(t, short, 1, "ada")
		time.Sleep(time.Minute)
		long := openWith(t, store, revocation.Config{MaxIdle: 2 * time.Hour, Grace: time.Minute})
		_, h := entries(t, store)
		if got, want := h.Retain(), 2*time.Hour+time.Minute+within; got != want {
			t.Fatalf("Retain = %v, want %v", got, want)
		}
		again := openWith(t, store, revocation.Config{MaxIdle: 20 * time.Minute})
		if _, h := entries(t, store); h.Retain() < 2*time.Hour {
			t.Errorf("Retain = %v: a shorter idle limit lowered it", h.Retain())
		}
		time.Sleep(time.Second)
		for name, l := range map[string]*revocation.List{"short": short, "long": long, "again": again} {
			if got := l.Replica().LongestIdle(); got < 2*time.Hour || got > 2*time.Hour+time.Minute+within {
				t.Errorf("%s: LongestIdle = %v, want the raised one", name, got)
			}
		}
		if got := long.Replica().LongestIdle(); got != 2*time.Hour {
			t.Errorf("LongestIdle = %v, want MaxIdle", got)
		}
		late := login(t, long, 2, "ada")
		time.Sleep(30 * time.Minute)
		for name, l := range map[string]*revocation.List{"short": short, "long": long, "again": again} {
			c, d := *early, *late
			wantVerdict(t, name+", from before the raise", verdict(t, l, &c), replica.Refuse, replica.Stale)
			wantVerdict(t, name+", from after the raise", verdict(t, l, &d), replica.Accept, replica.None)
		}
	})
}

// R25: the entry about a key is kept as long as the key may open anything. Other entries are kept
// for the retention.
func TestR25AKeyStaysRevokedUntilItExpires(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		l := openWith(t, store, revocation.Config{MaxIdle: 10 * time.Minute, Grace: time.Minute})
		forged := login(t, l, 2, "ada") // forged with the stolen key, and sealed again under another one
		forged.Keys = [2]string{"kid-two"}
		expires := time.Now().Add(2 * time.Hour)
		if _, err := l.Revoke(t.Context(), revocation.Key("kid-one"), revocation.Options{Until: expires}); err != nil {
			t.Fatal(err)
		}
		revoke(t, l, revocation.Everyone())
		time.Sleep(within)
		wantVerdict(t, "laundered", verdict(t, l, forged), replica.Refuse, replica.RevokedEveryone)
		for time.Now().Add(10 * time.Minute).Before(expires) {
			time.Sleep(10 * time.Minute)
			next := login(t, l, 3, "ada")
			wantVerdict(t, "another key", verdict(t, l, token(l, 3, replica.Start{Epoch: next.Epoch, Checked: next.Checked, Term: next.Term}, "ada")), replica.Accept, replica.None)
			c := *next
			c.Keys = [2]string{"kid-two", "kid-one"}
			wantVerdict(t, "sealed with the revoked key", verdict(t, l, &c), replica.Refuse, replica.RevokedKey)
			if time.Until(expires) < time.Hour {
				booted := openWith(t, store, revocation.Config{MaxIdle: 10 * time.Minute, Grace: time.Minute})
				d := *next
				wantVerdict(t, "sealed with the revoked key, at a replica that booted since", verdict(t, booted, &d), replica.Refuse, replica.RevokedKey)
				booted.Close()
			}
		}
	})
}

// R25: a replica learns from the list which keys are revoked, whatever copy of the ring it has: at
// once, from the log, and when it boots years later.
func TestR25AKeyIsRememberedForLongerThanASessionMayLive(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		if here.Replica().KeyRevoked("kid-one") || here.Replica().KeyRevoked("") {
			t.Error("a key is revoked before the first revocation")
		}
		store.silence()
		if _, err := here.Revoke(t.Context(), revocation.Key("kid-one"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatalf("Revoke = %v", err)
		}
		if !here.Replica().KeyRevoked("kid-one") {
			t.Error("this replica does not know a revocation that waits for the store")
		}
		store.Recover()
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "there": there} {
			if !l.Replica().KeyRevoked("kid-one") || l.Replica().KeyRevoked("kid-two") || l.Replica().KeyRevoked("") {
				t.Errorf("%s: the key is not revoked", name)
			}
			if n := testing.AllocsPerRun(100, func() { l.Replica().KeyRevoked("kid-one") }); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
		here.Close()
		there.Close()
		time.Sleep(10*365*24*time.Hour + 24*time.Hour) // the longest possible session, and a day
		later := open(t, store)
		revoke(t, later, revocation.Subject("ada")) // a write makes the store forget old entries
		last := open(t, store)
		if !later.Replica().KeyRevoked("kid-one") || !last.Replica().KeyRevoked("kid-one") {
			t.Error("forgotten while a session of the key may live")
		}
		if revocation.Disabled(revlogtest.Secrets(1)).Replica().KeyRevoked("kid-one") {
			t.Error("a disabled list says that a key is revoked")
		}
	})
}
