package boltstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/boltstore"
)

func TestUsageIsTheSizeOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.db")
	s, err := boltstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Bytes == 0 || u.Bytes > file.Size() || u.Limit != 0 {
		t.Errorf("%+v %v, and the file has %d bytes", u, err, file.Size())
	}
}
