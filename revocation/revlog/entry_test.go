package revlog_test

import (
	"bytes"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// ParsePacked and AppendPacked are inverse, byte for byte, for entries of every version.
func FuzzParsePacked(f *testing.F) {
	for _, e := range []revlog.Entry{
		{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeSession, Tag: revlog.Tag{1}, MAC: [8]byte{2}},
		{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeGroup, Tag: revlog.Tag{1}, Limit: 1 << 40, MAC: [8]byte{2}},
		{Version: 0x95, Effect: 0x27, Scope: 'z', Params: "region: eu", Limit: revlog.Forever, MAC: [8]byte{0xff}},
	} {
		b := e.AppendPacked(nil)
		f.Add(b)
		f.Add(append(b, "and more"...))
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, ok := revlog.ParsePacked(b)
		if !ok {
			if !bytes.Equal(rest, b) {
				t.Errorf("a failed parse of %x returned the rest %x", b, rest)
			}
			return
		}
		if again := append(e.AppendPacked(nil), rest...); !bytes.Equal(again, b) {
			t.Errorf("%x is written again as %x", b, again)
		}
		if len(e.Params) > revlog.MaxParams || e.Limit < 0 || e.Limit > revlog.Forever {
			t.Errorf("out of bounds: %+v", e)
		}
		if e.Understood() && (e.Version&15 != 1 || e.Version < 0x11 || e.Effect != revlog.End.Byte()) {
			t.Errorf("%+v is understood", e)
		}
	})
}

// R12: a reader understands an entry only if its lowest reader is not later than this release, and
// its effect, origin and scope are known.
func TestR12WhatIsUnderstood(t *testing.T) {
	for _, tt := range []struct {
		name            string
		version, effect byte
		scope           revlog.Scope
		want            bool
	}{
		{"today's", revlog.EntryVersion, revlog.End.Byte(), revlog.ScopeSubject, true},
		{"a later version that this release understands", 0x21, revlog.End.Byte(), revlog.ScopeSubject, true},
		{"a later version that needs a later reader", 0x22, revlog.End.Byte(), revlog.ScopeSubject, false},
		{"a version before its lowest reader", 0x01, revlog.End.Byte(), revlog.ScopeSubject, false},
		{"no lowest reader", 0x10, revlog.End.Byte(), revlog.ScopeSubject, false},
		{"another effect", revlog.EntryVersion, 0x90, revlog.ScopeSubject, false},
		{"another origin", revlog.EntryVersion, 0x11, revlog.ScopeSubject, false},
		{"no effect", revlog.EntryVersion, 0, revlog.ScopeSubject, false},
		{"another scope", revlog.EntryVersion, revlog.End.Byte(), 'z', false},
	} {
		if got := (revlog.Entry{Version: tt.version, Effect: tt.effect, Scope: tt.scope}).Understood(); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
