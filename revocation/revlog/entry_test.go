package revlog_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// ParsePacked and AppendPacked are inverse, byte for byte, for entries of every version.
func FuzzParsePacked(f *testing.F) {
	for _, e := range []revlog.Entry{
		{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeSession, Tag: revlog.Tag{1}, MAC: [8]byte{2}},
		{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeGroup, Tag: revlog.Tag{1}, Limit: 1 << 40, MAC: [8]byte{2}},
		{Version: 0x95, Effect: 0x27, Scope: 'z', Params: "region: eu", Limit: revlog.Forever, MAC: [8]byte{0xff}},
		{Version: revlog.EntryVersion, Effect: revlog.Reload.Byte(), Scope: revlog.ScopeSession, Tag: revlog.Tag{1}, Limit: 1 << 40, MAC: [8]byte{2}},
		{Version: revlog.EntryVersion, Effect: revlog.RequireLogin.Byte(), Scope: revlog.ScopeEveryone, Params: strings.Repeat("p", revlog.MaxParams), Limit: 1},
		{Version: revlog.EntryVersion, Effect: revlog.EndSlowly.Byte(), Scope: revlog.ScopeGroup, Params: revlog.OverParams(time.Hour, [8]byte{9}), Limit: 1 << 40},
		{Version: revlog.EntryVersion, Effect: revlog.EndSlowly.Byte(), Scope: revlog.ScopeEveryone, Params: "over=1-00000000000000AA"},
		{Version: revlog.EntryVersion, Effect: revlog.EndSlowly.Byte(), Scope: revlog.ScopeKey, Params: revlog.OverParams(time.Hour, [8]byte{9})},
		{Version: revlog.EntryVersion, Effect: 0x0f, Scope: revlog.ScopeSubject},
		{Version: revlog.EntryVersion, Effect: 0xf0, Scope: revlog.ScopeSession},
	} {
		b := e.AppendPacked(nil)
		f.Add(b)
		f.Add(append(b, "and more"...))
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	long := revlog.Entry{Version: 0x11, Effect: revlog.Reload.Byte(), Scope: revlog.ScopeSubject}.AppendPacked(nil)
	long[19] = revlog.MaxParams + 1
	f.Add(append(long, make([]byte, revlog.MaxParams+1)...))
	f.Add(append([]byte{0}, long[1:]...))
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
		if e.Understood() && (e.Version&15 != 1 || e.Version < 0x11 || e.Effect != e.Does().Byte() || e.Does() > revlog.Reload ||
			e.Does() != revlog.End && e.Scope == revlog.ScopeKey || (e.Does() == revlog.EndSlowly) != (e.Over() > 0) || e.Over() > revlog.MaxOver) {
			t.Errorf("%+v is understood", e)
		}
		if len(b) > 0 && b[0] == 0 {
			t.Errorf("%x has no version", b)
		}
		e.Out(revlog.Tag{0xff, 0xff, 0xff})
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

// R37: a session ends between the watermark and the time that the parameters say, which have one form.
func TestR37WhatOverSays(t *testing.T) {
	for params, want := range map[string]time.Duration{
		revlog.OverParams(time.Hour, [8]byte{1, 0xab}):               time.Hour,
		revlog.OverParams(time.Millisecond, [8]byte{}):               time.Millisecond,
		revlog.OverParams(revlog.MaxOver, [8]byte{0xff}):             revlog.MaxOver,
		revlog.OverParams(revlog.MaxOver+time.Second, [8]byte{0xff}): 0,
		revlog.OverParams(0, [8]byte{1}):                             0,
		revlog.OverParams(-time.Hour, [8]byte{1}):                    0,
		"": 0, "over=": 0, "over=3600000": 0, "over=3600000-": 0, "3600000-0100000000000000": 0,
		"over=03600000-0100000000000000": 0, "over=+3600000-0100000000000000": 0, "over=3600000-01000000000000": 0,
		"over=3600000-0100000000000000 ": 0, "over=3600000-01000000000000AB": 0, "over=3600000-0100000000000000-": 0,
		"over=9223372036854775808-0100000000000000": 0, "OVER=3600000-0100000000000000": 0,
	} {
		e := revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.EndSlowly.Byte(), Scope: revlog.ScopeGroup, Params: params, W: 1000}
		if got := e.Over(); got != want || e.Understood() != (want > 0) {
			t.Errorf("%q: %v, understood %t, want %v", params, got, e.Understood(), want)
		}
		first, last := e.Out(revlog.Tag{}), e.Out(revlog.Tag{0xff, 0xff, 0xff})
		if first != 1000 || last < first || last > 1000+want.Milliseconds() {
			t.Errorf("%q: from %d to %d", params, first, last)
		}
	}
}
