package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wafer-sessions/wafer/token"
)

// FuzzOpen looks for panics, for undocumented errors, and for tokens that open as another kind or
// without a key.
func FuzzOpen(f *testing.F) {
	s := testSealer(f)
	for _, v := range vectors(f) {
		f.Add(v.token)
	}
	f.Add("")
	f.Add("....")
	f.Add(mint(f, testHeader("a", "session+jwt"), leastClaims))
	f.Add(mint(f, testHeader("a", "bearer+jwt"), leastClaims))
	f.Fuzz(func(t *testing.T, compact string) {
		openAny(t, s, compact)
	})
}

// FuzzMalleability starts from tokens that open and looks for another spelling of one: a token that
// opens must be byte for byte the one that was sealed.
func FuzzMalleability(f *testing.F) {
	s := testSealer(f)
	known := make(map[string]bool)
	for _, v := range vectors(f) {
		if v.expect == "opens" {
			if !openAny(f, s, v.token) {
				f.Fatalf("%s does not open", v.file)
			}
			known[v.token] = true
			f.Add(v.token)
		}
	}
	f.Fuzz(func(t *testing.T, compact string) {
		if openAny(t, s, compact) && !known[compact] {
			t.Errorf("opens, and was not sealed:\n%s", compact)
		}
	})
}

// openAny reports whether the token opens, as one of the kinds.
func openAny(t testing.TB, s *token.Sealer, compact string) bool {
	t.Helper()
	c, err := opened(s, compact)
	checkErr(t, err)
	if err != nil && (c.KeyID != "" || c.Data != nil || c.ID != (token.ID{})) {
		t.Errorf("refused and left %+v", c)
	}
	e, errRenewal := openedRenewal(s, compact)
	checkErr(t, errRenewal)
	bearer, errBearer := openedBearer(s, compact)
	checkErr(t, errBearer)
	opens := 0
	for _, as := range []struct {
		err error
		key string
	}{{err, c.KeyID}, {errRenewal, e.KeyID}, {errBearer, bearer.KeyID}} {
		if as.err == nil {
			opens++
		}
		if (as.err == nil) != (as.key != "") {
			t.Errorf("key %q, %v:\n%s", as.key, as.err, compact)
		}
	}
	if opens > 1 {
		t.Errorf("opens as %d kinds:\n%s", opens, compact)
	}
	return opens > 0
}

func checkErr(t testing.TB, err error) {
	t.Helper()
	if err != nil && !slices.Contains([]error{token.ErrTooLong, token.ErrMalformed, token.ErrUnknownKey, token.ErrRevokedKey, token.ErrTampered}, err) {
		t.Errorf("error that says nothing to callers: %v", err)
	}
}

// FuzzScan compares the scanner of the canonical form with the strict parser: what the scanner
// accepts, the parser reads the same way. For input that only the parser accepts, it checks that it
// is JSON, that encoding/json reads the same, and that it survives a round trip through the
// canonical form.
func FuzzScan(f *testing.F) {
	for _, v := range vectors(f) {
		if v.claims != "" {
			f.Add([]byte(v.claims))
		}
	}
	f.Add([]byte(leastClaims))
	f.Add([]byte(leastClaims + " "))
	f.Add([]byte(strings.Replace(leastClaims, `"iat"`, `"sub":"\u0061\ud834\udd1e","x":[{"y":1e5}],"iat"`, 1)))
	f.Add([]byte(leastClaims[:len(leastClaims)-1] + `,"dat":1,"sub":"mallory"}`))
	f.Add([]byte(leastClaims[:len(leastClaims)-1] + `,"dat":}}`))
	f.Add([]byte(leastClaims[:len(leastClaims)-1] + `,"dat":1}x`))
	f.Add([]byte(leastClaims[:len(leastClaims)-1] + `,"rem":true,"ver":1}`))
	f.Add([]byte(leastClaims[:len(leastClaims)-1] + `,"ver":1,"rem":false}`))
	f.Add([]byte(strings.Replace(leastClaims, `,"iat"`, `,"amr":["pwd","otp"],"iat"`, 1)))
	f.Add([]byte(strings.Replace(leastClaims, `,"iat"`, `,"amr":[ "\u0070wd" ,"pwd"],"iat"`, 1)))
	f.Add([]byte(`{"sid":"AAAAAAAAAAAAAAAAAAAAAA","iat":1,"exp":2,"chk":0}`))
	f.Fuzz(func(t *testing.T, claims []byte) { checkClaims(t, claims) })
}

// TestReadersAgree is FuzzScan with claims composed of pieces, which finds more in a short time
// than changes of single bytes.
func TestReadersAgree(t *testing.T) {
	pieces := strings.Split(`{ } [ ] , : " "" "," 0 1 01 -1 1.5 1e3 9007199254740991 9007199254740992 null true "x" "a":1 \u0061 \n \ é `+
		"\xff \x00 \n "+`"aud":"shop" "aud":["shop"] "AUD":"x" "sid":"AAAAAAAAAAAAAAAAAAAAAA" "sid":"AAAAAAAAAAAAAAAAAAAAAB" "sub":"alice" "sub":"\u0061" "stg":"AAAAAAAAAAAAAAAAAAAAAQ"`+
		` "grp":["AAAAAAAAAAAAAAAAAAAAAA"] "grp":[] "grp":["AAAAAAAAAAAAAAAAAAAAAA","AAAAAAAAAAAAAAAAAAAAAQ"] "auth_time":1 "ep":2 "iat":3 "exp":4 "end":5 "chk":6 "ln":7 "ln":4294967296 "rem":true "rem":false "rem":1 "ver":8`+
		` "amr":["pwd"] "amr":["pwd","otp"] "amr":[] "amr":["pwd","pwd"] "amr":["\u0070wd"] "amr":[""] ,"amr":["pwd","mfa"]`+
		` "dat":{} "dat":1,"sub":"x" "dat": ,"dat": ,"sub":"a" ,"ep":2 ,"chk":6 ,"ln":7 ,"rem":true ,"rem":false ,"ver":8 ,"x":[{"y":0}] ,"exp":4`, " ")
	r := rand.New(rand.NewPCG(1, 2))
	strong := fullSession()
	strong.Methods = methods("pwd", "otp", "mfa")
	bases := []string{
		leastClaims, string(token.AppendSession(nil, fullSession())), string(token.AppendSession(nil, strong)),
		string(token.AppendRenewal(nil, fullRenewal())),
		string(token.AppendRenewal(nil, loadedRenewal())),
	}
	rounds := 20_000
	if testing.Short() {
		rounds = 2000
	}
	scanned, parsed := 0, 0 // how often the input is canonical, and how often it is valid
	for range rounds {
		b := []byte(bases[r.IntN(len(bases))])
		for range 1 + r.IntN(3) {
			from := r.IntN(len(b) + 1)
			to := min(len(b), from+r.IntN(2)*r.IntN(30))
			piece := pieces[r.IntN(len(pieces))]
			// most interesting changes are there
			if comma := bytes.IndexByte(b[from:], ','); comma >= 0 && r.IntN(4) > 0 {
				from += comma
				to = from
				if strings.Contains(piece, `":`) && r.IntN(4) > 0 {
					piece = "," + strings.TrimPrefix(piece, ",")
				} else if r.IntN(2) == 0 {
					from, to, piece = from+1, from+1, " "
				}
			}
			b = slices.Replace(b, from, to, []byte(piece)...)
		}
		switch canonical, ok := checkClaims(t, b); {
		case canonical:
			scanned++
		case ok:
			parsed++
		}
	}
	t.Logf("of %d, %d are canonical and %d others are claims", rounds, scanned, parsed)
	if scanned < rounds/100 || parsed < rounds/100 {
		t.Error("too few of them are claims to say anything")
	}
}

// checkClaims compares the readers of claims and reports whether the input is canonical, and
// whether it is the claims of a session.
func checkClaims(t *testing.T, claims []byte) (canonical, ok bool) {
	var scanned, parsed token.Session
	canonical = token.ScanSession(slices.Clone(claims), &scanned)
	ok = token.ParseSession(slices.Clone(claims), &parsed)
	if canonical {
		if diff := cmp.Diff(scanned, parsed, cmpopts.EquateEmpty()); !ok || diff != "" || (scanned.Data == nil) != (parsed.Data == nil) {
			t.Fatalf("%q: scanned, parsed %v (-scanned +parsed):\n%s", claims, ok, diff)
		}
	}
	if ok {
		checkParsed(t, claims, &parsed)
	}

	var scannedRenewal, parsedRenewal token.Renewal
	canonicalRenewal := token.ScanRenewal(slices.Clone(claims), &scannedRenewal)
	okRenewal := token.ParseRenewal(slices.Clone(claims), &parsedRenewal)
	if canonicalRenewal && (!okRenewal || scannedRenewal != parsedRenewal) {
		t.Fatalf("%q: scanned as %+v, parsed %v as %+v", claims, scannedRenewal, okRenewal, parsedRenewal)
	}
	if okRenewal {
		if !json.Valid(claims) {
			t.Fatalf("%q: parsed and no JSON", claims)
		}
		var back token.Renewal
		if again := token.AppendRenewal(nil, &parsedRenewal); !token.ScanRenewal(again, &back) || back != parsedRenewal {
			t.Fatalf("%q: came back as %q", claims, again)
		}
	}
	return canonical, ok
}

func checkParsed(t *testing.T, claims []byte, c *token.Session) {
	t.Helper()
	if c.Data == nil {
		var m map[string]any
		if err := json.Unmarshal(claims, &m); err != nil {
			t.Fatalf("%q: parsed and no JSON: %v", claims, err)
		}
		aud, _ := m["aud"].(string)
		if list, ok := m["aud"].([]any); ok {
			aud, _ = list[0].(string)
		}
		sub, _ := m["sub"].(string)
		rem, _ := m["rem"].(bool)
		ver, _ := m["ver"].(float64)
		amr, _ := m["amr"].([]any)
		var have []any
		for _, name := range c.Methods {
			if len(name) > 0 {
				have = append(have, string(name))
			}
		}
		if !slices.Equal(amr, have) || aud != string(c.Audience) || sub != string(c.Subject) || m["sid"] != c.ID.String() ||
			m["iat"] != float64(c.IssuedAt) || m["exp"] != float64(c.Expires) || m["end"] != float64(c.End) ||
			rem != c.Remembered || ver != float64(c.Version) {
			t.Fatalf("%q: parsed as %+v, encoding/json has %v", claims, c, m)
		}
	}
	if len(c.Data) == 0 {
		c.Data = nil // written like that
	}
	again := token.AppendSession(nil, c)
	var back token.Session
	if !token.ScanSession(slices.Clone(again), &back) && !token.ParseSession(again, &back) {
		t.Fatalf("%q: the canonical form %q is not read", claims, again)
	}
	if diff := cmp.Diff(*c, back, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%q: came back as another (-parsed +back):\n%s", claims, diff)
	}
}

// FuzzHeader compares the reader of headers with a slow one that uses encoding/json.
func FuzzHeader(f *testing.F) {
	kid := testKID("a")
	for _, h := range []string{
		testHeader("a", "session+jwt"),
		testHeader("a", "seen+jwt"),
		testHeader("a", "bearer+jwt"),
		`{"typ":"session+jwt","kid":"` + kid + `","enc":"A256GCM","alg":"dir"}`,
		` {"\u0061lg":"dir", "enc":"A256GCM","kid":"` + kid + `","typ":"session\u002bjwt"}`,
		`{"alg":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt","zip":"DEF"}`,
		`{"alg":"dir","alg":"dir","enc":"A256GCM","kid":"` + kid + `","typ":"session+jwt"}`,
		`{"alg":"dir"`, `{}`, ``,
	} {
		f.Add([]byte(h))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		kid, typ, ok := token.ParseHeader(base64.RawURLEncoding.EncodeToString(header))
		wantKid, wantTyp, want := modelHeader(header)
		if ok != want || ok && (kid != wantKid || typ != wantTyp) {
			t.Errorf("%q: %q %q %v, want %q %q %v", header, kid, typ, ok, wantKid, wantTyp, want)
		}
	})
}

func modelHeader(header []byte) (kid, typ string, ok bool) {
	if len(header) > 384 {
		return "", "", false
	}
	d := json.NewDecoder(bytes.NewReader(header))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return "", "", false
	}
	members := make(map[string]string)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return "", "", false
		}
		value, err := d.Token()
		if err != nil {
			return "", "", false
		}
		n, _ := name.(string)
		v, isString := value.(string)
		if _, twice := members[n]; twice || !isString {
			return "", "", false
		}
		members[n] = v
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return "", "", false
	}
	if _, err := d.Token(); err != io.EOF {
		return "", "", false
	}
	kid, typ = members["kid"], members["typ"]
	id, err := base64.RawURLEncoding.Strict().DecodeString(kid)
	return kid, typ, len(members) == 4 && members["alg"] == "dir" && members["enc"] == "A256GCM" &&
		err == nil && len(id) == 8 && len(kid) == 11 && slices.Contains([]string{"session+jwt", "seen+jwt", "bearer+jwt"}, typ)
}
