package peers_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/gorilla/securecookie"
	jwa3 "github.com/lestrrat-go/jwx/v3/jwa"
	jwe3 "github.com/lestrrat-go/jwx/v3/jwe"
	jwt3 "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/wafer-sessions/wafer/token"
)

// claims is what an application would have another library decode into.
type claims struct {
	Aud      string          `json:"aud"`
	SID      string          `json:"sid"`
	Sub      string          `json:"sub"`
	STG      string          `json:"stg"`
	GRP      []string        `json:"grp"`
	AuthTime int64           `json:"auth_time"`
	EP       int64           `json:"ep"`
	IAT      int64           `json:"iat"`
	EXP      int64           `json:"exp"`
	End      int64           `json:"end"`
	CHK      int64           `json:"chk"`
	LN       uint32          `json:"ln"`
	Dat      json.RawMessage `json:"dat"`
}

// BenchmarkOpen opens the same session, 300 bytes of data in it, up to claims that
// can be used. The rows beside ours also say how many times as long the median
// took, measured in turns, which a busy machine moves less than the times.
func BenchmarkOpen(b *testing.B) {
	s := sealer(b)
	sealed, err := s.SealSession(nil, fullSession(), now)
	if err != nil {
		b.Fatal(err)
	}
	compact := string(sealed)
	buf := make([]byte, token.MaxLength)
	ours := func() {
		var c token.Session
		if err := s.OpenSession(buf, compact, &c, now); err != nil {
			b.Fatal(err)
		}
	}
	cookie := securecookie.New(sum("hash"), sum("block")).MaxAge(0).SetSerializer(securecookie.JSONEncoder{})
	var value claims
	if err := json.Unmarshal([]byte(fullClaims()), &value); err != nil {
		b.Fatal(err)
	}
	encoded, err := cookie.Encode("session", value)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("wafer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours()
		}
	})
	for _, row := range []struct {
		name string
		f    func() error
	}{
		{"jwx", func() error {
			payload, err := jwe3.Decrypt(sealed, jwe3.WithKey(jwa3.DIRECT(), key))
			if err != nil {
				return err
			}
			_, err = jwt3.ParseInsecure(payload)
			return err
		}},
		{"go-jose", func() error {
			object, err := jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil {
				return err
			}
			payload, err := object.Decrypt(key)
			if err != nil {
				return err
			}
			var c claims
			return json.Unmarshal(payload, &c)
		}},
		{"securecookie", func() error {
			var c claims
			return cookie.Decode("session", encoded, &c)
		}},
	} {
		b.Run(row.name, func(b *testing.B) { compare(b, ours, row.f) })
	}
}

// BenchmarkSeal seals the same session.
func BenchmarkSeal(b *testing.B) {
	s := sealer(b)
	session := fullSession()
	ours := func() {
		if _, err := s.SealSession(nil, session, now); err != nil {
			b.Fatal(err)
		}
	}
	cookie := securecookie.New(sum("hash"), sum("block")).MaxAge(0).SetSerializer(securecookie.JSONEncoder{})
	var value claims
	if err := json.Unmarshal([]byte(fullClaims()), &value); err != nil {
		b.Fatal(err)
	}
	b.Run("wafer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours()
		}
	})
	for _, p := range peers {
		if p.name == "jwx v2" {
			continue
		}
		b.Run(p.name, func(b *testing.B) {
			compare(b, ours, func() error {
				payload, err := json.Marshal(value)
				if err != nil {
					return err
				}
				_, err = p.seal(payload, "session+jwt")
				return err
			})
		})
	}
	b.Run("securecookie", func(b *testing.B) {
		compare(b, ours, func() error {
			_, err := cookie.Encode("session", value)
			return err
		})
	})
}

// compare times theirs, and in turn with ours.
func compare(b *testing.B, ours func(), theirs func() error) {
	b.ReportAllocs()
	var ratios []float64
	for b.Loop() {
		if err := theirs(); err != nil {
			b.Fatal(err)
		}
	}
	for range 51 {
		const round = 50
		start := time.Now()
		for range round {
			ours()
		}
		middle := time.Now()
		for range round {
			if err := theirs(); err != nil {
				b.Fatal(err)
			}
		}
		ratios = append(ratios, float64(time.Since(middle))/float64(middle.Sub(start)))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-wafer")
}
