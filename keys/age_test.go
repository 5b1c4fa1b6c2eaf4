package keys_test

import (
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

func TestRotateIfOlder(t *testing.T) {
	one, rotated, now := begin(t)
	made := now.Add(-time.Hour) // the first key
	for _, c := range []struct {
		name string
		ring *keys.Ring
		at   time.Time
		how  keys.Rotation
		want []keys.State // nil: the ring stays
	}{
		{"younger", one, made.Add(day - time.Second), keys.Rotation{}, nil},
		{"older", one, made.Add(day), keys.Rotation{}, []keys.State{keys.Pending, keys.Sealing}},
		{"older, at once", one, made.Add(day), keys.Rotation{Immediate: true}, []keys.State{keys.Sealing, keys.Opening}},
		{"one waits", rotated, now, keys.Rotation{Immediate: true}, nil},
		{"the new one is younger", rotated, now.Add(day - time.Second), keys.Rotation{}, nil},
		{"the new one is older", rotated, now.Add(day), keys.Rotation{}, []keys.State{keys.Pending, keys.Sealing, keys.Opening}},
		{"one waits for long", must(one.Rotate(now, keys.Rotation{After: 30 * day})), now.Add(20 * day), keys.Rotation{}, nil},
		{"cancelled", cancel(rotated, now), now.Add(day - time.Second), keys.Rotation{}, nil},
		{"cancelled long ago", cancel(rotated, now), now.Add(day), keys.Rotation{}, []keys.State{keys.Pending, keys.Revoked, keys.Sealing}},
		{"cancelled, made by a clock that is ahead", cancel(must(one.Rotate(now.Add(300*day), keys.Rotation{})), now), made.Add(day), keys.Rotation{}, []keys.State{keys.Revoked, keys.Pending, keys.Sealing}},
		{"cancelled, made by a clock that is ahead, and younger", cancel(must(one.Rotate(now.Add(300*day), keys.Rotation{})), now), made.Add(day - time.Second), keys.Rotation{}, nil},
		{"revoked", must(rotated.Revoke(now.Add(time.Hour), rotated.Keys()[0].ID())), now.Add(day), keys.Rotation{}, nil},
		{"the clock went back", rotated, made.Add(-30 * day), keys.Rotation{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.ring.RotateIfOlder(c.at, day, c.how)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == nil {
				if got != c.ring {
					t.Errorf("rotated: %v", states(got, c.at))
				}
				return
			}
			wantStates(t, got, c.at, c.want...)
			if again := must(got.RotateIfOlder(c.at, day, c.how)); again != got {
				t.Error("rotated twice")
			}
		})
	}
	for _, age := range []time.Duration{0, -1} {
		if _, err := one.RotateIfOlder(now, age, keys.Rotation{}); err == nil {
			t.Errorf("an age of %v was taken", age)
		}
	}
	if _, err := one.RotateIfOlder(now.Add(day), day, keys.Rotation{After: -1}); err == nil || errors.Is(err, keys.ErrPending) {
		t.Errorf("nonsense was taken: %v", err)
	}
}

// One copy of the ring cancelled the rotation. Another had not heard and revoked the key before it,
// so that no key is left that can seal.
func TestRotateIfOlderWhenNothingSeals(t *testing.T) {
	one, rotated, now := begin(t)
	late := now.Add(20 * time.Minute)
	r := must(cancel(rotated, now).Merge(must(rotated.Revoke(late, one.Keys()[0].ID()))))
	if k, ok := r.Sealing(late); ok {
		t.Fatalf("%v seals", k)
	}
	wantStates(t, must(r.RotateIfOlder(late, day, keys.Rotation{})), late, keys.Sealing, keys.Revoked, keys.Revoked)
}

// The same with an older key, which seals again although it ends soon.
func TestRotateIfOlderWhenAnOldKeySeals(t *testing.T) {
	first := keys.Generate(0)
	now := first.IssuedAt().Add(time.Hour)
	one := must(first.Rotate(now, keys.Rotation{Immediate: true}))
	rotated := must(one.Rotate(now.Add(time.Hour), keys.Rotation{}))
	late := now.Add(2 * time.Hour)
	r := must(cancel(rotated, now.Add(time.Hour)).Merge(must(rotated.Revoke(late, one.Keys()[0].ID()))))
	if k := sealing(t, r, late); k.ID() != first.Keys()[0].ID() || k.Expires().IsZero() {
		t.Fatalf("%v seals until %v", k, k.Expires())
	}
	next := must(r.RotateIfOlder(late, day, keys.Rotation{}))
	wantStates(t, next, late, keys.Pending, keys.Revoked, keys.Revoked, keys.Sealing)
	if again := must(next.RotateIfOlder(late, day, keys.Rotation{})); again != next {
		t.Error("rotated twice")
	}
}

// A machine whose clock is ahead makes one key. By its clock that key is young, and by the others'
// it waits, so none of them makes another.
func TestRotateIfOlderWithAClockThatIsAhead(t *testing.T) {
	for _, ahead := range []time.Duration{time.Minute, time.Hour, 3 * day, 300 * day} {
		r := keys.Generate(0)
		now := r.IssuedAt().Add(12 * time.Hour)
		for i := range 23 * 60 { // a minute each
			at := now.Add(time.Duration(i) * time.Minute)
			if i%2 == 0 {
				at = at.Add(ahead)
			}
			r = must(r.RotateIfOlder(at, day, keys.Rotation{}))
		}
		if n := len(r.Keys()); n != 2 {
			t.Errorf("%v ahead: %d keys", ahead, n)
		}
	}
}
