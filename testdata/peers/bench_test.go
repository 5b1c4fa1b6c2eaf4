//go:build unix

package peers_test

import (
	"encoding/json"
	"syscall"
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
// can be used. The other rows also say how many times as long they took as ours.
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
	var value claims
	if err := json.Unmarshal([]byte(fullClaims()), &value); err != nil {
		b.Fatal(err)
	}
	inJSON, inGob := cookies()
	encodedJSON, err := inJSON.Encode("session", value)
	if err != nil {
		b.Fatal(err)
	}
	encodedGob, err := inGob.Encode("session", value)
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
		{"securecookie, JSON", func() error {
			var c claims
			return inJSON.Decode("session", encodedJSON, &c)
		}},
		{"securecookie, gob", func() error {
			var c claims
			return inGob.Decode("session", encodedGob, &c)
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
	inJSON, inGob := cookies()
	for _, row := range []struct {
		name   string
		cookie *securecookie.SecureCookie
	}{
		{"securecookie, JSON", inJSON},
		{"securecookie, gob", inGob},
	} {
		b.Run(row.name, func(b *testing.B) {
			compare(b, ours, func() error {
				_, err := row.cookie.Encode("session", value)
				return err
			})
		})
	}
}

// cookies returns securecookie with the serializer to which most people change it
// and with the one it comes with.
func cookies() (inJSON, inGob *securecookie.SecureCookie) {
	plain := func() *securecookie.SecureCookie { return securecookie.New(sum("hash"), sum("block")).MaxAge(0) }
	return plain().SetSerializer(securecookie.JSONEncoder{}), plain()
}

// compare times theirs, and then both in turn, and reports the ratio of the
// processor time they took. That includes the garbage collector, which runs beside the
// code that made the garbage, and leaves out other programs on a busy machine.
func compare(b *testing.B, ours func(), theirs func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := theirs(); err != nil {
			b.Fatal(err)
		}
	}
	var spent [2]time.Duration
	for range 20 {
		start := processorTime(b)
		for range 20_000 {
			ours()
		}
		middle := processorTime(b)
		for range 2000 {
			if err := theirs(); err != nil {
				b.Fatal(err)
			}
		}
		spent[0] += middle - start
		spent[1] += processorTime(b) - middle
	}
	b.ReportMetric(10*float64(spent[1])/float64(spent[0]), "x-wafer")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
