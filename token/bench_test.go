package token_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// The floor is the least work for a token of this shape that uses the standard library: AES-GCM
// over the same bytes, and base64 of the three parts. It neither looks up a key nor reads a claim.

func BenchmarkOpen(b *testing.B) {
	now := time.Now()
	sealer := token.New(keys.Static(keys.Generate(0)))
	session := sealed(b, sealer, benchSession(now), now)
	renewalBytes, err := sealer.SealRenewal(nil, benchRenewal(now), now)
	if err != nil {
		b.Fatal(err)
	}
	renewal := string(renewalBytes)
	tampered := changed(session)
	buf := make([]byte, token.MaxLength)

	floor := openFloor(b, session)
	open := func() {
		var c token.Session
		if err := sealer.OpenSession(buf, session, &c, now); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("floor", loop(floor))
	b.Run("session", loop(open))
	b.Run("session-beside-floor", beside(floor, open))
	b.Run("seen", loop(func() {
		var c token.Renewal
		if err := sealer.OpenRenewal(buf, renewal, &c, now); err != nil {
			b.Fatal(err)
		}
	}))
	b.Run("tampered", loop(func() {
		var c token.Session
		if err := sealer.OpenSession(buf, tampered, &c, now); err == nil {
			b.Fatal("opened")
		}
	}))
}

func BenchmarkSeal(b *testing.B) {
	now := time.Now()
	sealer := token.New(keys.Static(keys.Generate(0)))
	c := benchSession(now)
	floor := sealFloor(b, sealed(b, sealer, c, now))
	seal := func() {
		if _, err := sealer.SealSession(nil, c, now); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("floor", loop(floor))
	b.Run("session", loop(seal))
	b.Run("session-beside-floor", beside(floor, seal))
	renewal := benchRenewal(now)
	b.Run("seen", loop(func() {
		if _, err := sealer.SealRenewal(nil, renewal, now); err != nil {
			b.Fatal(err)
		}
	}))
}

func openFloor(b *testing.B, like string) func() {
	enc := base64.RawURLEncoding
	parts := strings.Split(like, ".")
	header := []byte(parts[0])
	gcm, err := cipher.NewGCM(benchBlock(b))
	if err != nil {
		b.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	sealed := gcm.Seal(nil, nonce, make([]byte, enc.DecodedLen(len(parts[3]))), header)
	split := len(sealed) - gcm.Overhead()
	iv := []byte(enc.EncodeToString(nonce))
	ct := []byte(enc.EncodeToString(sealed[:split]))
	tag := []byte(enc.EncodeToString(sealed[split:]))
	buf := make([]byte, token.MaxLength)
	return func() {
		if _, err := enc.Decode(nonce, iv); err != nil {
			b.Fatal(err)
		}
		n, err := enc.Decode(buf, ct)
		if err != nil {
			b.Fatal(err)
		}
		m, err := enc.Decode(buf[n:], tag)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := gcm.Open(buf[:0], nonce, buf[:n+m], header); err != nil {
			b.Fatal(err)
		}
	}
}

func sealFloor(b *testing.B, like string) func() {
	enc := base64.RawURLEncoding
	parts := strings.Split(like, ".")
	header := []byte(parts[0])
	gcm, err := cipher.NewGCMWithRandomNonce(benchBlock(b))
	if err != nil {
		b.Fatal(err)
	}
	plaintext := make([]byte, enc.DecodedLen(len(parts[3])))
	buf := make([]byte, 0, len(plaintext)+gcm.Overhead())
	return func() {
		sealed := gcm.Seal(buf, nil, plaintext, header)
		tag := len(sealed) - 16
		out := make([]byte, 0, len(like))
		out = append(out, header...)
		out = append(out, ".."...)
		out = enc.AppendEncode(out, sealed[:12])
		out = append(out, '.')
		out = enc.AppendEncode(out, sealed[12:tag])
		out = append(out, '.')
		out = enc.AppendEncode(out, sealed[tag:])
		if len(out) != len(like) {
			b.Fatal(len(out))
		}
	}
}

func benchBlock(b *testing.B) cipher.Block {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		b.Fatal(err)
	}
	return block
}

func loop(f func()) func(*testing.B) {
	return func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	}
}

// beside runs both in turn and reports the ratio of their first deciles, which varies less on a
// busy machine than any single time.
func beside(floor, ours func()) func(*testing.B) {
	return func(b *testing.B) {
		var times [2][]time.Duration
		for b.Loop() {
			for i, f := range []func(){floor, ours} {
				start := time.Now()
				for range 20 {
					f()
				}
				times[i] = append(times[i], time.Since(start))
			}
		}
		for i := range times {
			slices.Sort(times[i])
		}
		first := len(times[0]) / 10
		b.ReportMetric(float64(times[1][first])/float64(times[0][first]), "x-floor")
		b.ReportMetric(float64(times[1][first])/20, "ns/op") // not of both together
	}
}

// benchSession is a typical session: all claims, two groups, 300 bytes of data.
func benchSession(now time.Time) *token.Session {
	c := &token.Session{
		Audience:   []byte("session"),
		Subject:    []byte("user-01J8ZK3V9QF2"),
		SubjectTag: token.Tag{1, 2, 3},
		GroupTags:  [8]token.Tag{{4, 5, 6}, {7, 8, 9}},
		Groups:     2,
		AuthTime:   now.Unix(),
		Epoch:      now.UnixMilli(),
		Validity:   token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 7200, Checked: now.UnixMilli(), Term: 3},
		End:        now.Unix() + 86400,
		Data:       []byte(`{"text":"` + strings.Repeat("wafer", 57) + `","n":1}`),
	}
	rand.Read(c.ID[:])
	return c
}

func benchRenewal(now time.Time) *token.Renewal {
	c := &token.Renewal{Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 7200, Checked: now.UnixMilli(), Term: 3}}
	rand.Read(c.ID[:])
	return c
}
