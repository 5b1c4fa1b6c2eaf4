package keys

import (
	"context"
	"crypto/cipher"
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/wafer-sessions/wafer/internal/jwe"
)

// A KEK says where the key encryption key comes from, the one that a ring is
// encrypted with at rest. Keep it away from the ring: whoever has both has every
// session. It is asked for whenever the bytes of a ring changed, and again every 15 s
// while it does not open them. It is not kept longer, but for what a passphrase was
// worked out to. The zero KEK opens nothing.
// It is safe for concurrent use.
type KEK struct{ k *kek }

type kek struct {
	kind kind
	from string // for people: the file, the variable
	path string // of a KEKFile
	get  func(context.Context) ([]byte, error)

	turn    chan struct{} // held by who has what follows, and while the KDF runs; nil: no passphrase
	derived *derived      // by a passphrase; nil: none yet
}

type kind uint8

const (
	kindFile kind = iota
	kindRaw
	kindPassphrase
	kindPlaintext
)

// KEKFile takes the key from a file, which holds 32 random bytes as they are or in
// unpadded base64url, and must be closed to others as the ring itself (see
// [OpenFile]).
func KEKFile(path string) KEK {
	return KEK{&kek{kind: kindFile, from: "file " + path, path: path, get: func(context.Context) ([]byte, error) {
		b, err := readSecretFile(path, 256)
		if err != nil {
			return nil, err
		}
		if len(b) == secretSize {
			return b, nil
		}
		b, err = decodeText(trimLine(b))
		if err != nil {
			return nil, fmt.Errorf("%s %w", path, err)
		}
		return b, nil
	}}}
}

// KEKEnv takes the key from an environment variable, which holds 32 random bytes
// in unpadded base64url.
func KEKEnv(name string) KEK {
	return KEK{&kek{kind: kindRaw, from: "variable " + name, get: func(context.Context) ([]byte, error) {
		s, ok := os.LookupEnv(name)
		if !ok {
			return nil, fmt.Errorf("%s is not set", name)
		}
		b, err := decodeText([]byte(s))
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		return b, nil
	}}}
}

// KEKFunc takes the key from a function, which returns 32 random bytes: the place
// for a key management service.
func KEKFunc(get func(context.Context) ([]byte, error)) KEK {
	return KEK{&kek{kind: kindRaw, from: "function", get: get}}
}

// Passphrase works the key out from a passphrase by argon2id (RFC 9106), with
// random salt and the parameters in the protected header. To seal it must be at
// least 12 bytes long. In FIPS 140 mode, where that is enforced, it is [ErrKEK]:
// argon2id is not approved.
func Passphrase(get func(context.Context) ([]byte, error)) KEK {
	return passphrase("passphrase", get)
}

func passphrase(from string, get func(context.Context) ([]byte, error)) KEK {
	return KEK{&kek{kind: kindPassphrase, from: from, get: get, turn: make(chan struct{}, 1)}}
}

// PassphraseFile is [Passphrase] with a file, whose last line end does not count.
func PassphraseFile(path string) KEK {
	return passphrase("passphrase in "+path, func(context.Context) ([]byte, error) {
		b, err := readSecretFile(path, 1024)
		return trimLine(b), err
	})
}

// InsecurePlaintext leaves the ring in plain text. Whoever reads the file, or a
// backup of it, can forge every session.
func InsecurePlaintext() KEK { return KEK{&kek{kind: kindPlaintext, from: "none: plain text"}} }

// Open reads the ring that [KEK.Seal] wrote. An error is [ErrKEK] or [ErrDocument].
func (k KEK) Open(ctx context.Context, doc []byte) (*Ring, error) {
	m, err := k.material(ctx)
	if err != nil {
		return nil, err
	}
	return k.k.open(ctx, m, doc)
}

// Seal returns the document of a ring encrypted with the key: a compact JWE on a
// line of its own.
func (k KEK) Seal(ctx context.Context, r *Ring) ([]byte, error) {
	m, err := k.material(ctx)
	if err != nil {
		return nil, err
	}
	return k.k.seal(ctx, m, r.PlaintextJWKSet())
}

// material fetches the key or the passphrase.
func (k KEK) material(ctx context.Context) ([]byte, error) {
	switch {
	case k.k == nil:
		return nil, fmt.Errorf("%w: no KEK given", ErrKEK)
	case k.k.kind == kindPlaintext:
		return nil, nil
	case k.k.kind == kindPassphrase && fips140.Enforced():
		return nil, fmt.Errorf("%w: FIPS 140 mode allows no passphrase, since argon2id is not approved; use a key encryption key of 32 random bytes", ErrKEK)
	}
	b, err := k.k.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: KEK: %w", ErrKEK, err)
	}
	switch {
	case k.k.kind == kindPassphrase && len(b) == 0:
		return nil, fmt.Errorf("%w: the passphrase is empty", ErrKEK)
	case k.k.kind == kindPassphrase:
	case len(b) != secretSize:
		return nil, fmt.Errorf("%w: the KEK is not 32 bytes long", ErrKEK)
	case weak([secretSize]byte(b)):
		return nil, fmt.Errorf("%w: the KEK %w", ErrKEK, errWeak)
	}
	return b, nil
}

func decodeText(b []byte) ([]byte, error) {
	if len(b) == secretChars {
		if out, ok := jwe.AppendDecode(nil, b); ok {
			return out, nil
		}
	}
	return nil, errSecretForm
}

// trimLine cuts one line end off.
func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}

// String returns where the key comes from. No other form of printing shows more.
func (k KEK) String() string {
	if k.k == nil {
		return "keys.KEK(none)"
	}
	return "keys.KEK(" + k.k.from + ")"
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (k KEK) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue implements [slog.LogValuer].
func (k KEK) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON returns what String returns, as a JSON string.
func (k KEK) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// aead returns the cipher for a header.
func (k *kek) aead(ctx context.Context, material []byte, h header) (cipher.AEAD, error) {
	if h.kdf == nil {
		return jwe.AEAD(material)
	}
	return k.aeadFrom(ctx, material, h.kdf)
}
