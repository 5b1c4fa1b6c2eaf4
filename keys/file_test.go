package keys_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// await waits for a condition that another goroutine or the system brings about.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	temp := path + ".test"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// logs collects what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) lines(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, path string, k keys.KEK, c keys.FileConfig) *keys.File {
	t.Helper()
	if c.Logger == nil {
		c.Logger = quiet
	}
	f, err := keys.OpenFile(context.Background(), path, k, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func rotate(r *keys.Ring) (*keys.Ring, error) {
	return r.Rotate(time.Now(), keys.Rotation{Immediate: true})
}

// create makes a ring in a new folder.
func create(t testing.TB, k keys.KEK, r *keys.Ring) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ring.jwe")
	if err := keys.CreateFile(t.Context(), path, k, r); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFileCreates(t *testing.T) {
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), filepath.Join(dir, "kek")
	if _, err := keys.OpenFile(t.Context(), path, keys.KEKFile(kek), keys.FileConfig{}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without Create: %v, want fs.ErrNotExist", err)
	}
	f := open(t, path, keys.KEKFile(kek), keys.FileConfig{Create: true, MaxSession: 7 * time.Hour})
	if f.Ring().MaxSession() != 7*time.Hour {
		t.Errorf("max session %v", f.Ring().MaxSession())
	}
	for _, name := range []string{path, kek} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	again := open(t, path, keys.KEKFile(kek), keys.FileConfig{Create: true, MaxSession: time.Hour})
	if doc(again.Ring()) != doc(f.Ring()) {
		t.Error("opening again made another ring")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 3 { // with the lock
		t.Errorf("left behind: %v", names)
	}
}

func TestOpenFileNeverReplaces(t *testing.T) {
	good := testdata(t, "ring-kek.jwe")
	for _, c := range []struct {
		name    string
		content []byte
		kek     func(dir string) keys.KEK
		want    error
	}{
		{"another kek", good, func(string) keys.KEK { return kekOf(must(keysKEK(1))) }, keys.ErrKEK},
		{"kek is gone", good, func(dir string) keys.KEK { return keys.KEKFile(filepath.Join(dir, "kek")) }, keys.ErrKEK},
		{"broken", good[:100], func(string) keys.KEK { return kekOf(goldenKEK) }, keys.ErrDocument},
		{"empty", nil, func(string) keys.KEK { return kekOf(goldenKEK) }, keys.ErrDocument},
		{"plain text", testdata(t, "ring.json"), func(string) keys.KEK { return kekOf(goldenKEK) }, keys.ErrKEK},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "ring.jwe")
			write(t, path, c.content)
			f, err := keys.OpenFile(t.Context(), path, c.kek(dir), keys.FileConfig{Create: true, Logger: quiet})
			if f != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, %v, want %v", f, err, c.want)
			}
			if !bytes.Equal(read(t, path), c.content) {
				t.Error("the file was changed")
			}
			if _, err := os.Stat(filepath.Join(dir, "kek")); err == nil {
				t.Error("a key was made for a ring that has one")
			}
			if err := keys.CreateFile(t.Context(), path, kekOf(goldenKEK), keys.Generate(0)); !errors.Is(err, fs.ErrExist) {
				t.Errorf("CreateFile: %v, want fs.ErrExist", err)
			}
		})
	}
}

// alter changes one character of the ciphertext to another one.
func alter(b []byte) []byte {
	b = bytes.Clone(b)
	if b[len(b)/2]++; b[len(b)/2] != 'B' {
		b[len(b)/2] = 'A'
	}
	return b
}

// keysKEK returns one of many keys.
func keysKEK(n byte) ([]byte, error) {
	b := bytes.Clone(goldenKEK)
	b[0] = n
	return b, nil
}

func TestOpenFileRefusesNonsense(t *testing.T) {
	path := create(t, keys.InsecurePlaintext(), keys.Generate(0))
	for _, c := range []keys.FileConfig{{MaxSession: -1}, {MaxSession: keys.LongestSession + 1}, {Poll: -1}} {
		if _, err := keys.OpenFile(t.Context(), path, keys.InsecurePlaintext(), c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := keys.CreateFile(t.Context(), filepath.Join(t.TempDir(), "no", "ring"), keys.InsecurePlaintext(), keys.Generate(0)); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "folder") {
		t.Errorf("no folder: %v", err)
	}
	if _, err := keys.OpenFile(t.Context(), t.TempDir(), keys.InsecurePlaintext(), keys.FileConfig{}); err == nil {
		t.Error("a folder was opened as a ring")
	}
}

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
			await(t, "the log tells", func() bool { return log.lines(`revoked=[`+kid+`]`) == 1 })
		})
	}
}

// Kubernetes keeps a secret in a folder of its own, behind a link that it swaps.
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
	// Another link, from a folder that never changes.
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

func TestEditThroughALink(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	link := filepath.Join(t.TempDir(), "ring.jwe")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := open(t, link, kek, keys.FileConfig{}).Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if got := open(t, path, kek, keys.FileConfig{}).Ring(); len(got.Keys()) != 2 {
		t.Errorf("the file holds %v", got)
	}
}

// A file that is put back from a backup takes nothing away, and the next edit
// writes what it lacks.
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

func must2[T any](v T, ok bool) T {
	if !ok {
		panic("not there")
	}
	return v
}

// Encrypted anew, a ring is the same ring, expired keys and all.
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

// Whatever happens to the file, the ring in memory stays, the log says so once, and
// once more when all is well again.
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
		{"a folder", func(t *testing.T, path string) {
			os.Remove(path)
			os.Mkdir(path, 0o700)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kek := kekOf(goldenKEK)
				path := create(t, kek, keys.Generate(0))
				good := read(t, path)
				var log logs
				f := open(t, path, kek, keys.FileConfig{PollOnly: true, Logger: log.logger()})
				defer f.Close()
				had := f.Ring()
				// Many polls, and then a moment at which none is under way and
				// Refresh looks itself.
				const between = time.Minute + 2*time.Second
				for round := 1; round <= 2; round++ {
					c.spoil(t, path)
					time.Sleep(between)
					if f.Ring() != had {
						t.Fatal("the ring changed")
					}
					if n := log.lines("WARN"); n != round {
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
					if n := log.lines("can be read again"); n != round {
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
				if log.lines("") == 0 || l.in(log.buf.String()) {
					t.Errorf("no log, or a secret in it: %s", &log.buf)
				}
			})
		})
	}
}

// The KEK is asked for when bytes changed and at no other time; what failed is
// tried again when either changed.
func TestKEKIsAskedForChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
		write(t, path, read(t, path)) // another file, the same bytes
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
		// A ring under a new KEK, which we get later.
		wrong.Store(true)
		r = must(rotate(r))
		write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), r)))
		time.Sleep(time.Minute)
		if len(f.Ring().Keys()) != 2 {
			t.Fatal("opened with a wrong key")
		}
		wrong.Store(false)
		time.Sleep(time.Minute)
		if len(f.Ring().Keys()) != 3 {
			t.Error("not tried again with the right KEK")
		}
	})
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		kek := keys.KEKFunc(func(context.Context) ([]byte, error) {
			asked.Add(1)
			time.Sleep(100 * time.Millisecond) // a service takes its time
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
		// Too soon after that: it is put off, not forgotten.
		change()
		flood()
		if n := asked.Load() - start; n != 1 {
			t.Fatalf("%d looks within a second", n)
		}
		time.Sleep(1200 * time.Millisecond)
		if n := asked.Load() - start; n != 2 || len(f.Ring().Keys()) != 3 {
			t.Fatalf("%d looks a second later, %v", n, f.Ring())
		}
		time.Sleep(time.Minute)
		if n := asked.Load() - start; n != 2 {
			t.Errorf("%d looks in the end", n)
		}
		// A caller that gives up gets its own error, and nobody else does.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		change()
		if err := f.Refresh(ctx); !errors.Is(err, context.Canceled) && err != nil {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestEdit(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(time.Hour))
	f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
	before, had := read(t, path), f.Ring()
	unchanged := func() {
		t.Helper()
		if !bytes.Equal(before, read(t, path)) || f.Ring() != had {
			t.Error("something was written")
		}
	}
	boom := errors.New("no")
	if err := f.Edit(t.Context(), func(*keys.Ring) (*keys.Ring, error) { return nil, boom }); err != boom {
		t.Errorf("%v, want the edit's own error", err)
	}
	unchanged()
	if err := f.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r, nil }); err != nil {
		t.Error(err)
	}
	unchanged()
	if err := f.Edit(t.Context(), func(*keys.Ring) (*keys.Ring, error) { return nil, nil }); err == nil {
		t.Error("no ring was taken")
	}
	unchanged()
	if err := f.Edit(t.Context(), func(*keys.Ring) (*keys.Ring, error) { return keys.Generate(0), nil }); !errors.Is(err, keys.ErrForeign) {
		t.Errorf("%v, want ErrForeign", err)
	}
	unchanged()

	// What an edit forgets stays.
	if err := f.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	if err := f.Edit(t.Context(), func(*keys.Ring) (*keys.Ring, error) { return had.Rotate(time.Now(), keys.Rotation{}) }); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Ring().Keys()); n != 3 {
		t.Errorf("%d keys, want 3", n)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	// A file that is gone comes back with all that is known.
	os.Remove(path)
	if err := f.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), r.Keys()[2].ID()) }); err != nil {
		t.Fatal(err)
	}
	if got := open(t, path, kek, keys.FileConfig{}).Ring(); doc(got) != doc(f.Ring()) || len(got.Keys()) != 3 {
		t.Errorf("the file holds %v", got)
	}
}

// A ring with expired keys, pruned, is pruned in the file too.
func TestEditPrunes(t *testing.T) {
	kek := kekOf(goldenKEK)
	old := must(keys.Parse(testdata(t, "ring.json"))) // keys of January 2026
	path := create(t, kek, old)
	f := open(t, path, kek, keys.FileConfig{PollOnly: true, Poll: time.Hour})
	if n := len(f.Ring().Keys()); n != 3 {
		t.Fatalf("%d keys, want 3: reading a ring drops nothing of it", n)
	}
	if err := f.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Prune(time.Now()), nil }); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Ring().Keys()); n != 1 {
		t.Errorf("%d keys in memory, want 1", n)
	}
	if n := len(open(t, path, kek, keys.FileConfig{}).Ring().Keys()); n != 1 {
		t.Errorf("%d keys in the file, want 1", n)
	}
}

func TestEditsTakeTurns(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	var all sync.WaitGroup
	const files, edits = 4, 8
	for range files {
		f := open(t, path, kek, keys.FileConfig{})
		for range edits {
			all.Go(func() {
				if err := f.Edit(context.Background(), rotate); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() { // a reader beside them
			for range 1000 {
				f.Ring().Sealing(time.Now())
			}
		})
	}
	all.Wait()
	if n := len(open(t, path, kek, keys.FileConfig{}).Ring().Keys()); n != 1+files*edits {
		t.Errorf("%d keys after %d rotations", n, files*edits)
	}
}

func TestEditGivesUpWaiting(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	holder, waiter := open(t, path, kek, keys.FileConfig{}), open(t, path, kek, keys.FileConfig{})
	holding, release := make(chan bool), make(chan bool)
	var all sync.WaitGroup
	all.Go(func() {
		holder.Edit(context.Background(), func(r *keys.Ring) (*keys.Ring, error) {
			holding <- true
			<-release
			return r, nil
		})
	})
	<-holding
	for _, f := range []*keys.File{waiter, holder} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if err := f.Edit(ctx, rotate); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want context.DeadlineExceeded", err)
		}
		cancel()
	}
	close(release)
	all.Wait()
	if err := waiter.Edit(t.Context(), rotate); err != nil {
		t.Errorf("once the lock is free: %v", err)
	}
}

func TestClosedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		kek := kekOf(goldenKEK)
		path := create(t, kek, keys.Generate(0))
		f := open(t, path, kek, keys.FileConfig{PollOnly: true})
		r := f.Ring()
		for range 2 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if f.Ring() != r {
			t.Error("the ring is gone")
		}
		if err := f.Refresh(t.Context()); !errors.Is(err, keys.ErrClosed) {
			t.Errorf("Refresh: %v, want ErrClosed", err)
		}
		if err := f.Edit(t.Context(), rotate); !errors.Is(err, keys.ErrClosed) {
			t.Errorf("Edit: %v, want ErrClosed", err)
		}
	})
}

func TestStatic(t *testing.T) {
	r := keys.Generate(0)
	s := keys.Static(r)
	if s.Ring() != r || s.Refresh(t.Context()) != nil {
		t.Error("it is not what it was given")
	}
	if _, ok := s.(keys.Editor); ok {
		t.Error("it can be edited")
	}
}

// What is written beside a ring by a crash holds a ring too: it goes with the next
// write.
func TestLeftoversGo(t *testing.T) {
	kek := kekOf(goldenKEK)
	path := create(t, kek, keys.Generate(0))
	write(t, path+".new", []byte("half a ring"))
	if err := open(t, path, kek, keys.FileConfig{}).Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
