package peers_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/testdata/peers/second"
	"github.com/wafer-sessions/wafer/token"
)

// The vectors say the same to an implementation that was made from the page alone.
func TestVectorsBySecondImplementation(t *testing.T) {
	files, err := filepath.Glob("../vectors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(string(b), "\n\n")
			lines := make(map[string]string)
			var ring []second.JWK
			for line := range strings.SplitSeq(head, "\n") {
				name, value, _ := strings.Cut(line, ": ")
				lines[name] = value
				if name == "key" {
					var k second.JWK
					if err := json.Unmarshal([]byte(value), &k); err != nil {
						t.Fatal(err)
					}
					ring = append(ring, k)
				}
			}
			now, err := strconv.ParseInt(lines["now"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			c, reason := second.Open(ring, lines["kind"], strings.TrimSuffix(body, "\n"), now)
			if reason == "" {
				reason = "opens"
			}
			if reason != lines["expect"] {
				t.Fatalf("%s, want %s", reason, lines["expect"])
			}
			if c == nil {
				return
			}
			want, ok := second.ReadClaims(lines["kind"], []byte(lines["claims"]))
			if !ok || !equal(c, want) {
				t.Errorf("got %+v, want %+v", c, want)
			}
		})
	}
}

// Both implementations read the same in the same claims.
func FuzzSecondImplementation(f *testing.F) {
	for _, claims := range []string{
		fullClaims(),
		fullClaims() + "\n",
		`{ "end":4, "exp":3,"iat":2,"auth_time":1,"sid":"AAAAAAAAAAAAAAAAAAAAAA","aud":["\u0061\ud834\udd1e"],"x":[[{"y":-1.5e3}]],"d\u0061t":1,"sub":2} `,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"iat":2,"exp":3,"end":4,"ſub":"x"}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"iat":2,"exp":3,"end":4,"dat":}`,
		`{"aud":"\ud834","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"iat":2,"exp":3,"end":4}`,
		`{"sid":"AAAAAAAAAAAAAAAAAAAAAA","iat":1,"exp":2,"ln":4294967295,"dat":null}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"iat":2,"exp":3,"end":4,"rem": false ,"ver":9}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"iat":2,"exp":3,"end":4,"rem":null}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"ep":5,"ld":6,"iat":2,"exp":3,"end":4}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"amr":["pwd","mfa"],"iat":2,"exp":3,"end":4}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"amr":["pwd", "\u0070wd"],"iat":2,"exp":3,"end":4}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"amr":[],"iat":2,"exp":3,"end":4}`,
		`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"amr":["a b"],"iat":2,"exp":3,"end":4}`,
		`{"sid":"AAAAAAAAAAAAAAAAAAAAAA","iat":1,"exp":2,"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`,
	} {
		f.Add([]byte(claims))
	}
	s := sealer(f)
	a, err := jwe.AEAD(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, claims []byte) {
		if len(claims) > 2000 {
			return
		}
		seal := func(typ string) string {
			header := b64([]byte(`{"alg":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"` + typ + `"}`))
			return string(jwe.Seal(nil, a, header, claims))
		}
		var c token.Session
		err := s.OpenSession(nil, seal("session+jwt"), &c, now)
		want, ok := second.ReadClaims("session", claims)
		if (err == nil) != ok {
			t.Fatalf("session %q: %v, the second implementation %v", claims, err, ok)
		}
		if ok {
			got := &second.Claims{
				Aud: string(c.Audience), Sub: string(c.Subject), SID: c.ID, STG: c.SubjectTag, AuthTime: c.AuthTime, EP: c.Epoch, LD: c.Loaded,
				IAT: c.IssuedAt, EXP: c.Expires, End: c.End, CHK: c.Checked, LN: int64(c.Term), Rem: c.Remembered, Ver: c.Version, Dat: c.Data,
			}
			for _, g := range c.GroupTags[:c.Groups] {
				got.GRP = append(got.GRP, g)
			}
			for _, name := range c.Methods {
				if len(name) > 0 {
					got.AMR = append(got.AMR, string(name))
				}
			}
			if !equal(got, want) {
				t.Fatalf("session %q: %+v, the second implementation %+v", claims, got, want)
			}
		}

		var e token.Renewal
		err = s.OpenRenewal(nil, seal("seen+jwt"), &e, now)
		want, ok = second.ReadClaims("seen", claims)
		if (err == nil) != ok {
			t.Fatalf("seen %q: %v, the second implementation %v", claims, err, ok)
		}
		if ok && !equal(&second.Claims{SID: e.ID, IAT: e.IssuedAt, EXP: e.Expires, CHK: e.Checked, LN: int64(e.Term)}, want) {
			t.Fatalf("seen %q: %+v, the second implementation %+v", claims, e, want)
		}
	})
}

func equal(a, b *second.Claims) bool {
	x, y := *a, *b
	if !bytes.Equal(x.Dat, y.Dat) || (x.Dat == nil) != (y.Dat == nil) || !slices.Equal(x.AMR, y.AMR) || len(x.GRP) != len(y.GRP) {
		return false
	}
	for i := range x.GRP {
		if x.GRP[i] != y.GRP[i] {
			return false
		}
	}
	return x.Aud == y.Aud && x.Sub == y.Sub && x.SID == y.SID && x.STG == y.STG && x.AuthTime == y.AuthTime && x.EP == y.EP && x.LD == y.LD &&
		x.IAT == y.IAT && x.EXP == y.EXP && x.End == y.End && x.CHK == y.CHK && x.LN == y.LN && x.Rem == y.Rem && x.Ver == y.Ver
}
