package keys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
)

var (
	goldenKEK        = must(hex.DecodeString("9d01fe7700c4a1325b6e8843d2f0196abb3c5517e4a80d72639f284ec1b6057e"))
	goldenPassphrase = []byte("correct horse battery staple")
)

func kekOf(b []byte) keys.KEK {
	return keys.KEKFunc(func(context.Context) ([]byte, error) { return b, nil })
}

func passphraseOf(b []byte) keys.KEK {
	return keys.Passphrase(func(context.Context) ([]byte, error) { return b, nil })
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Another implementation of AES-GCM and argon2id encrypted these files.
func TestOpensWhatOthersEncrypted(t *testing.T) {
	for name, kek := range map[string]keys.KEK{
		"ring-kek.jwe":        kekOf(goldenKEK),
		"ring-passphrase.jwe": passphraseOf(goldenPassphrase),
		"ring.json":           keys.InsecurePlaintext(),
	} {
		t.Run(name, func(t *testing.T) {
			needs(t, kek)
			file := testdata(t, name)
			r, err := kek.Open(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			if doc(r) != golden(t) {
				t.Error("it is another ring")
			}
			if _, err := kek.Open(t.Context(), bytes.TrimSuffix(file, []byte("\n"))); err != nil {
				t.Errorf("without the line end: %v", err)
			}
		})
	}
}

func TestSealAndOpen(t *testing.T) {
	r := must(keys.Generate(0).Rotate(time.Now(), keys.Rotation{}))
	for name, kek := range map[string]keys.KEK{
		"kek":        kekOf(goldenKEK),
		"passphrase": passphraseOf(goldenPassphrase),
		"plaintext":  keys.InsecurePlaintext(),
	} {
		t.Run(name, func(t *testing.T) {
			needs(t, kek)
			one, err := kek.Seal(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			two := must(kek.Seal(t.Context(), r))
			if name != "plaintext" && bytes.Equal(one, two) {
				t.Error("sealing twice gave the same bytes")
			}
			for _, b := range [][]byte{one, two} {
				if again, err := kek.Open(t.Context(), b); err != nil || doc(again) != doc(r) {
					t.Errorf("opened %v, %v", again, err)
				}
			}
			var l leak
			for _, s := range secretsOf(r) {
				l.add(s)
			}
			if l.in(string(one)) != (name == "plaintext") {
				t.Errorf("%s: finding secrets in what is stored: %v", name, l.in(string(one)))
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	r := keys.Generate(0)
	segment := func(k keys.KEK) string {
		b := must(k.Seal(t.Context(), r))
		return string(must(base64.RawURLEncoding.DecodeString(string(b[:bytes.IndexByte(b, '.')]))))
	}
	if got := segment(kekOf(goldenKEK)); got != `{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json"}` {
		t.Errorf("header %s", got)
	}
	needs(t, passphraseOf(goldenPassphrase))
	one, two := segment(passphraseOf(goldenPassphrase)), segment(passphraseOf(goldenPassphrase))
	if !strings.HasPrefix(one, `{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id","salt":"`) ||
		!strings.HasSuffix(one, `","t":3,"m":65536,"p":4}`) {
		t.Errorf("header %s", one)
	}
	if one == two {
		t.Error("two rings have one salt")
	}
}

// reseal encrypts the golden document under the given header.
func reseal(header string) []byte {
	a := must(jwe.AEAD(goldenKEK))
	doc := must(os.ReadFile("testdata/ring.json"))
	return jwe.Seal(nil, a, base64.RawURLEncoding.EncodeToString([]byte(header)), doc)
}

func TestOpenRefuses(t *testing.T) {
	good := testdata(t, "ring-kek.jwe")
	plain := testdata(t, "ring.json")
	kek, pass := kekOf(goldenKEK), passphraseOf(goldenPassphrase)
	kdf := func(s string) []byte {
		return reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id","salt":"jiHTZQ-bR8oSeO9WkKs0zQ",` + s + `}`)
	}
	for _, c := range []struct {
		name string
		kek  keys.KEK
		doc  []byte
		want error
	}{
		{"another kek", kekOf(must(hex.DecodeString("8d01fe7700c4a1325b6e8843d2f0196abb3c5517e4a80d72639f284ec1b6057e"))), good, keys.ErrKEK},
		{"another passphrase", passphraseOf([]byte("correct horse battery stable")), testdata(t, "ring-passphrase.jwe"), keys.ErrKEK},
		{"altered", kek, alter(good), keys.ErrKEK},
		{"no kek", keys.KEK{}, good, keys.ErrKEK},
		{"no kek for plain text", keys.KEK{}, plain, keys.ErrKEK},
		{"plain text with a kek", kek, plain, keys.ErrKEK},
		{"plain text with a passphrase", pass, plain, keys.ErrKEK},
		{"encrypted, and plain text asked", keys.InsecurePlaintext(), good, keys.ErrKEK},
		{"a kek for a passphrase", kek, testdata(t, "ring-passphrase.jwe"), keys.ErrKEK},
		{"a passphrase for a kek", pass, good, keys.ErrKEK},
		{"nothing", kek, nil, keys.ErrDocument},
		{"cut off", kek, good[:len(good)-10], keys.ErrDocument},
		{"something behind", kek, append(bytes.Clone(good), "x"...), keys.ErrDocument},
		{"two line ends", kek, append(bytes.Clone(good), '\n'), keys.ErrDocument},
		{"junk", kek, []byte(strings.Repeat(".", 1<<20)), keys.ErrDocument},
		{"too large", kek, bytes.Repeat([]byte("a"), 2<<20), keys.ErrDocument},
		{"long header", kek, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json"}` + strings.Repeat(" ", 1000)), keys.ErrDocument},
		{"no cty", kek, reseal(`{"alg":"dir","enc":"A256GCM"}`), keys.ErrDocument},
		{"other cty", kek, reseal(`{"alg":"dir","enc":"A256GCM","cty":"JWT"}`), keys.ErrDocument},
		{"other alg", kek, reseal(`{"alg":"A256KW","enc":"A256GCM","cty":"jwk-set+json"}`), keys.ErrDocument},
		{"zip", kek, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","zip":"DEF"}`), keys.ErrDocument},
		{"crit", kek, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","crit":["exp"]}`), keys.ErrDocument},
		{"repeated", kek, reseal(`{"alg":"dir","alg":"dir","enc":"A256GCM","cty":"jwk-set+json"}`), keys.ErrDocument},
		{"a session token", kek, reseal(`{"alg":"dir","enc":"A256GCM","kid":"9fefK0k0r4c","typ":"session+jwt"}`), keys.ErrDocument},
		{"not JSON", kek, reseal(`{"alg":`), keys.ErrDocument},
		{"two headers", kek, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json"}{}`), keys.ErrDocument},
		{"half a kdf", pass, kdf(`"t":1,"m":8192`), keys.ErrDocument},
		{"another kdf", pass, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"scrypt","salt":"jiHTZQ-bR8oSeO9WkKs0zQ","t":1,"m":8192,"p":1}`), keys.ErrDocument},
		{"salt too short", pass, reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id","salt":"jiHTZQ","t":1,"m":8192,"p":1}`), keys.ErrDocument},
		{"too many passes", pass, kdf(`"t":13,"m":8192,"p":1`), keys.ErrDocument},
		{"too much memory", pass, kdf(`"t":1,"m":262145,"p":1`), keys.ErrDocument},
		{"far too much memory", pass, kdf(`"t":1,"m":4294967296,"p":1`), keys.ErrDocument},
		{"too many lanes", pass, kdf(`"t":1,"m":8192,"p":17`), keys.ErrDocument},
		{"lanes of a byte", pass, kdf(`"t":1,"m":8192,"p":257`), keys.ErrDocument},
		{"no passes", pass, kdf(`"t":0,"m":8192,"p":1`), keys.ErrDocument},
		{"less memory than lanes take", pass, kdf(`"t":1,"m":31,"p":4`), keys.ErrDocument},
	} {
		t.Run(c.name, func(t *testing.T) {
			needs(t, c.kek)
			start := time.Now()
			r, err := c.kek.Open(t.Context(), c.doc)
			if r != nil || !errors.Is(err, c.want) {
				t.Fatalf("%v, %v, want %v", r, err, c.want)
			}
			if other := map[error]error{keys.ErrKEK: keys.ErrDocument, keys.ErrDocument: keys.ErrKEK}[c.want]; errors.Is(err, other) {
				t.Errorf("%v is two things", err)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestKEKsThatCannotBe(t *testing.T) {
	boom := errors.New("the service is away")
	for _, c := range []struct {
		name string
		kek  keys.KEK
		want error
	}{
		{"the service fails", keys.KEKFunc(func(context.Context) ([]byte, error) { return nil, boom }), boom},
		{"short", kekOf(goldenKEK[:31]), keys.ErrKEK},
		{"long", kekOf(append(bytes.Clone(goldenKEK), 1)), keys.ErrKEK},
		{"zero", kekOf(make([]byte, 32)), keys.ErrKEK},
		{"text", kekOf([]byte("correct horse battery staple 123")), keys.ErrKEK},
		{"hexadecimal", kekOf([]byte(hex.EncodeToString(goldenKEK[:16]))), keys.ErrKEK},
		{"none", keys.KEK{}, keys.ErrKEK},
		{"passphrase empty", passphraseOf(nil), keys.ErrKEK},
		{"passphrase short", passphraseOf([]byte("elevenbytes")), keys.ErrKEK},
		{"passphrase of one character", passphraseOf([]byte("aaaaaaaaaaaaaaaa")), keys.ErrKEK},
		{"passphrase of few characters", passphraseOf([]byte("abab abba baab")), keys.ErrKEK},
		{"passphrase that repeats itself", passphraseOf([]byte("passwordpassword")), keys.ErrKEK},
		{"passphrase that counts", passphraseOf([]byte("abcdefghijklmnop")), keys.ErrKEK},
		{"passphrase fails", keys.Passphrase(func(context.Context) ([]byte, error) { return nil, boom }), boom},
	} {
		t.Run(c.name, func(t *testing.T) {
			needs(t, c.kek)
			b, err := c.kek.Seal(t.Context(), keys.Generate(0))
			if b != nil || !errors.Is(err, c.want) || !errors.Is(err, keys.ErrKEK) {
				t.Errorf("%q, %v, want %v", b, err, c.want)
			}
		})
	}
	needs(t, passphraseOf(nil))
	if _, err := passphraseOf([]byte("twelve bytes")).Seal(t.Context(), keys.Generate(0)); err != nil {
		t.Errorf("a passphrase of twelve bytes: %v", err)
	}
}

func TestKEKFunctionGetsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	kek := keys.KEKFunc(func(ctx context.Context) ([]byte, error) { return goldenKEK, ctx.Err() })
	if _, err := kek.Seal(ctx, keys.Generate(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

func TestKEKFileAndEnv(t *testing.T) {
	text := base64.RawURLEncoding.EncodeToString(goldenKEK)
	padded := base64.URLEncoding.EncodeToString(goldenKEK)
	file := testdata(t, "ring-kek.jwe")
	for _, c := range []struct {
		name, content string
		inFile, inEnv bool
	}{
		{"text", text, true, true},
		{"text on a line", text + "\n", true, false},
		{"text on a line, CRLF", text + "\r\n", true, false},
		{"raw", string(goldenKEK), true, false},
		{"padded", padded, false, false},
		{"two lines", text + "\n\n", false, false},
		{"short", text[:42], false, false},
		{"long", text + "A", false, false},
		{"bits left over", text[:42] + "_", false, false},
		{"another alphabet", strings.Replace(text, text[:1], "+", 1), false, false},
		{"hexadecimal", hex.EncodeToString(goldenKEK), false, false},
		{"empty", "", false, false},
		{"large", strings.Repeat("A", 1<<20), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kek")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			check := func(kek keys.KEK, ok bool) {
				t.Helper()
				_, err := kek.Open(t.Context(), file)
				if (err == nil) != ok || err != nil && !errors.Is(err, keys.ErrKEK) {
					t.Errorf("%v: %v, want it to work: %v", kek, err, ok)
				}
				if err != nil && len(c.content) > 8 && strings.Contains(err.Error(), c.content[:8]) {
					t.Errorf("the error shows the key: %v", err)
				}
			}
			check(keys.KEKFile(path), c.inFile)
			if !strings.Contains(c.content, "\x00") {
				t.Setenv("WAFER_TEST_KEK", c.content)
				check(keys.KEKEnv("WAFER_TEST_KEK"), c.inEnv)
			}
		})
	}
	if _, err := keys.KEKEnv("WAFER_TEST_NO_KEK").Open(t.Context(), file); !errors.Is(err, keys.ErrKEK) {
		t.Errorf("no variable: %v", err)
	}
	if _, err := keys.KEKFile(filepath.Join(t.TempDir(), "kek")).Open(t.Context(), file); !errors.Is(err, keys.ErrKEK) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := keys.KEKFile(t.TempDir()).Open(t.Context(), file); !errors.Is(err, keys.ErrKEK) {
		t.Errorf("a folder: %v", err)
	}
}

// Opening any bytes costs bounded work and never panics.
func FuzzOpen(f *testing.F) {
	f.Add(testdata(f, "ring-kek.jwe"))
	f.Add(testdata(f, "ring.json"))
	f.Add(reseal(`{"alg":"dir","enc":"A256GCM","cty":"jwk-set+json","kdf":"argon2id"}`))
	kek := kekOf(goldenKEK)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := kek.Open(t.Context(), b)
		if err == nil {
			// Only the owner of the key could have made it, so it is what was sealed.
			if string(bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))) != strings.TrimSpace(string(testdata(t, "ring-kek.jwe"))) {
				t.Fatalf("another spelling opens: %v", r)
			}
		} else if !errors.Is(err, keys.ErrKEK) && !errors.Is(err, keys.ErrDocument) {
			t.Fatalf("%v", err)
		}
	})
}
