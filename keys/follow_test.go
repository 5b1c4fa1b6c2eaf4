package keys_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

func TestFileFollows(t *testing.T) {
	for name, c := range map[string]keys.FileConfig{
		"told by the system": {Poll: time.Hour},
		"polling":            {Poll: 10 * time.Millisecond, PollOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			kek := kekOf(goldenKEK)
			path := create(t, kek, keys.Generate(0))
			var log logs
			c.Logger = log.logger()
			reader, writer := open(t, path, kek, c), open(t, path, kek, keys.FileConfig{})
			first := reader.Ring()
			if err := writer.Edit(t.Context(), rotate); err != nil {
				t.Fatal(err)
			}
			await(t, "the reader has the new key", func() bool { return doc(reader.Ring()) == doc(writer.Ring()) })
			if reader.Ring() == first || len(first.Keys()) != 1 {
				t.Error("a ring changed in place")
			}
			kid := first.Keys()[0].ID()
			if err := writer.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), kid) }); err != nil {
				t.Fatal(err)
			}
			await(t, "the reader has the revocation", func() bool {
				k, _ := reader.Ring().Key(kid)
				_, revoked := k.Revoked()
				return revoked
			})
			await(t, "the log tells", func() bool { return log.Count(`revoked=[`+kid+`]`) == 1 })
		})
	}
}

// Kubernetes keeps a secret in its own folder, behind a link that it swaps.
func TestFileFollowsLinksThatSwap(t *testing.T) {
	dir, kek := t.TempDir(), kekOf(goldenKEK)
	publish := func(version string, r *keys.Ring) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "ring.jwe"), must(kek.Seal(t.Context(), r)))
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	r := keys.Generate(0)
	publish("..2026_01", r)
	path := filepath.Join(dir, "ring.jwe")
	if err := os.Symlink(filepath.Join("..data", "ring.jwe"), path); err != nil {
		t.Fatal(err)
	}
	// This is another link, from a folder that never changes.
	far := filepath.Join(t.TempDir(), "far.jwe")
	if err := os.Symlink(path, far); err != nil {
		t.Fatal(err)
	}
	near := open(t, path, kek, keys.FileConfig{Poll: time.Hour})
	poll := open(t, far, kek, keys.FileConfig{Poll: 10 * time.Millisecond})
	for _, version := range []string{"..2026_02", "..2026_03", "..2026_04"} {
		r = must(rotate(r))
		publish(version, r)
		await(t, version+" was read", func() bool { return doc(near.Ring()) == doc(r) && doc(poll.Ring()) == doc(r) })
	}
	os.RemoveAll(filepath.Join(dir, "..2026_01"))
}

// Restoring a file from a backup removes nothing, and the next edit writes what the file lacks.
func TestReloadIsAUnion(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	backup := read(t, path)
	f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
	first := f.Ring().Keys()[0].ID()
	if err := f.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), first) }); err != nil {
		t.Fatal(err)
	}
	had := f.Ring()
	write(t, path, backup)
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if doc(f.Ring()) != doc(had) {
		t.Errorf("it holds %s, and held %s", f.Ring(), had)
	}
	if err := f.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	got := open(t, path, kek, keys.FileConfig{}).Ring()
	if len(got.Keys()) != 3 || got.State(must2(got.Key(first)), time.Now()) != keys.Revoked {
		t.Errorf("the file holds %v: %v", got, states(got, time.Now()))
	}
}

// A ring that is encrypted anew is the same ring, with its expired keys.
func TestSameRingSamePointer(t *testing.T) {
	kek, old := kekOf(goldenKEK), must(keys.Parse(testdata(t, "ring.json")))
	path := create(t, kek, old)
	f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
	had := f.Ring()
	write(t, path, must(kek.Seal(t.Context(), old)))
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.Ring() != had {
		t.Error("the ring is another pointer, though nothing changed")
	}
}

// Whatever happens to the file, the ring in memory stays. The log says so once, and once more when
// the file is readable again.
func TestFileThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  error
	}{
		{"gone", func(t *testing.T, path string) { os.Remove(path) }, fs.ErrNotExist},
		{"empty", func(t *testing.T, path string) { write(t, path, nil) }, keys.ErrDocument},
		{"broken", func(t *testing.T, path string) { write(t, path, read(t, path)[:200]) }, keys.ErrDocument},
		{"altered", func(t *testing.T, path string) {
			write(t, path, alter(read(t, path)))
		}, keys.ErrKEK},
		{"plain text", func(t *testing.T, path string) { write(t, path, keys.Generate(0).PlaintextJWKSet()) }, keys.ErrKEK},
		{"another ring", func(t *testing.T, path string) {
			write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), keys.Generate(0))))
		}, keys.ErrForeign},
		{"open to others", func(t *testing.T, path string) { chmod(t, path, 0o644) }, keys.ErrExposed},
		{"oversized", func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("a"), 4<<20)) }, keys.ErrDocument},
		{"hostile argon2", func(t *testing.T, path string) {
			write(t, path, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id","salt":"jiHTZQ-bR8oSeO9WkKs0zQ","t":13,"m":8192,"p":1}`))
		}, keys.ErrDocument},
		{"a link to nothing", func(t *testing.T, path string) {
			os.Remove(path)
			os.Symlink(path+".gone", path)
		}, fs.ErrNotExist},
		{"a folder", func(t *testing.T, path string) {
			os.Remove(path)
			os.Mkdir(path, 0o700)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				kek := kekOf(goldenKEK)
				path := create(t, kek, keys.Generate(0))
				good := read(t, path)
				var log logs
				f := open(t, path, kek, keys.FileConfig{PollOnly: true, Logger: log.logger()})
				defer f.Close()
				had := f.Ring()
				// Long enough for many polls, ending at a moment at which none is under way, so
				// that Refresh itself reads.
				const between = time.Minute + 2*time.Second
				for round := 1; round <= 2; round++ {
					c.spoil(t, path)
					time.Sleep(between)
					if f.Ring() != had {
						t.Fatal("the ring changed")
					}
					if n := log.Count("WARN"); n != round {
						t.Errorf("round %d: %d warnings", round, n)
					}
					err := f.Refresh(t.Context())
					if err == nil || c.want != nil && !errors.Is(err, c.want) {
						t.Errorf("Refresh: %v, want %v", err, c.want)
					}
					if c.want != nil && !errors.Is(c.want, fs.ErrNotExist) {
						before := read(t, path)
						if err := f.Edit(t.Context(), rotate); !errors.Is(err, c.want) {
							t.Errorf("Edit: %v, want %v", err, c.want)
						}
						if !bytes.Equal(before, read(t, path)) {
							t.Error("Edit wrote over what it could not read")
						}
					}
					if c.want == nil {
						os.Remove(path) // a folder
					}
					write(t, path, good)
					time.Sleep(between)
					if n := log.Count("can be read again"); n != round {
						t.Errorf("round %d: told %d times that all is well", round, n)
					}
				}
				if f.Ring() != had {
					t.Error("the ring is another pointer, though nothing changed")
				}
				var l leak
				for _, s := range append(secretsOf(had), goldenKEK) {
					l.add(s)
				}
				if log.Count("") == 0 || l.in(log.String()) {
					t.Errorf("no log, or a secret in it: %s", &log)
				}
			})
		})
	}
}

// The KEK is asked for only when the bytes changed. A failure is retried when the bytes or the KEK
// changed.
func TestKEKIsAskedForChangesOnly(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var wrong atomic.Bool
		kek := keys.KEKFunc(func(context.Context) ([]byte, error) {
			asked.Add(1)
			if wrong.Load() {
				return keysKEK(1)
			}
			return goldenKEK, nil
		})
		r := keys.Generate(0)
		path := create(t, kek, r)
		f := open(t, path, kek, keys.FileConfig{PollOnly: true})
		defer f.Close()
		start := asked.Load()
		time.Sleep(time.Hour)
		write(t, path, read(t, path)) // a new file with the same bytes
		time.Sleep(time.Hour)
		if n := asked.Load() - start; n != 0 {
			t.Errorf("asked %d times, though nothing changed", n)
		}
		r = must(rotate(r))
		write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), r)))
		time.Sleep(time.Hour)
		if n := asked.Load() - start; n != 1 || len(f.Ring().Keys()) != 2 {
			t.Errorf("asked %d times for one change, %v", n, f.Ring())
		}
		// The ring is under a new KEK, which arrives later.
		wrong.Store(true)
		r = must(rotate(r))
		write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), r)))
		start = asked.Load()
		for range 60 { // as unknown kids do
			f.Refresh(t.Context())
			time.Sleep(time.Second)
		}
		if len(f.Ring().Keys()) != 2 {
			t.Fatal("opened with a wrong key")
		}
		if n := asked.Load() - start; n < 2 || n > 5 {
			t.Errorf("asked %d times in a minute for a ring that does not open", n)
		}
		wrong.Store(false)
		time.Sleep(time.Minute)
		if len(f.Ring().Keys()) != 3 {
			t.Error("not tried again with the right KEK")
		}
	})
}

func TestRefresh(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		kek := keys.KEKFunc(func(context.Context) ([]byte, error) {
			asked.Add(1)
			time.Sleep(100 * time.Millisecond) // a service is slow
			return goldenKEK, nil
		})
		r := keys.Generate(0)
		path := create(t, kek, r)
		f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
		defer f.Close()
		change := func() {
			r = must(rotate(r))
			write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), r)))
		}
		flood := func() {
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if err := f.Refresh(t.Context()); err != nil {
						t.Errorf("Refresh: %v", err)
					}
				})
			}
			all.Wait()
		}
		start := asked.Load()
		change()
		flood()
		if n := asked.Load() - start; n != 1 || len(f.Ring().Keys()) != 2 {
			t.Fatalf("%d looks, %v", n, f.Ring())
		}
		// The change comes too soon after the last read: callers wait for the next one, which they share.
		change()
		began := time.Now()
		flood()
		if n, d := asked.Load()-start, time.Since(began); n != 2 || len(f.Ring().Keys()) != 3 || d > 1200*time.Millisecond {
			t.Fatalf("%d looks after %v, %v", n, d, f.Ring())
		}
		time.Sleep(time.Minute)
		if n := asked.Load() - start; n != 2 {
			t.Errorf("%d looks in the end", n)
		}
		// A caller that gives up gets its own error, and no other caller does.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		change()
		if err := f.Refresh(ctx); !errors.Is(err, context.Canceled) && err != nil {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// Those who wait for the next read learn that it failed, and that there is none.
func TestRefreshThatWaits(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		path := create(t, kekOf(goldenKEK), keys.Generate(0))
		f := open(t, path, kekOf(goldenKEK), keys.FileConfig{PollOnly: true, Poll: time.Hour})
		if err := f.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte("broken"))
		if err := f.Refresh(t.Context()); !errors.Is(err, keys.ErrDocument) {
			t.Errorf("Refresh of a broken file = %v", err)
		}
		result := make(chan error)
		go func() { result <- f.Refresh(t.Context()) }()
		synctest.Wait()
		f.Close()
		if err := <-result; !errors.Is(err, keys.ErrClosed) {
			t.Errorf("Refresh while it was closed = %v", err)
		}
	})
}
