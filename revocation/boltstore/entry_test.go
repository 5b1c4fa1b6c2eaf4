package boltstore

import (
	"bytes"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, entrySize))
	f.Add(bytes.Repeat([]byte{0xff}, entrySize))
	f.Add(appendEntry(nil, revlog.Entry{
		Version: 1, Scope: revlog.ScopeGroup, Tag: revlog.Tag{1, 2}, W: revlog.Forever, Until: 5,
		Position: revlog.Position{MS: 1, N: 2}, MAC: [8]byte{3}, Chain: [8]byte{4},
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEntry(b)
		if err != nil {
			return
		}
		if again := appendEntry(nil, e); !bytes.Equal(again, b) {
			t.Errorf("%x parsed and written again is %x", b, again)
		}
	})
}
