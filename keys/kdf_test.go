package keys_test

import (
	"context"
	"crypto/fips140"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// needs skips a test of a passphrase in FIPS 140 mode, which allows none.
func needs(t *testing.T, k keys.KEK) {
	t.Helper()
	if fips140.Enforced() && strings.Contains(k.String(), "passphrase") {
		t.Skip("FIPS 140 mode allows no passphrase")
	}
}

// Sealing again keeps the salt, which saves every reader a run of the KDF. Another passphrase gets
// a new salt.
func TestSaltStaysWithThePassphrase(t *testing.T) {
	needs(t, passphraseOf(nil))
	passphrase := []byte("correct horse battery staple")
	kek := keys.Passphrase(func(context.Context) ([]byte, error) { return passphrase, nil })
	r := keys.Generate(0)
	salt := func() string {
		header, _, _ := strings.Cut(string(must(kek.Seal(t.Context(), r))), ".")
		return header
	}
	first := salt()
	if salt() != first {
		t.Error("another salt for the same passphrase")
	}
	passphrase = []byte("another horse battery staple")
	if salt() == first {
		t.Error("the same salt for another passphrase")
	}
	sealed := must(kek.Seal(t.Context(), r))
	if _, err := kek.Open(t.Context(), sealed); err != nil {
		t.Error(err)
	}
	if _, err := passphraseOf(goldenPassphrase).Open(t.Context(), sealed); !errors.Is(err, keys.ErrKEK) {
		t.Errorf("with the old passphrase: %v, want ErrKEK", err)
	}
}

func TestPassphraseFile(t *testing.T) {
	needs(t, passphraseOf(nil))
	file := testdata(t, "ring-passphrase.jwe")
	for content, ok := range map[string]bool{
		string(goldenPassphrase):          true,
		string(goldenPassphrase) + "\n":   true,
		string(goldenPassphrase) + "\r\n": true,
		string(goldenPassphrase) + "\n\n": false,
		" " + string(goldenPassphrase):    false,
		strings.Repeat("correct ", 1<<10): false,
		"":                                false,
	} {
		path := filepath.Join(t.TempDir(), "passphrase")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.PassphraseFile(path).Open(t.Context(), file); (err == nil) != ok {
			t.Errorf("%.40q: %v, want it to work: %v", content, err, ok)
		}
	}
}

// A header may demand up to four times the work that Wafer's own needs, and the error says so.
func TestWorkIsBounded(t *testing.T) {
	pass := passphraseOf(goldenPassphrase)
	needs(t, pass)
	kdf := func(s string) []byte {
		return reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id","salt":"jiHTZQ-bR8oSeO9WkKs0zQ",` + s + `}`)
	}
	_, err := pass.Open(t.Context(), kdf(`"t":10,"m":1048576,"p":1`))
	if want := "argon2id with t=10, m=1048576, p=1 is too much work: the limits are t=12, m=262144, p=16"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if _, err := pass.Open(t.Context(), kdf(`"t":12,"m":128,"p":16`)); !errors.Is(err, keys.ErrKEK) {
		t.Errorf("what is allowed: %v, want that it is another passphrase", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel() // so that work which is allowed does not begin
	for params, allowed := range map[string]bool{
		`"t":12,"m":262144,"p":16`: true, `"t":13,"m":128,"p":16`: false, `"t":1,"m":262145,"p":1`: false, `"t":1,"m":256,"p":17`: false,
	} {
		if _, err := pass.Open(over, kdf(params)); errors.Is(err, context.Canceled) != allowed || errors.Is(err, keys.ErrDocument) == allowed {
			t.Errorf("%s: %v, want it to be allowed: %v", params, err, allowed)
		}
	}
}

// The wait for the KDF ends with the context.
func TestWaitForThePassphraseEnds(t *testing.T) {
	pass := passphraseOf(goldenPassphrase)
	needs(t, pass)
	file := testdata(t, "ring-passphrase.jwe")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	_, err := pass.Open(ctx, file)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, keys.ErrKEK) || !strings.Contains(err.Error(), "the key was not derived from the passphrase in time") {
		t.Errorf("with a context that is over: %v", err)
	}
	slow := reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id","salt":"jiHTZQ-bR8oSeO9WkKs0zQ","t":5,"m":65536,"p":1}`)
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := pass.Open(ctx, slow); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v after %v, want the deadline", err, time.Since(start))
	}
	// A later caller waits for that run and then gets its own.
	if r, err := pass.Open(t.Context(), file); err != nil || r == nil {
		t.Errorf("afterwards: %v", err)
	}
}
