package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wafer-sessions/wafer/internal/jwe"
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
		if len(material) < minPassphrase {
			return nil, fmt.Errorf("%w: the passphrase is shorter than %d bytes", ErrKEK, minPassphrase)
		}
		h.kdf = k.saltFor(material)
	}
	a, err := k.aead(ctx, material, h)
	if err != nil {
		return nil, err
	}
	return append(jwe.Seal(nil, a, h.encode(), doc), '\n'), nil
}

// open reads what seal wrote. One line end after it is optional.
func (k *kek) open(ctx context.Context, material, doc []byte) (*Ring, error) {
	plaintext, err := k.decrypt(ctx, material, doc)
	if err != nil {
		return nil, err
	}
	return Parse(plaintext)
}

// decrypt undoes seal.
func (k *kek) decrypt(ctx context.Context, material, doc []byte) ([]byte, error) {
	if len(doc) > maxAtRest {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrDocument, maxAtRest)
	}
	plain := bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{"))
	switch {
	case plain && k.kind == kindPlaintext:
		return trimLine(doc), nil
	case plain:
		return nil, fmt.Errorf("%w: the ring is in plain text, but a KEK is given", ErrKEK)
	case k.kind == kindPlaintext:
		return nil, fmt.Errorf("%w: the ring is encrypted, but no KEK is given", ErrKEK)
	}
	parts, err := jwe.Split(string(trimLine(doc)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	h, err := readHeader(parts.Header)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	switch {
	case h.kdf != nil && k.kind != kindPassphrase:
		return nil, fmt.Errorf("%w: the ring is encrypted with a passphrase", ErrKEK)
	case h.kdf == nil && k.kind == kindPassphrase:
		return nil, fmt.Errorf("%w: the ring is encrypted with a KEK, not with a passphrase", ErrKEK)
	}
	a, err := k.aead(ctx, material, h)
	if err != nil {
		return nil, err
	}
	plaintext, err := parts.Open(nil, a)
	switch {
	case errors.Is(err, jwe.ErrTampered):
		return nil, fmt.Errorf("%w: the KEK is another one, or the ring was altered", ErrKEK)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return plaintext, nil
}
