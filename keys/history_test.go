package keys_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// A fleet is copies of one ring that processes edit on their own, with clocks of their own. All
// meet in one place every few hours, as replicas do that share a ring.
type fleet struct {
	rnd    *rand.Rand
	pace   time.Duration // the longest step
	calm   int           // the higher, the rarer are rotations by name and revocations
	now    time.Time
	place  *keys.Ring
	copies []*keys.Ring
	clocks []time.Duration
	old    []*keys.Ring // copies of all ages, as in backups
	met    []time.Time  // when each copy last met the place

	sealed  []session
	revoked map[string]bool // kids that somebody revoked or cancelled
}

type session struct {
	kid   string
	until time.Time
}

func newFleet(rnd *rand.Rand, n int) *fleet {
	f := &fleet{rnd: rnd, pace: time.Duration(20+rnd.IntN(160)) * time.Minute, calm: 1 + rnd.IntN(20), place: keys.Generate(time.Duration(1+rnd.IntN(30)) * time.Hour), revoked: map[string]bool{}}
	f.now = f.place.IssuedAt()
	for range n {
		f.copies, f.met = append(f.copies, f.place), append(f.met, f.now)
		f.clocks = append(f.clocks, time.Duration(rnd.Int64N(int64(time.Minute)))-30*time.Second)
	}
	return f
}

// edit is one change of a copy.
func (f *fleet) edit(r *keys.Ring, now time.Time) (*keys.Ring, error) {
	n := f.rnd.IntN(10)
	if (n == 3 || n == 7) && f.rnd.IntN(f.calm) > 0 {
		n = 0
	}
	switch n {
	case 0, 1, 2:
		return r.RotateIfOlder(now, time.Duration(1+f.rnd.IntN(10*f.calm))*time.Hour, keys.Rotation{After: time.Duration(1+f.rnd.IntN(300)) * time.Minute})
	case 3:
		return r.Rotate(now, keys.Rotation{Immediate: true})
	case 4, 5, 6:
		return r.Cancel(now)
	case 7:
		all := r.Keys()
		return r.Revoke(now, all[f.rnd.IntN(len(all))].ID())
	case 8:
		return r.Extend(now, r.MaxSession()+time.Duration(f.rnd.IntN(3))*time.Hour)
	}
	return r.Prune(now), nil
}

// step lets some time pass, in which one copy seals, and is then edited, meets another copy or the
// place, or is merged with a copy of any age.
func (f *fleet) step(t *testing.T) {
	f.now = f.now.Add(time.Duration(f.rnd.Int64N(int64(f.pace))))
	i := f.rnd.IntN(len(f.copies))
	r, now := f.copies[i], f.now.Add(f.clocks[i])
	if k, ok := r.Sealing(now); ok {
		until := now.Add(r.MaxSession())
		if end := k.Expires(); !end.IsZero() && end.Before(until) {
			until = end // a newer key took over from it, and is revoked
		}
		f.sealed = append(f.sealed, session{k.ID(), until})
	}
	switch f.rnd.IntN(8) {
	case 0, 1:
		next, err := f.edit(r, now)
		if errors.Is(err, keys.ErrPending) || errors.Is(err, keys.ErrNothingPending) {
			break
		}
		if r = must(next, err); f.rnd.IntN(3) == 0 {
			r = must(keys.Parse(r.PlaintextJWKSet()))
		}
		for _, k := range r.Keys() {
			if _, is := k.Revoked(); is {
				f.revoked[k.ID()] = true
			}
		}
	case 2:
		r = must(r.Merge(f.copies[f.rnd.IntN(len(f.copies))]))
	case 3:
		if n := len(f.old); n > 0 {
			r = must(r.Merge(f.old[f.rnd.IntN(n)]))
		}
	}
	f.copies[i] = r
	if f.rnd.IntN(20) == 0 {
		f.old = append(f.old, r)
	}
	for j := range f.copies { // nobody is away for longer than 6 hours
		if f.now.Sub(f.met[j]) > 6*time.Hour || j == i && f.rnd.IntN(10) == 0 {
			f.place = must(f.place.Merge(f.copies[j]))
			f.copies[j], f.met[j] = must(f.copies[j].Merge(f.place)), f.now
			f.check(t, f.copies[j], f.now.Add(f.clocks[j]))
		}
	}
	if f.rnd.IntN(40) == 0 { // the place is put back from a backup, and whoever comes next repairs it
		if n := len(f.old); n > 0 {
			f.place = must(f.old[f.rnd.IntN(n)].Merge(f.copies[f.rnd.IntN(len(f.copies))]))
		}
	}
}

// check fails unless a copy opens every session that any copy sealed and that may still live, apart
// from those of revoked keys, which it must refuse once it knows.
func (f *fleet) check(t *testing.T, r *keys.Ring, now time.Time) {
	t.Helper()
	for _, s := range f.sealed {
		k, ok := r.Key(s.kid)
		if !ok || !s.until.After(now) || f.revoked[s.kid] {
			continue // unknown: the copy that has the key has not been here since
		}
		if state := r.State(k, now); state == keys.Expired || state == keys.Revoked {
			t.Fatalf("a session that may live until %v has a key that is %v at %v, since %v: %v", s.until, state, now, k.Expires(), lives(r, now))
		}
	}
}

// last brings all copies together, in any order, and checks what became of every session and key.
func (f *fleet) last(t *testing.T) {
	t.Helper()
	all := append(append([]*keys.Ring{f.place}, f.copies...), f.old...)
	f.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	r := all[0]
	for _, other := range all[1:] {
		r = must(r.Merge(other))
	}
	f.check(t, r, f.now)
	for _, s := range f.sealed {
		k, ok := r.Key(s.kid)
		switch {
		case s.until.After(f.now) && !ok:
			t.Fatalf("the key of a session that may live until %v is gone", s.until)
		case !ok || !f.revoked[s.kid]:
		case r.State(k, f.now) != keys.Revoked && r.State(k, f.now) != keys.Expired:
			t.Fatalf("a revoked key is %v", r.State(k, f.now))
		}
	}
	for i := range all { // the order does not matter
		j := f.rnd.IntN(len(all))
		all[i], all[j] = all[j], all[i]
	}
	again := all[0]
	for _, other := range all[1:] {
		again = must(other.Merge(again))
	}
	if doc(again) != doc(r) || fmt.Sprint(lives(again, f.now)) != fmt.Sprint(lives(r, f.now)) {
		t.Fatal("merged in another order, it is another ring")
	}
}

func history(t *testing.T, seed uint64, copies, steps int) {
	t.Helper()
	f := newFleet(rand.New(rand.NewPCG(seed, 7)), copies)
	for range steps {
		f.step(t)
	}
	f.last(t)
}

// A session that a key sealed while it was sealing opens until its absolute deadline, unless the key
// was revoked. It does so through any history of rotating, cancelling, revoking, extending, pruning
// and merging on several copies, backups of any age among them.
func TestNoSessionIsLostOnCopies(t *testing.T) {
	seeds := uint64(150)
	if racing { // each history is one goroutine
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { history(t, seed, 4, 400) })
	}
}

func FuzzHistory(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, byte(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, copies byte) { history(t, seed, 2+int(copies%5), 300) })
}
