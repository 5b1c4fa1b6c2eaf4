package peers_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/token"
)

// readVectors reads a file of Project Wycheproof.
func readVectors(t *testing.T, file string, into any) {
	t.Helper()
	f, err := wycheproof.TestVectors.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := json.NewDecoder(f).Decode(into); err != nil {
		t.Fatal(err)
	}
}

type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) error {
	var err error
	*b, err = hex.DecodeString(string(text))
	return err
}

func TestWycheproofAESGCM(t *testing.T) {
	var file struct {
		TestGroups []struct {
			IVSize, KeySize, TagSize int
			Tests                    []struct {
				TCID                       int
				Comment                    string
				Key, IV, AAD, Msg, CT, Tag hexBytes
				Result                     string
			}
		}
	}
	readVectors(t, "aes_gcm_test.json", &file)
	valid, invalid := 0, 0
	for _, g := range file.TestGroups {
		if g.KeySize != 256 || g.IVSize != 96 || g.TagSize != 128 {
			continue
		}
		for _, c := range g.Tests {
			a, err := jwe.AEAD(c.Key)
			if err != nil {
				t.Fatal(err)
			}
			sealed := append(append(append([]byte(nil), c.IV...), c.CT...), c.Tag...)
			got, err := a.Open(nil, nil, sealed, c.AAD)
			// The same through a token, whose additional data is text, where it is.
			parts := jwe.Parts{Header: string(c.AAD), IV: b64(c.IV), Ciphertext: b64(c.CT), Tag: b64(c.Tag)}
			through, errThrough := parts.Open(nil, a)
			switch c.Result {
			case "valid":
				valid++
				if err != nil || !bytes.Equal(got, c.Msg) || errThrough != nil || !bytes.Equal(through, c.Msg) {
					t.Errorf("case %d (%s): %x, %v; as a token %x, %v; want %x", c.TCID, c.Comment, got, err, through, errThrough, c.Msg)
				}
			case "invalid":
				invalid++
				if err == nil || !errors.Is(errThrough, jwe.ErrTampered) {
					t.Errorf("case %d (%s): %v; as a token %v", c.TCID, c.Comment, err, errThrough)
				}
			default:
				t.Errorf("case %d is %q", c.TCID, c.Result)
			}
		}
	}
	t.Logf("%d valid, %d invalid", valid, invalid)
	if valid+invalid != 66 {
		t.Errorf("%d cases, want 66", valid+invalid)
	}
}

// Of the JWEs of Wycheproof none is of Wafer's profile, the valid ones included: all
// have other algorithms or another key in their header.
func TestWycheproofJWE(t *testing.T) {
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			Private json.RawMessage
			Tests   []struct {
				TCID    int
				Comment string
				JWE     json.RawMessage
				Result  string
			}
		}
	}
	readVectors(t, "json_web_encryption_test.json", &file)
	s := sealer(t)
	cases := 0
	for _, g := range file.TestGroups {
		var secret struct{ K []byte }
		var jwk struct{ K string }
		if json.Unmarshal(g.Private, &jwk) == nil {
			secret.K, _ = jwe.AppendDecode(nil, jwk.K)
		}
		if len(secret.K) != jwe.KeySize {
			secret.K = sum("stands in")
		}
		a, err := jwe.AEAD(secret.K)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range g.Tests {
			cases++
			var compact string
			if json.Unmarshal(c.JWE, &compact) != nil {
				compact = string(c.JWE) // JSON serialization
			}
			var session token.Session
			if err := s.OpenSession(nil, compact, &session, now); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("case %d (%s) opens as a session: %v", c.TCID, c.Comment, err)
			}
			var renewal token.Renewal
			if err := s.OpenRenewal(nil, compact, &renewal, now); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("case %d (%s) opens as a renewal token: %v", c.TCID, c.Comment, err)
			}
			if err := s.OpenBearer(nil, compact, &session, now); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("case %d (%s) opens as a bearer token: %v", c.TCID, c.Comment, err)
			}
			// Under its own key as well, header or not.
			if parts, err := jwe.Split(compact); err == nil {
				if _, err := parts.Open(nil, a); err == nil {
					t.Errorf("case %d (%s) opens under its key", c.TCID, c.Comment)
				}
			}
		}
	}
	t.Logf("%d cases", cases)
	if cases != file.NumberOfTests || cases < 100 {
		t.Errorf("%d cases, the file says %d", cases, file.NumberOfTests)
	}
}
