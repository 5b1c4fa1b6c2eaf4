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

// R4: how long an entry is kept follows from when it was made, never from the
// moment it reaches back to.
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
		wantVerdict(t, "while any cookie may live", verdict(t, l, q), replica.Refuse, replica.RevokedSubject)
	})
}

// R4: a list that is begun anew begins with the longest retention. What the list before
// it kept for a shorter time it kept for that all the same, and a session from then is
// judged by it: an anonymous one as well, which nobody asks about.
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

// R4: the longest idle limit of any process decides how long is remembered; a
// cookie from before it was raised keeps the retention of then.
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
				t.Errorf("%s: LongestIdle = %v, want the one that was raised to", name, got)
			}
		}
		if got := long.Replica().LongestIdle(); got != 2*time.Hour {
			t.Errorf("LongestIdle = %v where it is MaxIdle", got)
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

// R25: the mark on a key lives as long as the key may open anything, others as
// long as the list remembers.
func TestR25AKeyStaysRevokedUntilItExpires(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlog.NewMemory()
		l := openWith(t, store, revocation.Config{MaxIdle: 10 * time.Minute, Grace: time.Minute})
		forged := login(t, l, 2, "ada") // minted with the stolen key, and laundered under another
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
			wantVerdict(t, "under that key", verdict(t, l, &c), replica.Refuse, replica.RevokedKey)
			if time.Until(expires) < time.Hour {
				booted := openWith(t, store, revocation.Config{MaxIdle: 10 * time.Minute, Grace: time.Minute})
				d := *next
				wantVerdict(t, "under that key, on a replica that booted since", verdict(t, booted, &d), replica.Refuse, replica.RevokedKey)
				booted.Close()
			}
		}
	})
}

// R25: whatever copy of the ring a replica has, it learns from the list which keys
// are revoked: at once, from the log, and when it boots years later.
func TestR25AKeyIsRememberedForLongerThanASessionMayLive(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		if here.Replica().KeyRevoked("kid-one") || here.Replica().KeyRevoked("") {
			t.Error("a key is revoked before anybody revoked one")
		}
		store.silence()
		if _, err := here.Revoke(t.Context(), revocation.Key("kid-one"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Fatalf("Revoke = %v", err)
		}
		if !here.Replica().KeyRevoked("kid-one") {
			t.Error("not known here, although the store could not be told yet")
		}
		store.Recover()
		time.Sleep(within)
		for name, l := range map[string]*revocation.List{"here": here, "there": there} {
			if !l.Replica().KeyRevoked("kid-one") || l.Replica().KeyRevoked("kid-two") || l.Replica().KeyRevoked("") {
				t.Errorf("%s: not as revoked", name)
			}
			if n := testing.AllocsPerRun(100, func() { l.Replica().KeyRevoked("kid-one") }); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
		here.Close()
		there.Close()
		time.Sleep(10*365*24*time.Hour + 24*time.Hour) // the longest session of any ring, and a day
		later := open(t, store)
		revoke(t, later, revocation.Subject("ada")) // the store forgets what it may when it is written to
		last := open(t, store)
		if !later.Replica().KeyRevoked("kid-one") || !last.Replica().KeyRevoked("kid-one") {
			t.Error("forgotten while a session of that key may live")
		}
		if revocation.Disabled(revlogtest.Secrets(1)).Replica().KeyRevoked("kid-one") {
			t.Error("a disabled list knows of a key")
		}
	})
}
