package keys_test

import (
	"encoding/hex"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

// states returns the state of every key, newest first.
func states(r *keys.Ring, now time.Time) []keys.State {
	var all []keys.State
	for _, k := range r.Keys() {
		all = append(all, r.State(k, now))
	}
	return all
}

func wantStates(t *testing.T, r *keys.Ring, now time.Time, want ...keys.State) {
	t.Helper()
	if d := cmp.Diff(want, states(r, now)); d != "" {
		t.Errorf("states, newest first (-want +got):\n%s", d)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func sealing(t *testing.T, r *keys.Ring, now time.Time) keys.Key {
	t.Helper()
	k, ok := r.Sealing(now)
	if !ok {
		t.Fatalf("nothing seals at %v", now)
	}
	return k
}

func TestGenerate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r, other := keys.Generate(0), keys.Generate(90*time.Minute+time.Millisecond)
		now := time.Now()
		wantStates(t, r, now, keys.Sealing)
		k := sealing(t, r, now)
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{11}$`).MatchString(k.ID()) {
			t.Errorf("kid %q is not 11 base64url characters", k.ID())
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`).MatchString(r.ID()) {
			t.Errorf("ring id %q is not 22 base64url characters", r.ID())
		}
		if !k.NotBefore().Equal(now) || !k.IssuedAt().Equal(now) || !k.Expires().IsZero() || !r.IssuedAt().Equal(now) {
			t.Errorf("nbf %v, iat %v, exp %v, ring %v at %v", k.NotBefore(), k.IssuedAt(), k.Expires(), r.IssuedAt(), now)
		}
		if at, is := k.Revoked(); is || !at.IsZero() {
			t.Errorf("revoked %v", at)
		}
		if r.MaxSession() != 24*time.Hour {
			t.Errorf("zero max session is %v", r.MaxSession())
		}
		if want := 90*time.Minute + time.Second; other.MaxSession() != want {
			t.Errorf("max session is %v, want %v: rounded up", other.MaxSession(), want)
		}
		if otherKey := sealing(t, other, now); r.ID() == other.ID() || k.ID() == otherKey.ID() || r.ListSecret("") == other.ListSecret("") {
			t.Error("two rings share something")
		}
	})
}

func TestGenerateRefusesNonsense(t *testing.T) {
	for _, d := range []time.Duration{-1, keys.LongestSession + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Generate(%v) did not panic", d)
				}
			}()
			keys.Generate(d)
		}()
	}
}

// A kid is typed on command lines, where an argument that begins with "-" is a flag.
func TestKidsAreNoFlags(t *testing.T) {
	for range 2000 { // one in 64 would be
		if kid := keys.Generate(0).Keys()[0].ID(); kid[0] == '-' {
			t.Fatalf("kid %q", kid)
		}
	}
}

func TestKeySealsAndOpens(t *testing.T) {
	r := keys.Generate(0)
	k := sealing(t, r, time.Now())
	sealed := k.AEAD().Seal(nil, nil, []byte("hello"), []byte("aad"))
	same, ok := r.Key(k.ID())
	if !ok || same != k {
		t.Fatalf("Key(%s) = %v, %v", k.ID(), same, ok)
	}
	if k.AEAD() != same.AEAD() {
		t.Error("AEAD is another one at the second call")
	}
	got, err := same.AEAD().Open(nil, nil, sealed, []byte("aad"))
	if err != nil || string(got) != "hello" {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, ok := r.Key("AAAAAAAAAAA"); ok {
		t.Error("a key that is not there was found")
	}
}

func TestRotateWaitsThenSeals(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		old := keys.Generate(2 * time.Hour)
		now := time.Now()
		first := sealing(t, old, now)
		r := must(old.Rotate(now, keys.Rotation{}))

		wantStates(t, old, now, keys.Sealing) // a ring never changes
		wantStates(t, r, now, keys.Pending, keys.Sealing)
		at := now.Add(10 * time.Minute)
		if k := sealing(t, r, at.Add(-time.Second)); k.ID() != first.ID() {
			t.Error("another key seals before its time")
		}
		wantStates(t, r, at, keys.Sealing, keys.Opening)

		second := sealing(t, r, at)
		if !second.NotBefore().Equal(at) || !second.Expires().IsZero() {
			t.Errorf("new key: nbf %v, exp %v", second.NotBefore(), second.Expires())
		}
		first, _ = r.Key(first.ID())
		if want := at.Add(2*time.Hour + 24*time.Hour); !first.Expires().Equal(want) {
			t.Errorf("old key: exp %v, want %v", first.Expires(), want)
		}
		wantStates(t, r, first.Expires().Add(-time.Second), keys.Sealing, keys.Opening)
		wantStates(t, r, first.Expires(), keys.Sealing, keys.Expired)
	})
}

func TestRotateAfter(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		now := time.Now()
		r := must(keys.Generate(0).Rotate(now, keys.Rotation{After: time.Hour}))
		if got := r.Keys()[0].NotBefore(); !got.Equal(now.Add(time.Hour)) {
			t.Errorf("seals from %v", got)
		}
		for _, how := range []keys.Rotation{{After: -1}, {After: time.Millisecond}, {After: 1000 * 24 * time.Hour}, {After: time.Hour, Immediate: true}} {
			if _, err := keys.Generate(0).Rotate(now, how); err == nil {
				t.Errorf("%+v was taken", how)
			}
		}
	})
}

func TestRotateImmediate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := keys.Generate(0)
		// Of many keys in one second, the last one seals, whatever its kid.
		for range 20 {
			now := time.Now()
			was := sealing(t, r, now)
			r = must(r.Rotate(now, keys.Rotation{Immediate: true}))
			is := sealing(t, r, now)
			if is.ID() == was.ID() || is != r.Keys()[0] {
				t.Fatal("the new key does not seal")
			}
			if was, _ = r.Key(was.ID()); r.State(was, now) != keys.Opening {
				t.Fatalf("the old key is %v", r.State(was, now))
			}
			r = must(keys.Parse(r.PlaintextJWKSet()))
		}
	})
}

func TestRotateWhileOneWaits(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		now := time.Now()
		r := must(keys.Generate(0).Rotate(now, keys.Rotation{}))
		if _, err := r.Rotate(now.Add(time.Minute), keys.Rotation{}); !errors.Is(err, keys.ErrPending) {
			t.Errorf("second rotation: %v, want ErrPending", err)
		}
		waiting := r.Keys()[0]
		now = now.Add(2 * time.Minute)
		r = must(r.Rotate(now, keys.Rotation{Immediate: true}))
		wantStates(t, r, now, keys.Pending, keys.Sealing, keys.Opening)
		if r.Keys()[0].ID() != waiting.ID() {
			t.Error("the key that waited is not the newest any more")
		}
		at := waiting.NotBefore()
		wantStates(t, r, at, keys.Sealing, keys.Opening, keys.Opening)
		if got, want := r.Keys()[1].Expires(), at.Add(48*time.Hour); !got.Equal(want) {
			t.Errorf("the immediate key ends at %v, want %v", got, want)
		}
		if _, err := r.Rotate(at, keys.Rotation{}); err != nil {
			t.Errorf("rotating once it seals: %v", err)
		}
	})
}

func TestRevoke(t *testing.T) {
	r := keys.Generate(0)
	now := time.Now().Truncate(time.Second)
	r = must(r.Rotate(now, keys.Rotation{}))
	now = now.Add(time.Hour)
	r = must(r.Rotate(now, keys.Rotation{}))
	wantStates(t, r, now, keys.Pending, keys.Sealing, keys.Opening)

	t.Run("opening", func(t *testing.T) {
		kid := r.Keys()[2].ID()
		got := must(r.Revoke(now, kid))
		wantStates(t, got, now, keys.Pending, keys.Sealing, keys.Revoked)
		k, _ := got.Key(kid)
		if at, is := k.Revoked(); !is || !at.Equal(now) {
			t.Errorf("revoked %v, %v", at, is)
		}
		again := must(got.Revoke(now.Add(time.Hour), kid))
		if again != got {
			t.Error("revoking again made another ring")
		}
		wantStates(t, r, now, keys.Pending, keys.Sealing, keys.Opening)
	})
	t.Run("sealing", func(t *testing.T) {
		got := must(r.Revoke(now, r.Keys()[1].ID()))
		wantStates(t, got, now, keys.Pending, keys.Sealing, keys.Revoked, keys.Opening)
		if got.Keys()[2].Expires().IsZero() {
			t.Error("the revoked key has no end")
		}
		wantStates(t, got, now.Add(10*time.Minute), keys.Sealing, keys.Opening, keys.Revoked, keys.Opening)
	})
	t.Run("the only one", func(t *testing.T) {
		one := keys.Generate(0)
		got := must(one.Revoke(now, one.Keys()[0].ID()))
		wantStates(t, got, now, keys.Sealing, keys.Revoked)
		wantStates(t, got, now.Add(1000*24*time.Hour), keys.Sealing, keys.Revoked)
	})
	t.Run("pending", func(t *testing.T) {
		got := must(r.Revoke(now, r.Keys()[0].ID()))
		wantStates(t, got, now, keys.Pending, keys.Revoked, keys.Sealing, keys.Opening)
		// The key that seals now must not end before another one takes over.
		wantStates(t, got, now.Add(10*time.Minute), keys.Sealing, keys.Revoked, keys.Opening, keys.Opening)
		sealing(t, got, now.Add(1000*24*time.Hour))
	})
	t.Run("pending, soon", func(t *testing.T) {
		late := now.Add(9 * time.Minute)
		got := must(r.Revoke(late, r.Keys()[0].ID()))
		if nbf := got.Keys()[0].NotBefore(); !nbf.Equal(late.Add(10 * time.Minute)) {
			t.Errorf("the one that waits in its place seals at %v", nbf)
		}
		sealing(t, got, late.Add(5*time.Minute))
	})
	t.Run("unknown", func(t *testing.T) {
		if _, err := r.Revoke(now, "AAAAAAAAAAA"); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%v, want ErrUnknownKey", err)
		}
	})
}

func TestPrune(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := keys.Generate(time.Hour)
		now := time.Now()
		if r.Prune(now.Add(10000*time.Hour)) != r {
			t.Error("pruning a ring of one key made another ring")
		}
		r = must(r.Revoke(now, r.Keys()[0].ID()))
		list := r.ListSecret("tags")
		revoked := r.Keys()[1]
		if r.Prune(revoked.Expires().Add(-time.Second)) != r {
			t.Error("a revoked key went before its end")
		}
		pruned := r.Prune(revoked.Expires())
		if _, there := pruned.Key(revoked.ID()); there || len(pruned.Keys()) != 1 {
			t.Errorf("%v is left", pruned)
		}
		if pruned.ListSecret("tags") != list || pruned.ID() != r.ID() || pruned.MaxSession() != r.MaxSession() {
			t.Error("pruning changed the ring's own members")
		}
	})
}

// A replica whose clock is behind, however far, must be able to seal with a new ring at once. But
// it must not seal with a key that waits while another key can seal, and never with a revoked key.
func TestClocksApart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := keys.Generate(0)
		now := time.Now()
		first := r.Keys()[0]
		for _, c := range []struct {
			name   string
			behind time.Duration
		}{
			{"not", 0}, {"a minute", time.Minute}, {"an hour", time.Hour}, {"a year", 365 * 24 * time.Hour},
		} {
			k, ok := r.Sealing(now.Add(-c.behind))
			if got := r.State(first, now.Add(-c.behind)); got != keys.Sealing || !ok || k.ID() != first.ID() {
				t.Errorf("%s behind: %v, %v %v, want the key to seal", c.name, got, k, ok)
			}
		}
		hourBehind := now.Add(-time.Hour)
		next := must(r.Rotate(now, keys.Rotation{})) // seals in ten minutes
		wantStates(t, next, hourBehind, keys.Pending, keys.Sealing)
		wantStates(t, next, now, keys.Pending, keys.Sealing)
		leaked := must(next.Revoke(now, first.ID())) // a key that seals at once replaces it
		if k := sealing(t, leaked, hourBehind); k.ID() == first.ID() || k.ID() == next.Keys()[0].ID() {
			t.Errorf("an hour behind, %v seals: revoked, or to come later than another", k)
		}
		spent := must(keys.Parse(set(r.PlaintextJWKSet(), func(key member) { key["revoked"] = now.Unix() })))
		if k, ok := spent.Sealing(hourBehind); ok {
			t.Errorf("%v seals, and is revoked", k)
		}
		// Edits by such a replica leave a ring that seals everywhere.
		behind := now.Add(-30 * time.Second)
		for name, edited := range map[string]*keys.Ring{
			"revoke": must(r.Revoke(behind, first.ID())),
			"rotate": must(r.Rotate(behind, keys.Rotation{Immediate: true})),
			"after":  must(r.Rotate(behind, keys.Rotation{After: time.Second})),
		} {
			for _, at := range []time.Time{behind, now, now.Add(1000 * 24 * time.Hour)} {
				if k := sealing(t, edited, at); name == "revoke" && k.ID() == first.ID() {
					t.Errorf("%s: the revoked key seals at %v", name, at)
				}
			}
			if k := sealing(t, edited, now); k.ID() == first.ID() {
				t.Errorf("%s: the old key seals still", name)
			}
		}
	})
}

// Rotation repairs a ring in which no key can seal any more.
func TestRotateWhenNothingSeals(t *testing.T) {
	now := time.Now()
	first := keys.Generate(0)
	doc := set(first.PlaintextJWKSet(), func(key member) { key["exp"] = now.Unix() - 1 })
	r := must(keys.Parse(doc))
	if k, ok := r.Sealing(now); ok {
		t.Fatalf("%v seals", k)
	}
	r = must(r.Rotate(now, keys.Rotation{}))
	wantStates(t, r, now, keys.Sealing, keys.Expired)
}

func TestStateOfAKeyFromElsewhere(t *testing.T) {
	now := time.Now()
	r := keys.Generate(0)
	k := r.Keys()[0]
	revoked := must(r.Revoke(now, k.ID()))
	if got := revoked.State(k, now); got != keys.Revoked {
		t.Errorf("an old copy of a revoked key is %v", got)
	}
	if got := keys.Generate(0).State(k, now); got != keys.Expired {
		t.Errorf("another ring's key is %v", got)
	}
}

func TestStateNames(t *testing.T) {
	want := map[keys.State]string{
		keys.Pending: "pending", keys.Sealing: "sealing", keys.Opening: "opening",
		keys.Expired: "expired", keys.Revoked: "revoked", 0: "State(0)",
	}
	for s, name := range want {
		text, err := s.MarshalText()
		if s.String() != name || string(text) != name || err != nil {
			t.Errorf("%d: %q, %q, %v", s, s, text, err)
		}
	}
}

func TestKeysIsACopy(t *testing.T) {
	r := keys.Generate(0)
	r.Keys()[0] = keys.Key{}
	if r.Keys()[0].ID() == "" {
		t.Error("a caller changed the ring")
	}
}

func TestSealingAllocatesNothing(t *testing.T) {
	r := keys.Generate(0)
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		k, _ := r.Sealing(now)
		r.State(k, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The list secrets of a ring must never change, or every entry of its list would become useless.
// Another implementation of HKDF (RFC 5869) computed the expected values.
func TestListSecret(t *testing.T) {
	r := must(keys.Parse([]byte(golden(t))))
	for label, want := range map[string]string{
		"":     "29afc6b2bc90492dfc4a07e9ebc6f5a90b1c477161f70cc1c3d79c8ff952999d",
		"tags": "d990234ede70d25eee74f17ea8e7c65bfb85e5eda8cfc466e7e5c16e735eca7b",
	} {
		if s := r.ListSecret(label); hex.EncodeToString(s[:]) != want {
			t.Errorf("label %q: %x", label, s)
		}
	}
	rotated := must(r.Rotate(time.Now(), keys.Rotation{}))
	if rotated.ListSecret("tags") != r.ListSecret("tags") {
		t.Error("rotating changed it")
	}
}
