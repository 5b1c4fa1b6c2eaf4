package jwe_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

func BenchmarkBase64(b *testing.B) {
	raw := make([]byte, 576)
	rand.NewChaCha8([32]byte{1}).Read(raw)
	text := base64.RawURLEncoding.EncodeToString(raw)
	dst := make([]byte, 0, len(text))
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, ok := jwe.AppendDecode(dst, text); !ok {
				b.Fatal("refused")
			}
		}
	})
	b.Run("decode-std", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		in := []byte(text)
		for b.Loop() {
			if _, err := base64.RawURLEncoding.Decode(dst[:cap(dst)], in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			jwe.AppendEncode(dst, raw)
		}
	})
	b.Run("encode-std", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			base64.RawURLEncoding.Encode(dst[:cap(dst)], raw)
		}
	})
}

var _ = strings.Repeat
var _ = bytes.Equal
