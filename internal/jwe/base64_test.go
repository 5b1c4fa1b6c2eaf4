package jwe_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

func TestEncodeAsTheStandardLibrary(t *testing.T) {
	src := random(1, 300)
	for n := range len(src) {
		want := base64.RawURLEncoding.EncodeToString(src[:n])
		if got := jwe.EncodedLen(n); got != len(want) {
			t.Errorf("EncodedLen(%d) = %d, want %d", n, got, len(want))
		}
		if got := jwe.DecodedLen(len(want)); got != n {
			t.Errorf("DecodedLen(%d) = %d, want %d", len(want), got, n)
		}
		for _, prefix := range []string{"", "x", strings.Repeat("x", 40)} {
			if got := string(jwe.AppendEncode([]byte(prefix), src[:n])); got != prefix+want {
				t.Fatalf("%d bytes behind %q: %q, want %q", n, prefix, got, prefix+want)
			}
			got, ok := jwe.AppendDecode([]byte(prefix), want)
			if !ok || string(got) != prefix+string(src[:n]) {
				t.Fatalf("%d bytes behind %q do not come back: %v", n, prefix, ok)
			}
			got, ok = jwe.AppendDecode([]byte(prefix), []byte(want))
			if !ok || string(got) != prefix+string(src[:n]) {
				t.Fatalf("%d bytes behind %q do not come back from bytes: %v", n, prefix, ok)
			}
		}
	}
}

func TestDecodeStaysInItsPlace(t *testing.T) {
	for n := range 40 {
		text := base64.RawURLEncoding.EncodeToString(random(2, n))
		buf := bytes.Repeat([]byte{0xee}, n+16)
		if _, ok := jwe.AppendDecode(buf[:0:n], text); !ok {
			t.Fatalf("%d bytes refused", n)
		}
		for i, c := range buf[n:] {
			if c != 0xee {
				t.Fatalf("%d bytes: byte %d behind the capacity was written", n, i)
			}
		}
	}
}

func TestDecodeHasOneSpelling(t *testing.T) {
	rows := []struct{ name, text string }{
		{"padding", "QQ=="},
		{"padding of another length", "QUI="},
		{"too much padding", "QUJD===="},
		{"line feed at the end", "QUJD\n"},
		{"line feed within", "QU\nJD"},
		{"four line feeds", "\n\n\n\n"},
		{"carriage return", "QUJD\r\n"},
		{"space", "QUJ D"},
		{"the other alphabet, plus", "+UJD"},
		{"the other alphabet, slash", "/UJD"},
		{"zero byte", "QUJ\x00"},
		{"byte above ASCII", "QUJ\xc4"},
		{"one character", "Q"},
		{"five characters", "QUJDQ"},
		{"trailing bits of one byte", "QR"},
		{"trailing bits of two bytes", "QUK"},
		{"trailing bits behind eight characters", "QUJDQUJDQR"},
		{"dot", "QU.D"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got, ok := jwe.AppendDecode(nil, row.text); ok {
				t.Errorf("%q gives %q", row.text, got)
			}
		})
	}
}

// Every value of every byte, in texts of every length for which the decoder takes a different path.
// The decoder accepts exactly the texts that encoding produces.
func TestDecodeEveryByteEverywhere(t *testing.T) {
	for n := range 36 {
		text := []byte(strings.Repeat("wafer-_0", 5)[:n])
		for i := range text {
			was := text[i]
			for c := range 256 {
				text[i] = byte(c)
				checkDecode(t, string(text))
			}
			text[i] = was
		}
	}
}

func TestDecode16(t *testing.T) {
	id := [16]byte(random(3, 16))
	text := base64.RawURLEncoding.EncodeToString(id[:])
	var got [16]byte
	if !jwe.Decode16(&got, text) || got != id {
		t.Errorf("%s gives %x, want %x", text, got, id)
	}
	for _, bad := range []string{"", text[:21], text + "A", text[:21] + "B", text[:20] + "==", "=" + text[1:]} {
		if jwe.Decode16(&got, bad) {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "Q", "QQ", "QR", "QUI", "QUJD", "QUJDRA", "QUJDREVGR0g", "QUJD\n", "QQ==", strings.Repeat("-_", 20)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkDecode(t, s) })
}

// checkDecode compares the decoder with the standard library's, which skips CR and LF, and with its
// own encoder.
func checkDecode(t *testing.T, s string) {
	t.Helper()
	want, err := base64.RawURLEncoding.Strict().DecodeString(s)
	good := err == nil && !strings.ContainsAny(s, "\r\n")
	got, ok := jwe.AppendDecode(nil, s)
	if ok != good {
		t.Fatalf("%q: accepted %v, want %v", s, ok, good)
	}
	if ok && !bytes.Equal(got, want) {
		t.Fatalf("%q gives %x, want %x", s, got, want)
	}
	if ok && string(jwe.AppendEncode(nil, got)) != s {
		t.Fatalf("%q gives %x, which is spelled otherwise", s, got)
	}
}

func BenchmarkBase64(b *testing.B) {
	raw := random(4, 576)
	text := base64.RawURLEncoding.EncodeToString(raw)
	in := []byte(text)
	buf := make([]byte, 0, len(text))
	for _, row := range []struct {
		name string
		f    func()
	}{
		{"decode", func() { jwe.AppendDecode(buf, text) }},
		{"decode-std", func() { base64.RawURLEncoding.AppendDecode(buf, in) }},
		{"encode", func() { jwe.AppendEncode(buf, raw) }},
		{"encode-std", func() { base64.RawURLEncoding.AppendEncode(buf, raw) }},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				row.f()
			}
		})
	}
}

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}
