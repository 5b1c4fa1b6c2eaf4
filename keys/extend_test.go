package keys_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

const day = 24 * time.Hour

// An extended ring keeps a key for as long as a session that it seals may live. A key that stopped
// sealing is kept no longer than before.
func TestExtend(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	at := func(days time.Duration) time.Time { return now.Add(days * day) }
	first := keys.Generate(day)
	old := first.Keys()[0]
	r := must(first.Rotate(at(1), keys.Rotation{Immediate: true}))
	sealing := r.Keys()[0]
	pending := must(r.Rotate(at(10), keys.Rotation{After: day}))
	end := func(r *keys.Ring, k keys.Key) time.Time { return must2(r.Key(k.ID())).Expires() }
	for _, c := range []struct {
		name     string
		from     *keys.Ring
		when     time.Time
		old, now time.Time // when the keys end afterwards
	}{
		{"nothing waits", r, at(10), at(1 + 1 + 1), time.Time{}},
		{"a key waits", pending, at(10), at(1 + 1 + 1), at(11 + 30 + 1)},
		{"the old one just stopped", r, at(1).Add(30 * time.Second), at(1 + 30 + 1), time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.from.PlaintextJWKSet()
			got, err := c.from.Extend(c.when, 30*day)
			if err != nil || got.MaxSession() != 30*day {
				t.Fatalf("%v, %v", got, err)
			}
			if e := end(got, old); !e.Equal(c.old) {
				t.Errorf("the old key ends %v, want %v", e, c.old)
			}
			if e := end(got, sealing); !e.Equal(c.now) {
				t.Errorf("the key that seals ends %v, want %v", e, c.now)
			}
			if s, ok := got.Sealing(c.when); !ok || s.ID() != sealing.ID() {
				t.Errorf("%v seals", s)
			}
			if string(before) != doc(c.from) {
				t.Error("the ring it came from is changed")
			}
			// It reads back as it was written, and merging an old copy takes nothing from it.
			if again := must(keys.Parse(got.PlaintextJWKSet())); fmt.Sprint(lives(again, c.when)) != fmt.Sprint(lives(got, c.when)) {
				t.Errorf("read again: %v, want %v", lives(again, c.when), lives(got, c.when))
			}
			for _, copied := range []*keys.Ring{first, r, c.from} {
				if m := must(got.Merge(copied)); m != got {
					t.Errorf("an old copy changed it: %v, want %v", lives(m, c.when), lives(got, c.when))
				}
				if m := must(copied.Merge(got)); doc(m) != doc(got) {
					t.Errorf("merged into an old copy: %v, want %v", lives(m, c.when), lives(got, c.when))
				}
			}
			// The next rotation keeps the key for the longer sessions.
			later := must(got.Rotate(c.when.Add(2*day), keys.Rotation{Immediate: true}))
			if e := end(later, must2(later.Sealing(c.when.Add(2*day)))); !e.IsZero() {
				t.Errorf("the newest ends %v", e)
			}
			if e := end(later, sealing); e.Before(c.when.Add(31 * day)) {
				t.Errorf("after a rotation the key that sealed ends %v", e)
			}
		})
	}
	// A key that expired stays expired.
	late := at(20)
	if s := must(r.Extend(late, 30*day)); s.State(must2(s.Key(old.ID())), late) != keys.Expired {
		t.Error("a key that had expired opens again")
	}
	if pruned := must(must(r.Extend(late, 30*day)).Prune(late).Merge(first)); pruned.State(must2(pruned.Key(old.ID())), late) != keys.Expired {
		t.Error("a key that was pruned came back with an old copy, and opens")
	}
}

func TestExtendRefuses(t *testing.T) {
	r := keys.Generate(day)
	if _, err := r.Extend(time.Now(), time.Hour); !errors.Is(err, keys.ErrShorter) {
		t.Errorf("shorter: %v", err)
	}
	for _, d := range []time.Duration{-time.Hour, keys.LongestSession + time.Second} {
		if _, err := r.Extend(time.Now(), d); err == nil || errors.Is(err, keys.ErrShorter) {
			t.Errorf("%v: %v", d, err)
		}
	}
	if same := must(r.Extend(time.Now(), day-time.Millisecond)); same != r {
		t.Error("rounded up it is the same, and another ring")
	}
	extended := doc(must(must(r.Rotate(time.Now().Add(time.Hour), keys.Rotation{Immediate: true})).Extend(time.Now().Add(2*time.Hour), 2*day)))
	if !strings.Contains(extended, `"max_session":86400}`) {
		t.Fatalf("the old key has no limit of its own")
	}
	for _, bad := range []string{`"max_session":172800}`, `"max_session":172801}`, `"max_session":0}`, `"max_session":"1"}`} {
		if _, err := keys.Parse([]byte(strings.Replace(extended, `"max_session":86400}`, bad, 1))); !errors.Is(err, keys.ErrDocument) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A process that follows the file learns of the extension, and its own edits keep it.
func TestExtendInAFile(t *testing.T) {
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	var l logs
	follower := open(t, path, kek, keys.FileConfig{Create: true, Poll: 10 * time.Millisecond, Logger: l.logger()})
	before := read(t, path)
	editor := open(t, path, kek, keys.FileConfig{})
	if err := editor.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Extend(time.Now(), 30*day) }); err != nil {
		t.Fatal(err)
	}
	await(t, "the follower has it", func() bool { return follower.Ring().MaxSession() == 30*day })
	await(t, "the log says so", func() bool { return l.Count("max_session=720h0m0s") == 1 })
	write(t, path, before) // restores an old copy
	if err := follower.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	if d := open(t, path, kek, keys.FileConfig{}).Ring().MaxSession(); d != 30*day {
		t.Errorf("the file is for sessions of %v", d)
	}
}

// A copy that was rotated before it learned of the longer sessions adds a key for shorter ones,
// which seals longer ones from then on. Its successor is kept for those.
func TestExtendMeetsARotation(t *testing.T) {
	now := time.Now()
	r := keys.Generate(day)
	extended := must(r.Extend(now, 30*day))
	rotated := must(r.Rotate(now, keys.Rotation{Immediate: true}))
	both := must(rotated.Merge(extended))
	key := must2(both.Sealing(now))
	for name, next := range map[string]*keys.Ring{
		"rotated": must(both.Rotate(now.Add(day), keys.Rotation{Immediate: true})),
		"waiting": must(must(both.Rotate(now.Add(day), keys.Rotation{After: day})).Rotate(now.Add(day), keys.Rotation{Immediate: true})),
		"revoked": must(both.Revoke(now.Add(day), key.ID())),
	} {
		if end := must2(next.Key(key.ID())).Expires(); end.Before(now.Add(31 * day)) {
			t.Errorf("%s: the key ends %v", name, end)
		}
		if m := must(next.Merge(rotated)); m != next {
			t.Errorf("%s: an old copy changed it", name)
		}
	}
}
