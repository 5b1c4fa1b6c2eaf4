package token_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/token"
)

// tokens returns n session tokens of different sizes, and as many renewal tokens.
func tokens(t *testing.T, s *token.Sealer, n int) (sessions, renewals []string) {
	for i := range n {
		c := fullSession()
		c.ID = token.ID(bits(fmt.Sprint("id", i), 16))
		c.Groups = i % 3
		c.GroupTags = [8]token.Tag{}
		for g := range c.Groups {
			c.GroupTags[g] = token.Tag(bits(fmt.Sprint(i, g), 16))
		}
		c.Data = []byte(strings.Repeat("1", 1+7*i))
		sessions = append(sessions, sealed(t, s, c, testTime))
		e := fullRenewal()
		e.ID = c.ID
		e.Expires = testSecond + int64(i)
		renewals = append(renewals, sealedRenewal(t, s, e, testTime))
	}
	return sessions, renewals
}

// mustNotOpen fails the test if the token opens as any kind, or fails with an undocumented error.
func mustNotOpen(t *testing.T, s *token.Sealer, buf []byte, compact, what string) {
	t.Helper()
	var c token.Session
	var e token.Renewal
	if err := s.OpenSession(buf, compact, &c, testTime); !errors.Is(err, token.ErrInvalid) {
		t.Fatalf("%s: opens as a session, %v:\n%s", what, err, compact)
	}
	if err := s.OpenRenewal(buf, compact, &e, testTime); !errors.Is(err, token.ErrInvalid) {
		t.Fatalf("%s: opens as a renewal token, %v:\n%s", what, err, compact)
	}
	if err := s.OpenBearer(buf, compact, &c, testTime); !errors.Is(err, token.ErrInvalid) {
		t.Fatalf("%s: opens as a bearer token, %v:\n%s", what, err, compact)
	}
}

func TestEveryBitOfManyTokens(t *testing.T) {
	n := 12
	if testing.Short() {
		n = 4
	}
	s := testSealer(t)
	sessions, renewals := tokens(t, s, n)
	buf := make([]byte, token.MaxLength)
	for _, compact := range append(sessions, renewals...) {
		b := []byte(compact)
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				mustNotOpen(t, s, buf, string(b), "one bit changed")
				b[i] ^= 1 << bit
			}
		}
	}
}

func TestEveryByteOfOneToken(t *testing.T) {
	s := testSealer(t)
	buf := make([]byte, token.MaxLength)
	for _, compact := range []string{sealed(t, s, fullSession(), testTime), sealedRenewal(t, s, fullRenewal(), testTime), sealedBearer(t, s, fullSession(), testTime)} {
		b := []byte(compact)
		for i, was := range b {
			for c := range 256 {
				if byte(c) != was {
					b[i] = byte(c)
					mustNotOpen(t, s, buf, string(b), "one byte changed")
				}
			}
			b[i] = was
		}
	}
}

func TestCutAndExtended(t *testing.T) {
	s := testSealer(t)
	buf := make([]byte, token.MaxLength)
	for _, compact := range []string{sealed(t, s, fullSession(), testTime), sealedRenewal(t, s, fullRenewal(), testTime), sealedBearer(t, s, fullSession(), testTime)} {
		for i := range compact {
			mustNotOpen(t, s, buf, compact[:i], "the end cut off")
			mustNotOpen(t, s, buf, compact[i+1:], "the beginning cut off")
			mustNotOpen(t, s, buf, compact[:i]+compact[i+1:], "one byte taken out")
			for _, c := range []string{"A", ".", "=", "\n", "\r", "\x00", " "} {
				mustNotOpen(t, s, buf, compact[:i]+c+compact[i:], "one byte put in")
			}
		}
		for _, tail := range []string{"A", "AA", "AAA", "AAAA", ".", "..", ".AAAA", "=", "==", "\n", "\r\n", " ", ";", ",", "\x00", "%", compact} {
			mustNotOpen(t, s, buf, compact+tail, "extended")
			mustNotOpen(t, s, buf, tail+compact, "something before")
		}
	}
}

// No part of a token fits into another token, whatever the two have in common.
func TestSwappedParts(t *testing.T) {
	s := testSealer(t)
	buf := make([]byte, token.MaxLength)
	least := leastSession()
	all := []string{
		sealed(t, s, fullSession(), testTime),
		sealed(t, s, fullSession(), testTime), // with the same claims
		sealed(t, s, least, testTime),
		sealedRenewal(t, s, fullRenewal(), testTime),
		sealedRenewal(t, s, fullRenewal(), testTime),
		sealedBearer(t, s, fullSession(), testTime),
	}
	for i, a := range all {
		for j, b := range all {
			if i == j {
				continue
			}
			p, q := strings.Split(a, "."), strings.Split(b, ".")
			for take := 1; take < 1<<5-1; take++ {
				mixed := make([]string, 5)
				for k := range mixed {
					mixed[k] = p[k]
					if take>>k&1 == 1 {
						mixed[k] = q[k]
					}
				}
				compact := strings.Join(mixed, ".")
				if compact != a && compact != b {
					mustNotOpen(t, s, buf, compact, "parts of two tokens")
				}
			}
		}
	}
}

// A token of one kind does not open as another, neither as it is nor with its header changed.
func TestSwappedKind(t *testing.T) {
	s := testSealer(t)
	kinds := []struct {
		name, compact string
		open          func(string) error
	}{
		{"session", sealed(t, s, fullSession(), testTime), func(c string) error { _, err := opened(s, c); return err }},
		{"seen", sealedRenewal(t, s, fullRenewal(), testTime), func(c string) error { _, err := openedRenewal(s, c); return err }},
		{"bearer", sealedBearer(t, s, fullSession(), testTime), func(c string) error { _, err := openedBearer(s, c); return err }},
	}
	header := func(compact string) string { return compact[:strings.IndexByte(compact, '.')] }
	for _, is := range kinds {
		for _, wanted := range kinds {
			if is.name == wanted.name {
				if err := wanted.open(is.compact); err != nil {
					t.Errorf("%s: %v", is.name, err)
				}
				continue
			}
			if err := wanted.open(is.compact); !errors.Is(err, token.ErrMalformed) {
				t.Errorf("%s token as %s: %v", is.name, wanted.name, err)
			}
			swapped := header(wanted.compact) + strings.TrimPrefix(is.compact, header(is.compact))
			if err := wanted.open(swapped); !errors.Is(err, token.ErrTampered) {
				t.Errorf("%s token under the header of %s: %v", is.name, wanted.name, err)
			}
		}
	}
}

func TestJunk(t *testing.T) {
	s := testSealer(t)
	good := sealed(t, s, fullSession(), testTime)
	p := strings.Split(good, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	rows := []struct {
		name, compact string
		want          error
	}{
		{"empty", "", token.ErrMalformed},
		{"dots", strings.Repeat(".", token.MaxLength), token.ErrMalformed},
		{"1 MB of dots", strings.Repeat(".", 1<<20), token.ErrTooLong},
		{"1 MB of letters", strings.Repeat("A", 1<<20), token.ErrTooLong},
		{"1 MB behind a token", good + strings.Repeat(".", 1<<20), token.ErrTooLong},
		{"one byte too long", good + strings.Repeat("A", token.MaxLength+1-len(good)), token.ErrTooLong},
		{"just short enough", good + strings.Repeat("A", token.MaxLength-len(good)), token.ErrMalformed},
		{"three parts, as a JWS", join(p[0], p[3], p[4]), token.ErrMalformed},
		{"four parts", join(p[0], p[2], p[3], p[4]), token.ErrMalformed},
		{"six parts", join(p[0], "", "", p[2], p[3], p[4]), token.ErrMalformed},
		{"six parts, the last empty", good + ".", token.ErrMalformed},
		{"padded", join(p[0], "", p[2], p[3], p[4]+"=="), token.ErrMalformed},
		{"padded header", join(p[0]+"=", "", p[2], p[3], p[4]), token.ErrMalformed},
		{"line feed behind", good + "\n", token.ErrMalformed},
		{"CR LF in the ciphertext", join(p[0], "", p[2], p[3][:8]+"\r\n"+p[3][8:], p[4]), token.ErrMalformed},
		{"IV of 64 bits", join(p[0], "", p[2][:11], p[3], p[4]), token.ErrMalformed},
		{"tag of 96 bits", join(p[0], "", p[2], p[3], p[4][:16]), token.ErrMalformed},
		{"no tag", join(p[0], "", p[2], p[3], ""), token.ErrMalformed},
		{"no IV", join(p[0], "", "", p[3], p[4]), token.ErrMalformed},
		{"no ciphertext", join(p[0], "", p[2], "", p[4]), token.ErrTampered},
		{"no header", join("", "", p[2], p[3], p[4]), token.ErrMalformed},
		{"flattened JSON", `{"protected":"` + p[0] + `","iv":"` + p[2] + `","ciphertext":"` + p[3] + `","tag":"` + p[4] + `"}`, token.ErrMalformed},
		{"general JSON", `{"protected":"` + p[0] + `","recipients":[{}],"iv":"` + p[2] + `","ciphertext":"` + p[3] + `","tag":"` + p[4] + `"}`, token.ErrMalformed},
		{"in quotes", `"` + good + `"`, token.ErrMalformed},
		{"JSON behind", good + `{"a":1}`, token.ErrMalformed},
		{"header in plain JSON", join(testHeader("a", "session+jwt"), "", p[2], p[3], p[4]), token.ErrMalformed},
		{"not ASCII", "é" + good, token.ErrMalformed},
	}
	for n := range 81 {
		if n > 0 {
			rows = append(rows, struct {
				name, compact string
				want          error
			}{"encrypted key", join(p[0], strings.Repeat("A", n), p[2], p[3], p[4]), token.ErrMalformed})
		}
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := *fullSession()
			if err := s.OpenSession(nil, row.compact, &c, testTime); !errors.Is(err, row.want) || !errors.Is(err, token.ErrInvalid) {
				t.Errorf("%v, want %v", err, row.want)
			}
			if diff := cmp.Diff(token.Session{}, c); diff != "" {
				t.Errorf("what was refused left something behind:\n%s", diff)
			}
			if n := testing.AllocsPerRun(5, func() { s.OpenSession(nil, row.compact, &c, testTime) }); n > 1 {
				t.Errorf("refused with %v allocations", n)
			}
		})
	}
}

// No error quotes the token.
func TestErrorsSayNothing(t *testing.T) {
	s := testSealer(t)
	good := sealed(t, s, fullSession(), testTime)
	for _, compact := range []string{
		changed(good), good[1:], mint(t, testHeader("b", "session+jwt"), leastClaims),
		mint(t, testHeader("a", "session+jwt"), `{"sub":"alice"}`), strings.Repeat("alice", 1000),
	} {
		_, err := opened(s, compact)
		if err == nil {
			t.Fatal("opened")
		}
		for _, secret := range []string{"alice", testKID("a"), testKID("b"), good[100:120]} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q is in %q", secret, err)
			}
		}
	}
}
