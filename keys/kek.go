package keys

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/secrets"
)

// A KEK says where the key encryption key comes from, with which a ring is encrypted at rest. Keep
// that key apart from the ring: anyone who has both can forge and read every session. It is asked
// for when the bytes of a ring changed, again every 15 s while it does not open them, and once for
// each edit. It is not kept in memory between, except for a key derived from a passphrase. The zero
// KEK opens nothing. A KEK is safe for concurrent use.
type KEK struct{ k *kek }

type kek struct {
	kind kind
	from string // for people: the file or the variable
	path string // of a KEKFile
	get  func(context.Context) ([]byte, error)

	several []KEK         // of KEKs: at least one, and each is one KEK
	last    *atomic.Int32 // of KEKs: which one opened a ring last

	kdf   *kdfState // of a passphrase
	pause *pause    // of a function; nil: it may be asked for at any time
}

type kind uint8

const (
	kindFile kind = iota
	kindRaw
	kindPassphrase
	kindPlaintext
	kindSeveral
)

// KEKFile reads the key from a file. The file holds 32 random bytes, raw or in unpadded base64url,
// and needs the same mode as the ring (see [OpenFile]).
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

// KEKEnv reads the key from an environment variable, which holds 32 random bytes in unpadded
// base64url.
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

// KEKFunc calls a function for the key. The function returns 32 random bytes, for instance from a
// key management service; the examples show three. If it fails, it is not called again for 15 s.
func KEKFunc(get func(context.Context) ([]byte, error)) KEK {
	return KEK{&kek{kind: kindRaw, from: "function", get: get, pause: new(pause)}}
}

// Passphrase derives the key from a passphrase by argon2id (RFC 9106), with random salt and the
// parameters in the protected header. To seal, the passphrase must be at least 12 bytes long, and
// must not repeat itself, count, or have fewer than 8 different bytes. If get fails, it is not called
// again for 15 s. If FIPS 140 mode is enforced, the error is [ErrKEK]: argon2id is not approved.
func Passphrase(get func(context.Context) ([]byte, error)) KEK {
	k := passphrase("passphrase", get)
	k.k.pause = new(pause)
	return k
}

func passphrase(from string, get func(context.Context) ([]byte, error)) KEK {
	return KEK{&kek{kind: kindPassphrase, from: from, get: get, kdf: &kdfState{turn: make(chan struct{}, 1)}}}
}

// PassphraseFile is [Passphrase] with the content of a file, without its last line end.
func PassphraseFile(path string) KEK {
	return passphrase("passphrase in "+path, func(context.Context) ([]byte, error) {
		b, err := readSecretFile(path, 1024)
		return trimLine(b), err
	})
}

// InsecurePlaintext leaves the ring in plain text. Anyone who reads the file, or a backup of it,
// can forge every session.
func InsecurePlaintext() KEK { return KEK{&kek{kind: kindPlaintext, from: "none: plain text"}} }

// Open decrypts a ring that [KEK.Seal] wrote. Its errors are [ErrKEK] and [ErrDocument].
func (k KEK) Open(ctx context.Context, doc []byte) (*Ring, error) {
	found, err := k.decrypt(ctx, doc)
	if err != nil {
		return nil, err
	}
	return Parse(found.doc)
}

// Seal returns the document of a new ring, encrypted with the key: a compact JWE on one line, with
// a line end. It asks for the key twice: if a function returns a new key at every call, nothing
// would ever open the ring, and the error is [ErrKEK].
func (k KEK) Seal(ctx context.Context, r *Ring) ([]byte, error) {
	k = k.first()
	m, err := k.material(ctx)
	if err != nil {
		return nil, err
	}
	return k.sealSurely(ctx, m, r.PlaintextJWKSet())
}

// sealSurely seals a document, and asks for the key again to check that it opens what it sealed.
func (k KEK) sealSurely(ctx context.Context, material, doc []byte) ([]byte, error) {
	sealed, err := k.k.seal(ctx, material, doc)
	if err != nil {
		return nil, err
	}
	if again, err := k.decrypt(ctx, sealed); err != nil {
		return nil, fmt.Errorf("the KEK cannot open what it sealed; is it another one at every call? %w", err)
	} else if !bytes.Equal(again.doc, doc) {
		return nil, fmt.Errorf("%w: the KEK opened it to another document", ErrKEK)
	}
	return sealed, nil
}

// Reseal is Seal for a ring that takes the place of doc: it is encrypted with the key that opens
// doc. So no edit changes the KEK of a ring, not even that of a process whose KEK is a newer or an
// older one than that of the others. It asks for the key once.
func (k KEK) Reseal(ctx context.Context, r *Ring, doc []byte) ([]byte, error) {
	found, err := k.decrypt(ctx, doc)
	if err != nil {
		return nil, err
	}
	return found.by.seal(ctx, found.material, r.PlaintextJWKSet())
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
	if err := k.k.pause.err(); err != nil {
		return nil, err
	}
	b, err := k.k.ask(ctx)
	k.k.pause.note(err)
	return b, err
}

// ask is material without a look at what happened before.
func (k *kek) ask(ctx context.Context) ([]byte, error) {
	b, err := k.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: KEK: %w", ErrKEK, err)
	}
	switch {
	case k.kind == kindPassphrase && len(b) == 0:
		return nil, fmt.Errorf("%w: the passphrase is empty", ErrKEK)
	case k.kind == kindPassphrase:
	case len(b) != secretSize:
		return nil, fmt.Errorf("%w: the KEK is not 32 bytes long", ErrKEK)
	case weak([secretSize]byte(b)):
		return nil, fmt.Errorf("%w: the KEK %w", ErrKEK, secrets.ErrWeak)
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

// trimLine removes one line end.
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
	return k.kdf.aeadFrom(ctx, material, h.kdf)
}
