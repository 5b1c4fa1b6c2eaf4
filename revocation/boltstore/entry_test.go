package boltstore

import (
	"bytes"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, entryHead))
	f.Add(bytes.Repeat([]byte{0xff}, 2*entryHead))
	for _, scope := range []revlog.Scope{revlog.ScopeGroup, revlog.ScopeSession} {
		f.Add(appendEntry(nil, revlog.Entry{
			Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: scope, Tag: revlog.Tag{1, 2}, W: revlog.Forever, Until: 5,
			Position: revlog.Position{MS: 1, N: 2}, Limit: revlog.Forever, Params: "later", MAC: [8]byte{3}, Chain: [8]byte{4}, Quiet: true,
		}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEntry(b)
		if err != nil {
			return
		}
		if again := appendEntry(nil, e); !bytes.Equal(again, b) {
			t.Errorf("%x is written again as %x", b, again)
		}
	})
}
