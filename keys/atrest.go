package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/secrets"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

const (
	contentType = "jwk-set+json"                            // RFC 7517 §7
	maxHeader   = 1 << 10                                   // base64url characters
	maxAtRest   = maxHeader + maxDocument/3*4 + maxDocument // bytes of a file, encrypted or not
)

// header is the protected header of an encrypted ring.
type header struct {
	Alg string `json:"alg"`
	Enc string `json:"enc"`
	Cty string `json:"cty"`
	*kdf
}

func (h header) encode() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and numbers
	}
	return encode(b)
}

func readHeader(segment string) (h header, err error) {
	if len(segment) > maxHeader {
		return h, errors.New("header too long")
	}
	b, ok := jwe.AppendDecode(nil, segment)
	if !ok {
		return h, jwe.ErrMalformed
	}
	doc, err := strictjson.Parse(b)
	if err != nil {
		return h, err
	}
	var f kdf
	with := false
	err = readObject(doc, []string{"alg", "enc", "cty"}, func(name string, v strictjson.Value) (bool, error) {
		switch name {
		case "alg":
			return readText(v, &h.Alg)
		case "enc":
			return readText(v, &h.Enc)
		case "cty":
			return readText(v, &h.Cty)
		}
		with = true
		return f.read(name, v)
	})
	switch {
	case err != nil:
		return h, err
	case h.Alg != "dir" || h.Enc != algorithm || h.Cty != contentType:
		return h, fmt.Errorf("the header must have alg dir, enc %s and cty %s", algorithm, contentType)
	case !with:
		return h, nil
	}
	h.kdf = &f
	return h, f.check()
}

// seal encrypts the document of a ring.
func (k *kek) seal(ctx context.Context, material, doc []byte) ([]byte, error) {
	if k.kind == kindPlaintext {
		return append(bytes.Clone(doc), '\n'), nil
	}
	h := header{Alg: "dir", Enc: algorithm, Cty: contentType}
	if k.kind == kindPassphrase {
		if err := checkPassphrase(material); err != nil {
			return nil, err
		}
		h.kdf = k.kdf.saltFor(material)
	}
	a, err := k.aead(ctx, material, h)
	if err != nil {
		return nil, err
	}
	return append(jwe.Seal(nil, a, h.encode(), doc), '\n'), nil
}

// checkPassphrase returns an error if a passphrase is too easy to guess to seal with.
func checkPassphrase(p []byte) error {
	switch {
	case len(p) < minPassphrase:
		return fmt.Errorf("%w: the passphrase is shorter than %d bytes", ErrKEK, minPassphrase)
	case secrets.Weak(p):
		return fmt.Errorf("%w: the passphrase is easy to guess, since it repeats itself, counts, or has few different characters; use six random words", ErrKEK)
	}
	return nil
}

// atRest is a stored ring: in plain text, or the parts of a JWE.
type atRest struct {
	plain  []byte // nil: encrypted
	parts  jwe.Parts
	header header
}

// readAtRest reads what seal wrote, as far as that needs no key. One line end after it is optional.
func readAtRest(doc []byte) (a atRest, err error) {
	if len(doc) > maxAtRest {
		return a, fmt.Errorf("%w: more than %d bytes", ErrDocument, maxAtRest)
	}
	if bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{")) {
		a.plain = trimLine(doc)
		return a, nil
	}
	if a.parts, err = jwe.Split(string(trimLine(doc))); err == nil {
		a.header, err = readHeader(a.parts.Header)
	}
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return a, nil
}

// fits returns an error if a KEK of this kind cannot open a, whatever the key is. So the key is
// asked for only if it can be of use.
func (k KEK) fits(a atRest) error {
	switch {
	case k.k == nil:
		return fmt.Errorf("%w: no KEK given", ErrKEK)
	case a.plain != nil && k.k.kind != kindPlaintext:
		return fmt.Errorf("%w: the ring is in plain text, but a KEK is given", ErrKEK)
	case a.plain != nil:
		return nil
	case k.k.kind == kindPlaintext:
		return fmt.Errorf("%w: the ring is encrypted, but no KEK is given", ErrKEK)
	case a.header.kdf != nil && k.k.kind != kindPassphrase:
		return fmt.Errorf("%w: the ring is encrypted with a passphrase", ErrKEK)
	case a.header.kdf == nil && k.k.kind == kindPassphrase:
		return fmt.Errorf("%w: the ring is encrypted with a KEK, not with a passphrase", ErrKEK)
	}
	return nil
}

// decryptOne is decrypt for a KEK that is not several.
func (k KEK) decryptOne(ctx context.Context, a atRest) (opening, error) {
	if err := k.fits(a); err != nil {
		return opening{}, err
	}
	material, err := k.material(ctx)
	if err != nil {
		return opening{}, err
	}
	if a.plain != nil {
		return opening{a.plain, k.k, material}, nil
	}
	aead, err := k.k.aead(ctx, material, a.header)
	if err != nil {
		return opening{}, err
	}
	doc, err := a.parts.Open(nil, aead)
	switch {
	case errors.Is(err, jwe.ErrTampered):
		return opening{}, fmt.Errorf("%w: the KEK is another one, or the ring was altered", ErrKEK)
	case err != nil:
		return opening{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return opening{doc, k.k, material}, nil
}
