// Package peers_test holds Wafer's tokens against other people's libraries and
// against a second implementation of the format: they open ours, we open theirs,
// and how long each takes. It is a module of its own, so that none of them is a
// dependency of Wafer's users.
package peers_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	jwa2 "github.com/lestrrat-go/jwx/v2/jwa"
	jwe2 "github.com/lestrrat-go/jwx/v2/jwe"
	jwa3 "github.com/lestrrat-go/jwx/v3/jwa"
	jwe3 "github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

const kid = "cGVlcnNrZXk"

var (
	key = sum("key")
	now = time.Unix(1_760_000_000, 0)
)

func sum(label string) []byte {
	s := sha256.Sum256([]byte("wafer peers " + label))
	return s[:]
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func sealer(t testing.TB) *token.Sealer {
	t.Helper()
	ring, err := keys.Parse(fmt.Appendf(nil, `{"ring":%q,"iat":%d,"max_session":86400,"list_key":%q,"keys":[{"kty":"oct","alg":"A256GCM","kid":%q,"k":%q,"iat":%d,"nbf":%d}]}`,
		b64(sum("ring")[:16]), now.Unix(), b64(sum("list")), kid, b64(key), now.Unix(), now.Unix()))
	if err != nil {
		t.Fatal(err)
	}
	return token.New(keys.Static(ring))
}

func fullSession() *token.Session {
	return &token.Session{
		Audience:   []byte("shop"),
		ID:         token.ID(sum("sid")[:16]),
		Subject:    []byte("zoë \"Q\" <&>"),
		SubjectTag: token.Tag(sum("stg")[:16]),
		GroupTags:  [token.MaxGroups]token.Tag{token.Tag(sum("grp 0")[:16]), token.Tag(sum("grp 1")[:16])},
		Groups:     2,
		AuthTime:   now.Unix() - 60,
		Epoch:      now.UnixMilli() - 60_000,
		Validity:   token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 7200, Checked: now.UnixMilli() - 20, Term: 3},
		End:        now.Unix() + 86400,
		Remembered: true,
		Version:    5,
		Data:       []byte(`{"text":"` + strings.Repeat("wafer", 57) + `","n":1}`),
	}
}

// fullClaims are the claims of fullSession, written here by hand.
func fullClaims() string {
	return fmt.Sprintf(`{"aud":"shop","sid":%q,"sub":"zoë \"Q\" <&>","stg":%q,"grp":[%q,%q],"auth_time":1759999940,"ep":1759999940000,`+
		`"iat":1760000000,"exp":1760007200,"end":1760086400,"rem":true,"chk":1759999999980,"ln":3,"ver":5,"dat":{"text":%q,"n":1}}`,
		b64(sum("sid")[:16]), b64(sum("stg")[:16]), b64(sum("grp 0")[:16]), b64(sum("grp 1")[:16]), strings.Repeat("wafer", 57))
}

// A peer is a JOSE library.
type peer struct {
	name string
	open func(compact string) (claims []byte, err error)
	seal func(claims []byte, typ string) (compact string, err error)
}

var peers = []peer{
	{
		"jwx v3",
		func(compact string) ([]byte, error) {
			return jwe3.Decrypt([]byte(compact), jwe3.WithKey(jwa3.DIRECT(), key))
		},
		func(claims []byte, typ string) (string, error) {
			h := jwe3.NewHeaders()
			for name, value := range map[string]string{"kid": kid, "typ": typ} {
				if err := h.Set(name, value); err != nil {
					return "", err
				}
			}
			b, err := jwe3.Encrypt(claims, jwe3.WithKey(jwa3.DIRECT(), key), jwe3.WithContentEncryption(jwa3.A256GCM()), jwe3.WithProtectedHeaders(h))
			return string(b), err
		},
	},
	{
		"jwx v2",
		func(compact string) ([]byte, error) {
			return jwe2.Decrypt([]byte(compact), jwe2.WithKey(jwa2.DIRECT, key))
		},
		func(claims []byte, typ string) (string, error) {
			h := jwe2.NewHeaders()
			for name, value := range map[string]string{"kid": kid, "typ": typ} {
				if err := h.Set(name, value); err != nil {
					return "", err
				}
			}
			b, err := jwe2.Encrypt(claims, jwe2.WithKey(jwa2.DIRECT, key), jwe2.WithContentEncryption(jwa2.A256GCM), jwe2.WithProtectedHeaders(h))
			return string(b), err
		},
	},
	{
		"go-jose",
		func(compact string) ([]byte, error) {
			object, err := jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil {
				return nil, err
			}
			return object.Decrypt(key)
		},
		func(claims []byte, typ string) (string, error) {
			options := new(jose.EncrypterOptions).WithType(jose.ContentType(typ))
			e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, options)
			if err != nil {
				return "", err
			}
			object, err := e.Encrypt(claims)
			if err != nil {
				return "", err
			}
			return object.CompactSerialize()
		},
	},
}
