package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// The audit record and the answer of an import say what the merge did, even if the ring changed after it
// was looked at.
func TestImportSaysWhatItDid(t *testing.T) {
	file := openThreeKeys(t)
	var copied *keys.Ring
	ring := meanwhileRing{file, keys.NewMeter(), func() { // another process imports the same copy
		if err := file.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Merge(copied) }); err != nil {
			t.Error(err)
		}
	}}
	var err error
	if copied, err = file.Ring().Rotate(time.Now(), keys.Rotation{}); err != nil {
		t.Fatal(err)
	}
	cmd := keysImport()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetContext(t.Context())
	f := &keysCopy{json: new(bool)}
	if err := f.merge(cmd, fileRing{path: "ring.json"}, ring, copied); err != nil {
		t.Fatal(err)
	}
	if errs.Len() > 0 || !strings.Contains(out.String(), "knows all of it already; nothing was changed") {
		t.Errorf("output %q, audit %q", &out, &errs)
	}
}

func openThreeKeys(t *testing.T) *keys.File {
	t.Helper()
	ring, err := keys.Parse([]byte(threeKeys))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ring.json")
	if err := keys.CreateFile(t.Context(), path, keys.InsecurePlaintext(), ring); err != nil {
		t.Fatal(err)
	}
	file, err := keys.OpenFile(t.Context(), path, keys.InsecurePlaintext(), keys.FileConfig{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}
