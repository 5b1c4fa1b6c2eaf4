package keys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/keys"
)

func doc(r *keys.Ring) string { return string(r.PlaintextJWKSet()) }

// step is one event that may happen to a copy of a ring.
func step(rnd *rand.Rand, r *keys.Ring, now time.Time) *keys.Ring {
	switch rnd.IntN(6) {
	case 5:
		return must(r.Extend(now, r.MaxSession()+time.Duration(rnd.IntN(3))*10*time.Hour))
	case 0, 1:
		next, err := r.Rotate(now, keys.Rotation{Immediate: rnd.IntN(3) == 0})
		if errors.Is(err, keys.ErrPending) {
			return r
		}
		return must(next, err)
	case 2:
		all := r.Keys()
		return must(r.Revoke(now, all[rnd.IntN(len(all))].ID()))
	case 3:
		return r.Prune(now)
	}
	return must(keys.Parse(r.PlaintextJWKSet()))
}

// copies returns copies of one ring that diverged for about 40 days, merging now and then, and the
// time at the end.
func copies(rnd *rand.Rand, n int) ([]*keys.Ring, time.Time) {
	first := keys.Generate(time.Duration(1+rnd.IntN(72)) * time.Hour)
	all := make([]*keys.Ring, n)
	for i := range all {
		all[i] = first
	}
	now := time.Now()
	for range 60 {
		now = now.Add(time.Duration(rnd.Int64N(int64(32 * time.Hour))))
		i := rnd.IntN(n)
		all[i] = step(rnd, all[i], now)
		if rnd.IntN(6) == 0 {
			all[i] = must(all[i].Merge(all[rnd.IntN(n)]))
		}
	}
	return all, now
}

func TestMergeLaws(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		all, now := copies(rnd, 3)
		a, b, c := all[0], all[1], all[2]
		union := func(x, y *keys.Ring) *keys.Ring { return must(x.Merge(y)) }
		law := func(name string, x, y *keys.Ring) {
			if d := cmp.Diff(doc(x), doc(y)); d != "" {
				t.Fatalf("seed %d: not %s:\n%s", seed, name, d)
			}
			if d := cmp.Diff(lives(x, now), lives(y, now)); d != "" {
				t.Fatalf("seed %d: not %s in the lives of keys:\n%s", seed, name, d)
			}
		}
		ab := union(a, b)
		law("commutative", ab, union(b, a))
		law("associative", union(ab, c), union(a, union(b, c)))
		law("idempotent", union(a, a), a)
		law("absorbing", union(ab, b), ab)
		if union(ab, a) != ab {
			t.Fatalf("seed %d: merging what is known made another ring", seed)
		}
		monotone(t, a, ab)
		monotone(t, b, ab)
		for _, later := range []time.Duration{0, time.Hour, 240 * time.Hour, 10000 * time.Hour} {
			sealing(t, ab, now.Add(later)) // there is always a key that seals
		}
	}
}

func lives(r *keys.Ring, now time.Time) []string {
	var all []string
	for _, k := range r.Keys() {
		all = append(all, fmt.Sprint(k, k.NotBefore(), k.Expires(), r.State(k, now)))
	}
	return all
}

// longest returns the seconds of the longest session that the key seals.
func longest(r *keys.Ring, kid string) int64 {
	var set struct {
		MaxSession int64 `json:"max_session"`
		Keys       []struct {
			Kid        string
			MaxSession int64 `json:"max_session"`
		}
	}
	if err := json.Unmarshal(r.PlaintextJWKSet(), &set); err != nil {
		panic(err)
	}
	for _, k := range set.Keys {
		if k.Kid == kid && k.MaxSession != 0 {
			return k.MaxSession
		}
	}
	return set.MaxSession
}

// monotone fails unless the union has every key and every revocation of part, and no later end,
// except where the other part extended the key.
func monotone(t *testing.T, part, union *keys.Ring) {
	t.Helper()
	for _, k := range part.Keys() {
		u, ok := union.Key(k.ID())
		if !ok {
			t.Fatalf("%v is gone", k)
		}
		at, revoked := k.Revoked()
		if uat, still := u.Revoked(); revoked && (!still || uat.After(at)) {
			t.Fatalf("%v was revoked at %v and is at %v, %v", k, at, uat, still)
		}
		if longest(part, k.ID()) == longest(union, k.ID()) && !k.Expires().IsZero() && (u.Expires().IsZero() || u.Expires().After(k.Expires())) {
			t.Fatalf("%v ended at %v and ends at %v", k, k.Expires(), u.Expires())
		}
	}
}

// However old a copy is, merging it restores neither a revoked key nor one that expired and was
// pruned.
func TestOldCopiesBringNothingBack(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		now := time.Now()
		r := keys.Generate(12 * time.Hour)
		var old []*keys.Ring
		revoked := map[string]bool{}
		for range 80 {
			now = now.Add(time.Duration(rnd.Int64N(int64(20 * time.Hour))))
			old = append(old, r)
			r = step(rnd, r, now)
			for _, k := range r.Keys() {
				if _, is := k.Revoked(); is {
					revoked[k.ID()] = true
				}
			}
			merged := must(r.Merge(old[rnd.IntN(len(old))]))
			for _, k := range merged.Keys() {
				state := merged.State(k, now)
				if _, known := r.Key(k.ID()); !known && state != keys.Expired && state != keys.Revoked {
					t.Fatalf("seed %d: %v was pruned and is %v again", seed, k, state)
				}
				if revoked[k.ID()] && state != keys.Revoked && state != keys.Expired {
					t.Fatalf("seed %d: %v was revoked and is %v again", seed, k, state)
				}
			}
		}
	}
}

// A sealed session opens for as long as a session may live, through any rotation, pruning and
// reading, unless its key was revoked.
func TestNobodyIsLoggedOut(t *testing.T) {
	type sealed struct {
		kid  string
		at   time.Time
		life time.Duration // the longest at that time
	}
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		now := time.Now()
		r := keys.Generate(time.Duration(1+rnd.IntN(50)) * time.Hour)
		var tokens []sealed
		for range 100 {
			now = now.Add(time.Duration(rnd.Int64N(int64(3 * time.Hour))))
			tokens = append(tokens, sealed{sealing(t, r, now).ID(), now, r.MaxSession()})
			r = step(rnd, r, now)
			for _, token := range tokens {
				if now.Sub(token.at) > token.life {
					continue
				}
				k, ok := r.Key(token.kid)
				if state := r.State(k, now); !ok || state == keys.Expired || state == keys.Pending {
					t.Fatalf("seed %d: sealed with %s %v ago, and that is %v", seed, token.kid, now.Sub(token.at), state)
				}
			}
		}
	}
}

// Two replicas that rotate at the same time make two keys. After merging, each opens what the other
// sealed.
func TestTwoRotationsAtOnce(t *testing.T) {
	r := keys.Generate(0)
	now := time.Now()
	a := must(r.Rotate(now, keys.Rotation{}))
	b := must(r.Rotate(now.Add(3*time.Minute), keys.Rotation{}))
	both := must(a.Merge(b))
	later := now.Add(time.Hour)
	wantStates(t, both, later, keys.Sealing, keys.Opening, keys.Opening)
	if exp := both.Keys()[1].Expires(); !exp.Equal(b.Keys()[0].NotBefore().Add(48 * time.Hour)) {
		t.Errorf("the key that lost ends at %v", exp)
	}
}

func TestMergeTakesTheLongerSession(t *testing.T) {
	short := golden(t)
	long := strings.Replace(short, `"max_session":86400`, `"max_session":172800`, 1)
	a, b := must(keys.Parse([]byte(short))), must(keys.Parse([]byte(long)))
	for _, r := range []*keys.Ring{must(a.Merge(b)), must(b.Merge(a))} {
		if r.MaxSession() != 48*time.Hour {
			t.Errorf("max session %v", r.MaxSession())
		}
	}
}

func TestMergeRefusesStrangers(t *testing.T) {
	good := golden(t)
	r := must(keys.Parse([]byte(good)))
	for _, c := range []struct{ name, from, to string }{
		{"another id", `"ring":"p`, `"ring":"q`},
		{"another time of making", `"iat":1767225600,"max`, `"iat":1767225601,"max`},
		{"another list key", `"list_key":"2`, `"list_key":"3`},
		{"a kid with another secret", `"k":"d`, `"k":"e`},
		{"a kid with another nbf", `"nbf":1767312600`, `"nbf":1767312601`},
		{"a kid with another iat", `"iat":1767312000`, `"iat":1767312001`},
	} {
		t.Run(c.name, func(t *testing.T) {
			other, err := keys.Parse([]byte(strings.Replace(good, c.from, c.to, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Merge(other); got != nil || !errors.Is(err, keys.ErrForeign) {
				t.Errorf("%v, %v, want ErrForeign", got, err)
			}
		})
	}
	if _, err := r.Merge(keys.Generate(0)); !errors.Is(err, keys.ErrForeign) {
		t.Errorf("%v, want ErrForeign", err)
	}
}
