package peers_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	jwt3 "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/token"
)

func TestTheyOpenOurs(t *testing.T) {
	s := sealer(t)
	session, err := s.SealSession(nil, fullSession(), now)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := s.SealRenewal(nil, &token.Renewal{ID: token.ID(sum("sid")[:16]), Validity: token.Validity{IssuedAt: 1, Expires: 2, Checked: 3, Term: 4}}, now)
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := s.SealBearer(nil, fullSession(), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			if got, err := p.open(string(bearer)); err != nil || string(got) != fullClaims() {
				t.Errorf("bearer token: %q, %v, want %q", got, err, fullClaims())
			}
			if got, err := p.open(string(session)); err != nil || string(got) != fullClaims() {
				t.Errorf("session: %q, %v, want %q", got, err, fullClaims())
			}
			want := `{"sid":"` + b64(sum("sid")[:16]) + `","iat":1,"exp":2,"chk":3,"ln":4}`
			if got, err := p.open(string(seen)); err != nil || string(got) != want {
				t.Errorf("renewal token: %q, %v, want %q", got, err, want)
			}
		})
	}
}

// The claims are a JWT to others, not just JSON.
func TestTheyReadOurClaims(t *testing.T) {
	tok, err := jwt3.ParseInsecure([]byte(fullClaims()))
	if err != nil {
		t.Fatal(err)
	}
	sub, _ := tok.Subject()
	aud, _ := tok.Audience()
	exp, _ := tok.Expiration()
	iat, _ := tok.IssuedAt()
	if sub != string(fullSession().Subject) || !reflect.DeepEqual(aud, []string{"shop"}) || exp.Unix() != fullSession().Expires || !iat.Equal(now) {
		t.Errorf("sub %q, aud %q, exp %v, iat %v", sub, aud, exp, iat)
	}
}

func TestWeOpenTheirs(t *testing.T) {
	s := sealer(t)
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			compact, err := p.seal([]byte(fullClaims()), "session+jwt")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("header %s", headerOf(t, compact))
			var c token.Session
			if err := s.OpenSession(nil, compact, &c, now); err != nil {
				t.Fatal(err)
			}
			want := *fullSession()
			want.KeyID = kid
			if !reflect.DeepEqual(c, want) {
				t.Errorf("got %+v, want %+v", c, want)
			}
			var e token.Renewal
			if err := s.OpenRenewal(nil, compact, &e, now); !errors.Is(err, token.ErrMalformed) {
				t.Errorf("as a renewal token: %v", err)
			}

			compact, err = p.seal([]byte(`{"sid":"`+b64(sum("sid")[:16])+`","iat":1,"exp":2}`), "seen+jwt")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.OpenRenewal(nil, compact, &e, now); err != nil || e.Expires != 2 {
				t.Errorf("renewal token: %+v, %v", e, err)
			}

			compact, err = p.seal([]byte(fullClaims()), "bearer+jwt")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.OpenBearer(nil, compact, &c, now); err != nil || !reflect.DeepEqual(c, want) {
				t.Errorf("bearer token: %+v, %v", c, err)
			}

			for name, typ := range map[string]string{"typ JWT": "JWT", "another typ": "session", "a bearer token": "bearer+jwt"} {
				compact, err = p.seal([]byte(fullClaims()), typ)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.OpenSession(nil, compact, &c, now); !errors.Is(err, token.ErrMalformed) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// Claims as others put them: a map, whose members come in the order of their names.
// There dat is not last, so it is left out.
func TestWeOpenTheirClaims(t *testing.T) {
	claims, err := json.Marshal(map[string]any{
		"aud": []string{"shop"}, "sid": b64(sum("sid")[:16]), "sub": "zoë \"Q\" <&>", "auth_time": 1, "iat": 2, "exp": 3, "end": 4,
		"jti": "x", "nbf": 2, "roles": map[string]any{"a": []any{1.5, nil, true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		compact, err := p.seal(claims, "session+jwt")
		if err != nil {
			t.Fatal(err)
		}
		var c token.Session
		if err := sealer(t).OpenSession(nil, compact, &c, now); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		want := token.Session{Audience: []byte("shop"), ID: token.ID(sum("sid")[:16]), Subject: []byte("zoë \"Q\" <&>"), AuthTime: 1, Validity: token.Validity{IssuedAt: 2, Expires: 3}, End: 4, KeyID: kid}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%s: %+v, want %+v", p.name, c, want)
		}
	}
}

// Every order of the header's members is a token to them and to us.
func TestHeaderOrders(t *testing.T) {
	a, err := jwe.AEAD(key)
	if err != nil {
		t.Fatal(err)
	}
	s := sealer(t)
	members := []string{`"alg":"dir"`, `"enc":"A256GCM"`, `"kid":"` + kid + `"`, `"typ":"session+jwt"`}
	n := 0
	permute(members, func(order []string) {
		n++
		header := b64([]byte("{" + strings.Join(order, ",") + "}"))
		compact := string(jwe.Seal(nil, a, header, []byte(fullClaims())))
		var c token.Session
		if err := s.OpenSession(nil, compact, &c, now); err != nil {
			t.Errorf("%v: we: %v", order, err)
		}
		for _, p := range peers {
			if got, err := p.open(compact); err != nil || string(got) != fullClaims() {
				t.Errorf("%v: %s: %v", order, p.name, err)
			}
		}
	})
	if n != 24 {
		t.Errorf("%d orders of four members", n)
	}
}

func permute(s []string, f func([]string)) {
	var step func(int)
	step = func(k int) {
		if k == len(s) {
			f(s)
			return
		}
		for i := k; i < len(s); i++ {
			s[k], s[i] = s[i], s[k]
			step(k + 1)
			s[k], s[i] = s[i], s[k]
		}
	}
	step(0)
}

// What they refuse for good reason, we refuse.
func TestNobodyOpensChanged(t *testing.T) {
	s := sealer(t)
	b, err := s.SealSession(nil, fullSession(), now)
	if err != nil {
		t.Fatal(err)
	}
	p := strings.Split(string(b), ".")
	for part := range p {
		if p[part] == "" {
			continue
		}
		q := append([]string(nil), p...)
		raw, err := base64.RawURLEncoding.DecodeString(q[part])
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 4
		q[part] = b64(raw)
		compact := strings.Join(q, ".")
		var c token.Session
		if err := s.OpenSession(nil, compact, &c, now); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("part %d changed: we: %v", part, err)
		}
		for _, p := range peers {
			if _, err := p.open(compact); err == nil {
				t.Errorf("part %d changed: %s opens it", part, p.name)
			}
		}
	}
}

func headerOf(t *testing.T, compact string) string {
	t.Helper()
	segment, _, _ := strings.Cut(compact, ".")
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
