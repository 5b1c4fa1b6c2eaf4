package keys_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

// begin returns a ring of one key, a copy with a rotation pending, and the time of the rotation.
func begin(t *testing.T) (one, rotated *keys.Ring, now time.Time) {
	t.Helper()
	one = keys.Generate(0)
	now = one.IssuedAt().Add(time.Hour)
	return one, must(one.Rotate(now, keys.Rotation{})), now
}

func cancel(r *keys.Ring, now time.Time) *keys.Ring { return must(r.Cancel(now)) }

func TestCancel(t *testing.T) {
	one, rotated, now := begin(t)
	first, waiting := one.Keys()[0], rotated.Keys()[0]
	at := now.Add(5 * time.Minute)
	r := cancel(rotated, at)
	wantStates(t, r, at, keys.Revoked, keys.Sealing)
	if revoked, _ := must2(r.Key(waiting.ID())).Revoked(); !revoked.Equal(at) {
		t.Errorf("cancelled at %v, want %v", revoked, at)
	}
	wantStates(t, rotated, at, keys.Pending, keys.Sealing) // a ring never changes
	for _, later := range []time.Duration{10 * time.Minute, 47 * time.Hour, 48 * time.Hour, 10000 * time.Hour} {
		if k := sealing(t, r, at.Add(later)); k.ID() != first.ID() || !k.Expires().IsZero() {
			t.Errorf("%v later %v seals until %v, want the first key, with no end", later, k, k.Expires())
		}
		if p := r.Prune(at.Add(later)); p != r {
			t.Errorf("%v later, pruning left %v", later, states(p, at.Add(later)))
		}
	}
	if again := must(keys.Parse(r.PlaintextJWKSet())); doc(again) != doc(r) || !again.Keys()[1].Expires().IsZero() {
		t.Error("written and read, it is another ring")
	}
}

func TestCancelThenRotate(t *testing.T) {
	_, rotated, now := begin(t)
	r := cancel(rotated, now.Add(time.Minute))
	// A key that begins before the time of the cancelled one, and one that begins after it.
	for name, after := range map[string]time.Duration{"before": 2 * time.Minute, "after": time.Hour} {
		t.Run(name, func(t *testing.T) {
			begins := now.Add(time.Minute + after)
			next := must(r.Rotate(now.Add(time.Minute), keys.Rotation{After: after}))
			old := next.Keys()[2]
			if k := sealing(t, next, begins); k.ID() == old.ID() || !k.NotBefore().Equal(begins) {
				t.Errorf("%v seals", k)
			}
			if want := begins.Add(48 * time.Hour); !old.Expires().Equal(want) {
				t.Errorf("the first key ends %v, want %v", old.Expires(), want)
			}
			if again := cancel(next, now.Add(time.Minute)); !again.Keys()[2].Expires().IsZero() {
				t.Error("cancelled twice, the first key has an end")
			}
		})
	}
}

func TestCancelRefuses(t *testing.T) {
	one, rotated, now := begin(t)
	for _, c := range []struct {
		name string
		ring *keys.Ring
		at   time.Time
		text string
	}{
		{"no rotation", one, now, "no rotation to cancel"},
		{"a rotation by name", must(one.Rotate(now, keys.Rotation{Immediate: true})), now, "no rotation to cancel"},
		{"it seals", rotated, now.Add(10 * time.Minute), "no rotation to cancel"},
		{"it seals in a minute", rotated, now.Add(9 * time.Minute), "begins to seal at " + rotated.Keys()[0].NotBefore().Format(time.RFC3339)},
		{"cancelled already", cancel(rotated, now), now, "no rotation to cancel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r, err := c.ring.Cancel(c.at); r != nil || !errors.Is(err, keys.ErrNothingPending) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Cancel = %v, %v, want %q", r, err, c.text)
			}
		})
	}
}

// Two rotations at once make two keys that wait. Both are taken back, and only keys that wait are.
func TestCancelTakesAllThatWait(t *testing.T) {
	one, rotated, now := begin(t)
	both := must(rotated.Merge(must(one.Rotate(now.Add(time.Minute), keys.Rotation{}))))
	both = must(both.Rotate(now, keys.Rotation{Immediate: true}))
	wantStates(t, both, now, keys.Pending, keys.Pending, keys.Sealing, keys.Opening)
	r := cancel(both, now)
	wantStates(t, r, now, keys.Revoked, keys.Revoked, keys.Sealing, keys.Opening)
	wantStates(t, r, now.Add(time.Hour), keys.Revoked, keys.Revoked, keys.Sealing, keys.Opening)
	if end := r.Keys()[2].Expires(); !end.IsZero() {
		t.Errorf("the key that seals ends %v", end)
	}
}

// A copy that was made, edited or kept with the key that was cancelled takes nothing back.
func TestOldCopiesDoNotBringACancelledKeyBack(t *testing.T) {
	one, rotated, now := begin(t)
	waiting := rotated.Keys()[0].ID()
	r := cancel(rotated, now.Add(5*time.Minute))
	late := now.Add(20 * time.Minute) // the key's time has come, where nobody heard
	for name, copied := range map[string]*keys.Ring{
		"before the rotation":       one,
		"after the rotation":        rotated,
		"read from a document":      must(keys.Parse(rotated.PlaintextJWKSet())),
		"extended":                  must(rotated.Extend(late, 30*day)),
		"pruned":                    rotated.Prune(now.Add(100 * day)),
		"rotated since":             must(rotated.Rotate(late, keys.Rotation{})),
		"rotated since, by name":    must(rotated.Rotate(late, keys.Rotation{Immediate: true})),
		"cancelled there, too late": must(rotated.Revoke(late, waiting)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, both := range []*keys.Ring{must(r.Merge(copied)), must(copied.Merge(r))} {
				for _, at := range []time.Time{late, now.Add(10 * day), now.Add(1000 * day)} {
					k := must2(both.Key(waiting))
					if s := both.State(k, at); s != keys.Revoked {
						t.Errorf("the cancelled key is %v", s)
					}
					sealing(t, both, at)
				}
				if first, ok := both.Key(one.Keys()[0].ID()); !ok || first.Expires().Equal(late.Add(48*time.Hour-10*time.Minute)) {
					t.Errorf("the key that sealed ends %v because of the one that was cancelled", first.Expires())
				}
			}
		})
	}
}

// When the ring forgot the cancelled key, its old copies find it expired.
func TestCancelledKeyIsForgotten(t *testing.T) {
	_, rotated, now := begin(t)
	r := cancel(rotated, now)
	r = must(r.Rotate(now.Add(time.Hour), keys.Rotation{}))
	ends := now.Add(time.Hour + 10*time.Minute + 48*time.Hour)
	if p := r.Prune(ends.Add(-time.Second)); p != r {
		t.Errorf("too early, pruning left %v", p)
	}
	p := r.Prune(ends)
	wantStates(t, p, ends, keys.Sealing)
	wantStates(t, must(p.Merge(rotated)), ends, keys.Sealing, keys.Expired, keys.Expired)
}

// Revoking a key that waits keeps its meaning: another key waits in its place, and ends the key that
// seals now.
func TestRevokeOfAPendingKeyIsNoCancel(t *testing.T) {
	one, rotated, now := begin(t)
	r := must(rotated.Revoke(now, rotated.Keys()[0].ID()))
	wantStates(t, r, now, keys.Pending, keys.Revoked, keys.Sealing)
	if end, want := must2(r.Key(one.Keys()[0].ID())).Expires(), r.Keys()[0].NotBefore().Add(48*time.Hour); !end.Equal(want) {
		t.Errorf("the key that seals ends %v, want %v", end, want)
	}
	wantStates(t, cancel(r, now), now, keys.Revoked, keys.Revoked, keys.Sealing)
}

func TestExtendReachesTheKeyThatGoesOn(t *testing.T) {
	one, rotated, now := begin(t)
	late := now.Add(10 * day)
	r := must(cancel(rotated, now).Extend(late, 30*day))
	r = must(r.Rotate(late, keys.Rotation{Immediate: true}))
	if end, want := must2(r.Key(one.Keys()[0].ID())).Expires(), late.Add(31*day); !end.Equal(want) {
		t.Errorf("the key that sealed longer sessions ends %v, want %v", end, want)
	}
}

// A cancelled key whose time would have come last does not hide one that waits.
func TestRotateWhileOneWaitsBesideACancelledOne(t *testing.T) {
	r := keys.Generate(0)
	now := r.IssuedAt()
	r = cancel(must(r.Rotate(now, keys.Rotation{After: 2 * time.Hour})), now)
	r = must(r.Rotate(now, keys.Rotation{After: time.Hour}))
	if again, err := r.Rotate(now, keys.Rotation{}); !errors.Is(err, keys.ErrPending) {
		t.Errorf("another key was added, to %v: %v", states(again, now), err)
	}
}

// Nor does it hide one that waits for too long.
func TestRotatorTellsOfAFarKeyBesideACancelledOne(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := keys.Generate(0)
		r = cancel(must(r.Rotate(time.Now(), keys.Rotation{After: 300 * day})), time.Now())
		p := &place{ring: must(r.Rotate(time.Now(), keys.Rotation{After: 200 * day}))}
		var l logs
		time.Sleep(2 * day)
		run(t, p, nil, &l, 10*day)
		if p.made != 0 || l.Count("level=WARN") != 1 || l.Count("wafer keys rotate --cancel") != 1 {
			t.Errorf("%d rotations, and the log says\n%s", p.made, l.String())
		}
	})
}
