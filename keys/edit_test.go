package keys_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

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

	// Keys that an edit leaves out stay.
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

	// A missing file is written again with every known key.
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
	old := must(keys.Parse(testdata(t, "ring.json"))) // its keys are of January 2026
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

// A file that a crash left beside a ring holds a ring too. The next write removes it.
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
