package secrets_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/secrets"
)

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		name, secret, why string
	}{
		{"nothing", "", "has 0 bytes and needs at least 24"},
		{"short", "Zk3vX9qLr0TgWm7BuYc2PeH", "has 23 bytes and needs at least 24"},
		{"just long enough", "Zk3vX9qLr0TgWm7BuYc2PeHs", ""},
		{"one letter", strings.Repeat("a", 32), "is not random"},
		{"seven letters", strings.Repeat("abcdefg", 6), "is not random"},
		{"a word over and over", strings.Repeat("password1", 4), "is not random"},
		{"a word over and over, and half of it", strings.Repeat("changeme!", 3) + "chan", "is not random"},
		{"digits", "012345678901234567890123456789", "is not random"},
		{"a long secret twice", strings.Repeat("Zk3vX9qLr0TgWm7BuYc2PeHs", 2), "is not random"},
		{"the alphabet", "abcdefghijklmnopqrstuvwxyz", "is not random"},
		{"the alphabet backwards", "zyxwvutsrqponmlkjihgfedcba", "is not random"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := secrets.Check(row.secret)
			if (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
				t.Errorf("%v, want %q", err, row.why)
			}
			if err != nil && len(row.secret) > 8 && strings.Contains(err.Error(), row.secret[:8]) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestRandomSecretsAreAccepted(t *testing.T) {
	for range 1000 {
		var b [32]byte
		rand.Read(b[:])
		for _, s := range []string{string(b[:]), hex.EncodeToString(b[:]), base64.StdEncoding.EncodeToString(b[:18]), rand.Text()} {
			if err := secrets.Check(s); err != nil {
				t.Fatalf("%x: %v", s, err)
			}
		}
	}
}
