package keys_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// Five processes follow a file. It is lost, replaced or put back from a backup of before a
// revocation. Nobody is logged out, and the revoked key stays revoked. The next edit writes back
// what the file lacks, and a process that starts then has it all.
func TestFilesKeepTheirRing(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(path string, backup []byte)
		edit  error // of edits meanwhile
	}{
		"deleted": {func(path string, _ []byte) { os.Remove(path) }, nil},
		"a foreign ring": {func(path string, _ []byte) {
			write(t, path, must(kekOf(goldenKEK).Seal(t.Context(), keys.Generate(0))))
		}, keys.ErrForeign},
		"a backup": {func(path string, backup []byte) { write(t, path, backup) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			kek := kekOf(goldenKEK)
			path := create(t, kek, keys.Generate(0))
			backup := read(t, path)
			var fleet []*keys.File
			for range 5 {
				fleet = append(fleet, open(t, path, kek, keys.FileConfig{Poll: 10 * time.Millisecond}))
			}
			leaked := fleet[0].Ring().Keys()[0].ID()
			if err := fleet[0].Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), leaked) }); err != nil {
				t.Fatal(err)
			}
			seals := sealing(t, fleet[0].Ring(), time.Now()).ID()
			whole := func() bool { return haveBoth(fleet, seals, leaked) }
			await(t, "all heard of the revocation", whole)
			good := read(t, path)
			c.fault(path, backup)
			for _, f := range fleet {
				f.Refresh(t.Context()) // it may fail
			}
			if !whole() {
				t.Error("a replica gave up a key or a revocation")
			}
			if err := fleet[1].Edit(t.Context(), rotate); !errors.Is(err, c.edit) {
				t.Fatalf("Edit = %v, want %v", err, c.edit)
			} else if err != nil {
				write(t, path, good)
			}
			fleet = append(fleet, open(t, path, kek, keys.FileConfig{}))
			if !whole() {
				t.Error("a process that starts now lacks a key or a revocation")
			}
		})
	}
}

// haveBoth reports whether all open what one key sealed, and know that another is revoked.
func haveBoth(fleet []*keys.File, opens, revoked string) bool {
	for _, f := range fleet {
		r, now := f.Ring(), time.Now()
		k, _ := r.Key(opens)
		old, _ := r.Key(revoked)
		if s := r.State(k, now); s != keys.Sealing && s != keys.Opening || r.State(old, now) != keys.Revoked {
			return false
		}
	}
	return true
}
