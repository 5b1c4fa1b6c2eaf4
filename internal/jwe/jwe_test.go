package jwe_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

const header = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0" // {"alg":"dir","enc":"A256GCM"}

func aead(t testing.TB, seed byte) cipher.AEAD {
	t.Helper()
	a, err := jwe.AEAD(random(seed, jwe.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func open(compact string, a cipher.AEAD) ([]byte, error) {
	parts, err := jwe.Split(compact)
	if err != nil {
		return nil, err
	}
	return parts.Open(nil, a)
}

func TestSealAndOpen(t *testing.T) {
	a := aead(t, 1)
	for n := range 700 {
		plaintext := random(2, n)
		compact := jwe.Seal([]byte("before "), a, header, plaintext)
		compact, ok := bytes.CutPrefix(compact, []byte("before "))
		if !ok {
			t.Fatalf("%d bytes: what was in dst is gone", n)
		}
		if len(compact) != jwe.Len(header, n) {
			t.Errorf("%d bytes: token of %d characters, Len says %d", n, len(compact), jwe.Len(header, n))
		}
		got, err := open(string(compact), a)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%d bytes: %x, %v", n, got, err)
		}
	}
}

// The plaintext of a token is encoded over itself, so the result must not depend on how much of the
// room is used, down to a single byte.
func TestSealInEveryRoom(t *testing.T) {
	a := aead(t, 1)
	for room := range 70 {
		for n := range room + 1 {
			plaintext := random(3, n)
			dst, in := jwe.Room([]byte("before "), header, room)
			compact := jwe.SealRoom(dst, a, header, append(in, plaintext...))
			got, err := open(string(compact[len("before "):]), a)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Fatalf("%d bytes in room for %d: %x, %v", n, room, got, err)
			}
			if len(compact) > cap(dst) {
				t.Fatalf("%d bytes in room for %d: the room did not do", n, room)
			}
		}
	}
}

// The form is that of RFC 7516 §7.1, parsed here without the package.
func TestCompactSerialization(t *testing.T) {
	key := random(1, jwe.KeySize)
	a, err := jwe.AEAD(key)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(jwe.Seal(nil, a, header, []byte("plaintext"))), ".")
	if len(parts) != 5 || parts[0] != header || parts[1] != "" {
		t.Fatalf("parts are %q", parts)
	}
	var sealed []byte
	for i, size := range map[int]int{2: 12, 3: 9, 4: 16} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || len(b) != size {
			t.Errorf("part %d holds %d bytes, want %d: %v", i, len(b), size, err)
		}
	}
	for _, p := range parts[2:] {
		b, _ := base64.RawURLEncoding.DecodeString(p)
		sealed = append(sealed, b...)
	}
	got, err := a.Open(nil, nil, sealed, []byte(parts[0]))
	if err != nil || string(got) != "plaintext" {
		t.Errorf("opened as AES-GCM with the header as additional data: %q, %v", got, err)
	}
}

func TestKeySize(t *testing.T) {
	for n := range 65 {
		if _, err := jwe.AEAD(make([]byte, n)); (err == nil) != (n == 32) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	a := aead(t, 1)
	good := string(jwe.Seal(nil, a, header, []byte("plaintext")))
	p := strings.Split(good, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	rows := []struct{ name, compact string }{
		{"empty", ""},
		{"one dot", "."},
		{"four dots", "...."},
		{"many dots", strings.Repeat(".", 1000)},
		{"header only", p[0]},
		{"four parts", join(p[0], p[2], p[3], p[4])},
		{"four parts, no tag", join(p[0], p[1], p[2], p[3])},
		{"six parts", good + "."},
		{"six parts, one before", "." + good},
		{"six parts, within the ciphertext", join(p[0], p[1], p[2], p[3][:4]+"."+p[3][4:], p[4])},
		{"IV too short", join(p[0], p[1], p[2][:15], p[3], p[4])},
		{"IV too long", join(p[0], p[1], p[2]+"A", p[3], p[4])},
		{"IV of 128 bits", join(p[0], p[1], p[4], p[3], p[4])},
		{"tag too short", join(p[0], p[1], p[2], p[3], p[4][:21])},
		{"tag of 96 bits", join(p[0], p[1], p[2], p[3], p[4][:16])},
		{"tag too long", join(p[0], p[1], p[2], p[3], p[4]+"A")},
		{"tag with trailing bits", join(p[0], p[1], p[2], p[3], p[4][:21]+"B")},
		{"ciphertext of one character more", join(p[0], p[1], p[2], p[3]+"A", p[4])},
		{"padding", join(p[0], p[1], p[2], p[3], p[4][:20]+"==")},
		{"line feed in the ciphertext", join(p[0], p[1], p[2], p[3]+"\n", p[4])},
		{"JSON serialization", `{"protected":"` + p[0] + `","iv":"` + p[2] + `","ciphertext":"` + p[3] + `","tag":"` + p[4] + `"}`},
	}
	for n := 1; n <= 80; n++ { // go-jose panicked for some of these (CVE-2026-34986)
		rows = append(rows, struct{ name, compact string }{"encrypted key", join(p[0], strings.Repeat("A", n), p[2], p[3], p[4])})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.compact == good {
				t.Fatal("the row is not malformed")
			}
			if got, err := open(row.compact, a); !errors.Is(err, jwe.ErrMalformed) {
				t.Errorf("%q: %q, %v", row.compact, got, err)
			}
		})
	}
}

func TestTampered(t *testing.T) {
	a := aead(t, 1)
	good := string(jwe.Seal(nil, a, header, []byte("plaintext")))
	if _, err := open(good, aead(t, 2)); !errors.Is(err, jwe.ErrTampered) {
		t.Errorf("under another key: %v", err)
	}
	if _, err := open("A"+good[1:], a); !errors.Is(err, jwe.ErrTampered) {
		t.Errorf("under another header: %v", err)
	}
	for i := range good {
		for bit := range 8 {
			b := []byte(good)
			b[i] ^= 1 << bit
			if got, err := open(string(b), a); err == nil {
				t.Fatalf("bit %d of byte %d changed: opens as %q", bit, i, got)
			}
		}
	}
}

func TestOpenInABuffer(t *testing.T) {
	a := aead(t, 1)
	compact := string(jwe.Seal(nil, a, header, random(2, 100)))
	parts, err := jwe.Split(compact)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 50, len(compact)} {
		buf := make([]byte, size)
		got, err := parts.Open(buf, a)
		if err != nil || !bytes.Equal(got, random(2, 100)) {
			t.Errorf("buffer of %d: %x, %v", size, got, err)
		}
		if inside := size > 0 && &got[0] == &buf[0]; inside != (size == len(compact)) {
			t.Errorf("buffer of %d: plaintext inside %v", size, inside)
		}
	}
	buf := make([]byte, len(compact))
	if n := testing.AllocsPerRun(100, func() { parts.Open(buf, a) }); n != 0 {
		t.Errorf("opening into a buffer as long as the token allocates %v times", n)
	}
	dst := make([]byte, 0, len(compact))
	plaintext := random(2, 100)
	if n := testing.AllocsPerRun(100, func() { jwe.Seal(dst, a, header, plaintext) }); n != 0 {
		t.Errorf("sealing into a buffer as long as the token allocates %v times", n)
	}
}

func FuzzOpen(f *testing.F) {
	a := aead(f, 1)
	f.Add(header + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA") // of the right form
	f.Add("....")
	f.Add(header + "..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA")
	f.Add(header + ".AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, compact string) {
		if got, err := open(compact, a); err == nil {
			t.Errorf("%q opens as %q", compact, got)
		}
	})
}
