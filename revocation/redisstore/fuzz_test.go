package redisstore

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The fuzz tests use replies in the form that the client returns: text, numbers, lists and nil, to
// any depth. encode and decode convert them to bytes and back.
func encode(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		b = append(b, 's', byte(len(v)>>8), byte(len(v)))
		return append(b, v...)
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
	case []any:
		b = append(b, 'l', byte(len(v)))
		for _, part := range v {
			b = encode(b, part)
		}
		return b
	}
	return append(b, 'n')
}

func decode(b []byte, depth int) (any, []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	kind, b := b[0], b[1:]
	switch {
	case kind == 's' && len(b) >= 2:
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		return string(b[2 : 2+n]), b[2+n:]
	case kind == 'i' && len(b) >= 8:
		return int64(binary.BigEndian.Uint64(b)), b[8:]
	case kind == 'l' && len(b) >= 1 && depth < 8:
		n, list := int(b[0]), []any{}
		for b = b[1:]; n > 0 && len(b) > 0; n-- {
			var part any
			part, b = decode(b, depth+1)
			list = append(list, part)
		}
		return list, b
	}
	return nil, b
}

var (
	aQuestion = revlog.Question{Groups: make([]revlog.Tag, 2), Keys: make([]revlog.Tag, 1)}
	aBatch    = asked{1, &aQuestion, &aQuestion}

	aLine   = string(append6(append6([]byte{0, 0, 0, 7}, 1_700_000_000_000), 1_700_000_000_001))
	aRaise  = string(append6(append6(nil, 0), 9_000_000))
	aHead   = []any{"1", strings.Repeat("g", 16), strings.Repeat("k", 16), "1700000000000", "3", "1700000000005", "chainsum", "0", aLine, aRaise, "0-0", "1", "2", "0"}
	aSigned = revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeSession, Tag: revlog.Tag([]byte("a tag of a thing")), MAC: [8]byte([]byte("macmacma"))}
	aGlobal = revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeEveryone, Params: "later", Limit: 1_700_000_000_009, MAC: [8]byte([]byte("MACMACMA"))}
	aReload = revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.Reload.Byte(), Scope: revlog.ScopeSession, Tag: revlog.Tag([]byte("a tag of a thing")), Params: strings.Repeat("p", revlog.MaxParams), Limit: maxNumber, MAC: [8]byte([]byte("macMACma"))}
	aSlow   = revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.EndSlowly.Byte(), Scope: revlog.ScopeEveryone, Params: revlog.OverParams(time.Hour, [8]byte{7}), Limit: 1_700_000_000_009, MAC: [8]byte([]byte("MACmacMA"))}
	aLater  = revlog.Entry{Version: 0x22, Effect: 0x9f, Scope: revlog.ScopeGroup, Params: "p", Limit: 1, MAC: [8]byte([]byte("later..."))}
	aEntry  = string(aSigned.AppendPacked(nil)) + "chainsum"
	aMark   = string(append6(append6(aGlobal.AppendPacked(nil), 1_700_000_000_003), 1_700_009_000_000)) + "chainsum"
	aHeld   = string(aGlobal.AppendPacked(append(append6(nil, 1_700_000_000_003), 1)))
	aLog    = []any{[]any{"1700000000003-1", []any{"0", aEntry}}, []any{"1700000000005-3", []any{"1", aMark + aMark}}}
	aAnswer = []any{string(aSigned.AppendPacked(append(append6(nil, maxNumber), 0))), aHeld}
	aPage   = []any{aHead, int64(12), aLog, aLog[0], int64(1_700_000_000_010), int64(4), []any{"e" + strings.Repeat("\x00", 16), aField}}
	aField  = string(append6(append6(nil, 5), 9)) + aHeld[7:9] + aHeld[26:]
	aAsk    = string(append6(append6(aReload.AppendPacked(nil), 1_700_000_000_003), 1_700_009_000_000)) + "chainsum"
	aAsks   = []any{aHeldBy(aSigned), aHeldBy(aReload), aHeldBy(aSlow), aHeldBy(aLater)}
	aMany   = aField + "+" + aFieldOf(aSlow) + "+" + aFieldOf(aReload)
	aWrite  = []any{int64(1), aHead, int64(3), int64(1_700_000_000_006), []any{int64(1_700_000_000_005), int64(2), int64(0), int64(maxNumber), aHeld}, aAnswer}
	aRefuse = []any{int64(0), aHead, int64(3), int64(1_700_000_000_006), []any{}, aAnswer}
)

// aHeldBy returns e as packed in exact.lua returns it, and aFieldOf as the hash of global entries holds it.
func aHeldBy(e revlog.Entry) string {
	return string(e.AppendPacked(append(append6(nil, 1_700_000_000_003), 1)))
}

func aFieldOf(e revlog.Entry) string {
	b := e.AppendPacked(nil)
	return string(append6(append6(nil, 5), 9)) + string(b[:2]) + string(b[19:])
}

// aPageWith returns a page with the value of one global entry.
func aPageWith(value string) []any {
	p := slices.Clone(aPage)
	p[len(p)-1] = []any{"e" + strings.Repeat("\x00", 16), value, "v", "check"}
	return p
}

// The seeds of the fuzz tests are valid replies.
func TestFuzzSeedsAreReplies(t *testing.T) {
	var d decoder
	st := &Store{perItem: new(atomic.Int64)}
	p := d.page(aPage)
	st.take(&d, &p, aLog, p.Oldest, 10, 10)
	if p.Clock == 0 || p.Roll != 4 || d.err != nil || len(p.Entries) != 3 || p.More || p.Oldest.N != 1 || len(p.Globals) != 1 || p.Entries[2].W == 0 || p.Globals[0].MAC != aGlobal.MAC {
		t.Errorf("page: %+v, %v", p, d.err)
	}
	if a := d.confirmed([]any{aHead, int64(0), int64(1_700_000_000_003), aAnswer}); d.err != nil || len(a.Found) != 2 || a.Found[1].Params != "later" {
		t.Errorf("answer: %+v, %v", a, d.err)
	}
	if w := d.written(aWrite, aBatch); d.err != nil || w.Refused != nil || len(w.Then.Found) != 2 || w.Results[0].Held.Limit != aGlobal.Limit {
		t.Errorf("written: %+v, %v", w, d.err)
	}
	if w := d.written(aRefuse, aBatch); d.err != nil || w.Refused == nil || len(w.Refused.Found) != 2 {
		t.Errorf("refused: %+v, %v", w, d.err)
	}
	if a := d.confirmed([]any{aHead, int64(0), int64(1_700_000_000_003), aAsks}); d.err != nil || len(a.Found) != 4 || a.Found[2].Over() != time.Hour || a.Found[3].Effect != 0x9f {
		t.Errorf("answer with several effects: %+v, %v", a, d.err)
	}
	if p := d.page(aPageWith(aMany)); d.err != nil || len(p.Globals) != 3 || p.Globals[1].MAC != aSlow.MAC || p.Globals[2].Params != aReload.Params {
		t.Errorf("global entries with several effects: %+v, %v", p.Globals, d.err)
	}
	for _, v := range []any{aPage, aPageWith(aMany), aWrite, aRefuse} {
		again, rest := decode(encode(nil, v), 0)
		if diff := cmp.Diff(v, again); diff != "" || len(rest) != 0 {
			t.Errorf("encoded and decoded: %s", diff)
		}
	}
}

// Whatever a server replies, or somebody in its place, the decoder does not panic. A bad reply
// gives an error, and without an error no value is out of range.
func FuzzReplies(f *testing.F) {
	for _, reply := range []any{
		aHead, aPage, []any{aHead, int64(12), aLog, "", int64(5), int64(0)}, []any{aHead, int64(0), int64(7), aAnswer}, aWrite, aRefuse,
		nil, "", "OK", int64(-1), []any{}, []any{aHead}, []any{aHead[:5], "x", nil, nil}, []any{aHead, "-1", aLog, "1-2-3"},
		[]any{aHead, strings.Repeat("9", 40), []any{"1-1"}, "x"}, []any{aHead, int64(0), []any{[]any{"1-1", []any{"e"}}}, "1-"},
		[]any{aHead, int64(12), []any{[]any{"5-2", []any{"0", aEntry + aEntry + aEntry}}}, "", int64(5)},
		[]any{aHead, int64(12), []any{[]any{"5-4", []any{"0", aEntry + aAsk + aMark + aAsk}}}, "", int64(5), int64(0)},
		[]any{aHead, int64(0), int64(7), aAsks}, []any{int64(0), aHead, int64(3), int64(7), []any{}, aAsks},
		aPageWith(aMany), aPageWith(aMany + "+"), aPageWith("+" + aMany), aPageWith(aMany + "q"), aPageWith(aMany[:len(aMany)-1]),
		aPageWith(strings.Repeat("+"+aFieldOf(aSlow), 20)), aPageWith(strings.Replace(aMany, "\x11", "\x00", 1)), aPageWith(strings.Replace(aMany, "@ppp", "Appp", 1)),
	} {
		f.Add(encode(nil, reply))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		reply, _ := decode(raw, 0)
		var d decoder
		p := d.page(reply)
		if d.err == nil {
			st := &Store{perItem: new(atomic.Int64)}
			st.take(&d, &p, reply.([]any)[2], p.Oldest, 10, 10)
		}
		sound(t, d.err, raw)
		if d.err == nil {
			whole(t, p.Head, len(raw))
			if len(p.Entries)+len(p.Globals) > len(raw) || p.Heartbeat < 0 {
				t.Errorf("%d entries and %d global entries from %d bytes, heartbeat %v", len(p.Entries), len(p.Globals), len(raw), p.Heartbeat)
			}
			inRange(t, p.Clock, p.Roll)
			fillUntil(p.Entries, p.Head)
			for _, e := range append(p.Entries, p.Globals...) {
				inRange(t, e.Position.MS, e.Position.N, e.W)
			}
		}
		d = decoder{}
		a := d.confirmed(reply)
		sound(t, d.err, raw)
		if d.err == nil {
			whole(t, a.Head, len(raw))
			inRange(t, a.Now)
			for _, e := range a.Found {
				inRange(t, e.W, e.Limit)
			}
			a.Judge(aQuestion)
		}
		d = decoder{}
		w := d.written(reply, aBatch)
		sound(t, d.err, raw)
		if d.err == nil {
			whole(t, w.Head, len(raw))
			if w.Refused == nil && len(w.Results) != aBatch.n {
				t.Errorf("%d results of %d", len(w.Results), aBatch.n)
			}
			for _, r := range w.Results {
				inRange(t, r.Position.MS, r.Position.N, r.W, r.Held.W, r.Held.Limit)
			}
		}
	})
}

func sound(t *testing.T, err error, raw []byte) {
	t.Helper()
	if err == nil {
		return
	}
	if text := err.Error(); !strings.HasPrefix(text, "redisstore: malformed reply: ") || len(text) > 120 {
		t.Errorf("error %q", text)
	}
}

func whole(t *testing.T, h revlog.Head, n int) {
	t.Helper()
	inRange(t, h.Born, h.N, h.MS, h.Floor, h.Known)
	if len(h.Terms)+len(h.Retentions) > n || h.Retain() < 0 || h.RetainAt(h.Born) < 0 {
		t.Errorf("head %+v", h)
	}
}

func inRange(t *testing.T, all ...int64) {
	t.Helper()
	for _, n := range all {
		if n < 0 || n > maxNumber {
			t.Errorf("%d is out of range", n)
		}
	}
}

// Parsed entries are written again byte for byte. A value that does not parse gives an entry without
// a version, which no MAC fits.
func FuzzEntry(f *testing.F) {
	f.Add("1700000000003-1", []byte(aEntry))
	f.Add("1700000000005-2", []byte(aMark))
	f.Add("1700000000003-2", []byte(aEntry+aMark))
	f.Add("1700000000003-1", []byte(aMark+aEntry))
	f.Add("1700000000003-1", []byte(aAsk))
	f.Add("1700000000003-4", []byte(aEntry+aAsk+aMark+aAsk))
	f.Add("1-1", []byte(strings.Replace(aAsk, "\x40\x70", "\x41\x70", 1))) // 65 bytes of parameters
	f.Add("1-1", append6(append6(aLater.AppendPacked(nil), 1), 2))
	f.Add("1-1", append(append6(append6(aLater.AppendPacked(nil), 1), 2), "chainsum"...))
	f.Add("1-1", append([]byte{0}, aAsk[1:]...))
	f.Add("1-1", []byte(aEntry+"x"))
	f.Add("1-1", []byte(aMark[:40]))
	f.Add("-", []byte{})
	f.Fuzz(func(t *testing.T, id string, b []byte) {
		var d decoder
		all := d.entries(nil, id, string(b))
		sound(t, d.err, b)
		if d.err != nil || all[0].Version == 0 {
			return
		}
		var again []byte
		for _, e := range all {
			again = e.AppendPacked(again)
			if !e.Key().Bare() {
				again = append6(append6(again, e.W), e.Until)
			}
			again = append(again, e.Chain[:]...)
			inRange(t, e.Position.MS, e.Position.N, e.W, e.Until)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x is written again as %x", b, again)
		}
		if last := all[len(all)-1].Position; last.String() != id && id == d.position(id).String() {
			t.Errorf("the last of %s is at %s", id, last)
		}
	})
}

// The data of one replica in the registry cannot keep a reader from the others.
func FuzzReplica(f *testing.F) {
	f.Add(`1700000000000 {"id":"a","host":"h","version":"v1","state":"synced","age_ms":12,"window_ms":3600000,"position":"1-2","report":{"keys":"k"}}`)
	f.Add(`1700000000000 {"id":"a","signed_in":{"sessions":5,"subjects":4,"window_ms":7200000,"active_sessions":2,"active_subjects":1,"at":1700000000}}`)
	f.Add(`1700000000000 {"id":"a","signed_in":{"sessions":-5,"window_ms":9223372036854775807}}`)
	f.Add("")
	f.Add("1 {}")
	f.Add("x {}")
	f.Add("1 []")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := replica(text)
		if ok && r.Seen.Before(time.UnixMilli(0)) {
			t.Errorf("seen %v", r.Seen)
		}
		if s := r.SignedIn; s.Sessions < 0 || s.Subjects < 0 || s.Window < 0 || s.ActiveSessions < 0 || s.ActiveSubjects < 0 {
			t.Errorf("signed in: %+v", s)
		}
	})
}
