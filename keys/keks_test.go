package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

// counted returns the nth KEK, and how often it was asked for.
func counted(n byte) (keys.KEK, *atomic.Int64) {
	asked := new(atomic.Int64)
	return keys.KEKFunc(func(context.Context) ([]byte, error) { asked.Add(1); return keysKEK(n) }), asked
}

func opens(k keys.KEK, doc []byte) bool {
	_, err := k.Open(context.Background(), doc)
	return err == nil
}

func TestSeveralKEKs(t *testing.T) {
	one, _ := counted(1)
	two, _ := counted(2)
	three, _ := counted(3)
	boom := errors.New("the service is away")
	away := keys.KEKFunc(func(context.Context) ([]byte, error) { return nil, boom })
	r := keys.Generate(0)
	if s := must(keys.KEKs(two, one).Seal(t.Context(), r)); !opens(two, s) || opens(one, s) {
		t.Error("a new ring is not under the first")
	}
	sealed := must(two.Seal(t.Context(), r))
	for _, c := range []struct {
		name string
		kek  keys.KEK
		want error
	}{
		{"the first", keys.KEKs(two, one), nil},
		{"the second", keys.KEKs(one, two), nil},
		{"the last", keys.KEKs(one, three, two), nil},
		{"within another", keys.KEKs(one, keys.KEKs(three, two)), nil},
		{"none before it", keys.KEKs(keys.KEK{}, two), nil},
		{"beside plain text", keys.KEKs(keys.InsecurePlaintext(), two), nil},
		{"beside one that is away", keys.KEKs(away, two), nil},
		{"none", keys.KEKs(one, three), keys.ErrKEK},
		{"no KEK at all", keys.KEKs(keys.KEK{}), keys.ErrKEK},
		{"away, and it may be that one", keys.KEKs(one, away), boom},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.kek.Open(t.Context(), sealed)
			if !errors.Is(err, c.want) || c.want != nil && !errors.Is(err, keys.ErrKEK) || err == nil && doc(got) != doc(r) {
				t.Fatalf("%v, %v", got, err)
			}
			next := must(rotate(r))
			again, err := c.kek.Reseal(t.Context(), next, sealed)
			if !errors.Is(err, c.want) || err == nil && (!opens(two, again) || opens(one, again)) {
				t.Errorf("sealed again: %v", err)
			}
		})
	}
	if _, err := keys.KEKs(one, two).Open(t.Context(), sealed[:20]); !errors.Is(err, keys.ErrDocument) || errors.Is(err, keys.ErrKEK) {
		t.Errorf("a broken document: %v", err)
	}
	if got := fmt.Sprint(keys.KEKs(keys.KEKFile("/a"), keys.KEKEnv("B"))); got != "keys.KEK(file /a, variable B)" {
		t.Errorf("prints as %s", got)
	}
}

// A KEK that cannot open a ring, whatever it is, is not asked for, and of several the one that
// opened last is tried first.
func TestSeveralKEKsAreAskedForSparingly(t *testing.T) {
	one, asked1 := counted(1)
	two, asked2 := counted(2)
	both := keys.KEKs(one, two)
	r := keys.Generate(0)
	expect := func(what string, n1, n2 int64) {
		t.Helper()
		if a, b := asked1.Swap(0), asked2.Swap(0); a != n1 || b != n2 {
			t.Errorf("%s: asked %d and %d times, want %d and %d", what, a, b, n1, n2)
		}
	}
	under1, under2 := must(one.Seal(t.Context(), r)), must(two.Seal(t.Context(), r))
	expect("sealing, which is tried out", 2, 2)
	both.Open(t.Context(), under1)
	expect("before the change", 1, 0)
	both.Open(t.Context(), under2)
	expect("at the change", 1, 1)
	both.Open(t.Context(), under2)
	both.Reseal(t.Context(), r, under2)
	expect("after it", 0, 2)
	both.Open(t.Context(), []byte("junk"))
	both.Open(t.Context(), r.PlaintextJWKSet())
	both.Open(t.Context(), testdata(t, "ring-passphrase.jwe"))
	expect("what none of them opens", 0, 0)
	once := both.Once()
	for range 3 {
		once.Open(t.Context(), under2)
		once.Reseal(t.Context(), r, under2)
	}
	expect("for one piece of work", 0, 1)
}

// A function that returns a new key at every call, as one that generates a data key, would lock the
// ring away.
func TestKEKThatDiffersMakesNoRing(t *testing.T) {
	n := byte(0)
	fickle := keys.KEKFunc(func(context.Context) ([]byte, error) { n++; return keysKEK(n) })
	path := t.TempDir() + "/ring"
	f, err := keys.OpenFile(t.Context(), path, fickle, keys.FileConfig{Create: true, Logger: quiet})
	if err == nil {
		f.Close()
	}
	if _, there := os.Stat(path); !errors.Is(err, keys.ErrKEK) || there == nil || !strings.Contains(err.Error(), "at every call") {
		t.Errorf("%v, and of the file: %v", err, there)
	}
}

// The KEK of a process changes too early, as in a mounted folder. Then an edit must not change that
// of the ring, which other processes would no longer open.
func TestEditKeepsTheKEK(t *testing.T) {
	now := byte(1)
	kek := keys.KEKFunc(func(context.Context) ([]byte, error) { return keysKEK(now) })
	path := create(t, kek, keys.Generate(0))
	f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
	before := read(t, path)
	now = 2
	if err := f.Edit(t.Context(), rotate); !errors.Is(err, keys.ErrKEK) || !bytes.Equal(before, read(t, path)) {
		t.Errorf("Edit = %v", err)
	}
	now = 1
	if err := f.Edit(t.Context(), rotate); err != nil {
		t.Error(err)
	}
}

// A function that fails is left alone for a while, whatever happens to the ring.
func TestKEKThatFailsIsLeftAlone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var down atomic.Bool
		boom := errors.New("throttled")
		kek := keys.KEKFunc(func(ctx context.Context) ([]byte, error) {
			asked.Add(1)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if down.Load() {
				return nil, boom
			}
			return goldenKEK, nil
		})
		r := keys.Generate(0)
		path := create(t, kek, r)
		f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Second})
		defer f.Close()
		asked.Store(0)
		down.Store(true)
		for range 60 {
			r = must(rotate(r)) // so the bytes change all the time
			write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), r)))
			if err := f.Edit(t.Context(), rotate); !errors.Is(err, boom) {
				t.Fatalf("Edit = %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := asked.Load(); n < 3 || n > 5 {
			t.Errorf("asked %d times in a minute", n)
		}
		time.Sleep(15 * time.Second)
		down.Store(false)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(15 * time.Second)
		if _, err := kek.Open(ctx, read(t, path)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if err := f.Edit(t.Context(), rotate); err != nil {
			t.Errorf("after somebody gave up: %v", err)
		}
	})
}

// A function that does not answer in time has failed, too.
func TestKEKThatHangsIsLeftAlone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var down atomic.Bool
		kek := keys.KEKFunc(func(ctx context.Context) ([]byte, error) {
			if asked.Add(1); down.Load() {
				<-ctx.Done()
			}
			return goldenKEK, ctx.Err()
		})
		r := keys.Generate(0)
		path := create(t, kek, r)
		f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Second})
		defer f.Close()
		asked.Store(0)
		down.Store(true)
		r = must(rotate(r))
		write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), r)))
		time.Sleep(5 * time.Minute)
		if n := asked.Load(); n < 5 || n > 7 { // it waits 30 s for an answer, and 15 s until it asks again
			t.Errorf("asked %d times in five minutes", n)
		}
		down.Store(false)
		time.Sleep(time.Minute)
		if doc(f.Ring()) != doc(r) {
			t.Error("not read when the KEK was there again")
		}
	})
}

// Each passphrase costs one run of the KDF for each new salt, which takes 64 MiB. While the salt
// stays the same, opening and sealing cost none.
func TestSeveralPassphrasesCostBoundedWork(t *testing.T) {
	one, two := passphraseOf(goldenPassphrase), passphraseOf([]byte("correct horse battery stable"))
	needs(t, one)
	r := keys.Generate(0)
	sealed := must(two.Seal(t.Context(), r))
	runs := func(do func()) float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc-before.TotalAlloc) / (64 << 20)
	}
	both := keys.KEKs(one, passphraseOf([]byte("correct horse battery stable")))
	if n := runs(func() { must(both.Open(t.Context(), sealed)) }); n < 1.9 || n > 2.5 {
		t.Errorf("the first time it took %.1f runs", n)
	}
	n := runs(func() {
		for range 20 {
			sealed = must(both.Reseal(t.Context(), r, sealed))
			must(both.Open(t.Context(), sealed))
			both.Open(t.Context(), alter(sealed))
		}
	})
	if n > 0.5 {
		t.Errorf("later it took %.1f runs", n)
	}
}

// changing is a fleet that shares a ring in a file while its KEK changes.
type changing struct {
	t     *testing.T
	path  string
	all   [5]*keys.File
	under keys.KEK // what the ring is under
}

// start puts a process with another KEK in the place of one.
func (c *changing) start(i int, k keys.KEK) {
	if c.all[i] != nil {
		c.all[i].Close()
	}
	c.all[i] = open(c.t, c.path, k, keys.FileConfig{PollOnly: true, Poll: 5 * time.Millisecond})
}

// check lets each process edit the ring, some after the file was lost, and checks that all see it.
func (c *changing) check(step string) {
	c.t.Helper()
	for i, f := range c.all {
		if i%2 == 1 {
			os.Remove(c.path) // and the edit writes it back
		}
		if err := f.Edit(c.t.Context(), rotate); err != nil {
			c.t.Fatalf("%s: process %d: %v", step, i, err)
		}
		if !opens(c.under, read(c.t, c.path)) {
			c.t.Fatalf("%s: process %d changed the KEK", step, i)
		}
		await(c.t, step+": all see it", func() bool {
			for _, other := range c.all {
				if doc(other.Ring()) != doc(f.Ring()) {
					return false
				}
			}
			return true
		})
	}
}

// While the KEK changes, each process is at a step of its own. All open the ring and edit it at any
// time, and what they write is under the KEK that the ring is under.
func TestKEKChangesProcessByProcess(t *testing.T) {
	old, _ := counted(1)
	next, _ := counted(2)
	c := changing{t: t, path: create(t, old, keys.Generate(0)), under: old}
	for i := range c.all {
		c.start(i, old)
	}
	c.check("before")
	for i := range c.all {
		c.start(i, keys.KEKs(old, next))
		c.check(fmt.Sprint("both, up to process ", i))
	}
	if err := keys.RewrapFile(t.Context(), c.path, old, next); err != nil {
		t.Fatal(err)
	}
	if c.under = next; !opens(next, read(t, c.path)) {
		t.Fatal("not rewrapped")
	}
	c.check("rewrapped")
	for i := range c.all {
		c.start(i, next)
		c.check(fmt.Sprint("the new one, up to process ", i))
	}
}
