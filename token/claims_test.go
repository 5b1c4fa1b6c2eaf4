package token_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wafer-sessions/wafer/token"
)

// Claims written by other software, and what they mean.
func TestClaimsFromElsewhere(t *testing.T) {
	s := testSealer(t)
	least := token.Session{Audience: []byte("shop"), AuthTime: 1, Validity: token.Validity{IssuedAt: 2, Expires: 3}, End: 4}
	with := func(change func(*token.Session)) token.Session {
		c := least
		change(&c)
		return c
	}
	const aSID = `"sid":"AAAAAAAAAAAAAAAAAAAAAA"`
	insert := func(members string) string {
		return strings.Replace(leastClaims, `"auth_time"`, members+`,"auth_time"`, 1)
	}
	rows := []struct {
		name, claims string
		want         token.Session
	}{
		{"least", leastClaims, least},
		{"another order", `{"end":4,"exp":3,"iat":2,"auth_time":1,` + aSID + `,"aud":"shop"}`, least},
		{"white space", "\t{ \"aud\" : \"shop\" ,\n" + aSID + ", \"auth_time\": 1, \"iat\":2 ,\"exp\":3,\r\n\"end\":4 }\n", least},
		{"audience in an array", strings.Replace(leastClaims, `"shop"`, `["shop"]`, 1), least},
		{"escapes", strings.Replace(leastClaims, `"shop"`, `"\u0073\u0068op"`, 1), least},
		{"escaped name", strings.Replace(leastClaims, `"aud"`, `"\u0061ud"`, 1), least},
		{"escaped sid", strings.Replace(leastClaims, `"AAAA`, `"\u0041AAA`, 1), least},
		{"all escapes", insert(`"sub":"\"\\\/\b\f\n\r\t\u00e9\uD834\udd1E"`), with(func(c *token.Session) { c.Subject = []byte("\"\\/\b\f\n\r\té𝄞") })},
		{"escaped zero", insert(`"sub":"a\u0000b"`), with(func(c *token.Session) { c.Subject = []byte("a\x00b") })},
		{"empty subject", insert(`"sub":""`), least},
		{"longest subject, escaped", insert(`"sub":"` + strings.Repeat(`\u0061`, 256) + `"`), with(func(c *token.Session) { c.Subject = []byte(strings.Repeat("a", 256)) })},
		{"no groups", insert(`"grp":[]`), least},
		{"groups with white space", insert(`"grp": [ "AAAAAAAAAAAAAAAAAAAAAA" , "AAAAAAAAAAAAAAAAAAAAAQ" ] `), with(func(c *token.Session) { c.GroupTags[1][15], c.Groups = 1, 2 })},
		{"zeros said", insert(`"ep":0,"chk":0,"ln":0,"ver":0`), least},
		{"no methods", insert(`"amr":[]`), least},
		{"methods", insert(`"amr":["pwd","otp"]`), with(func(c *token.Session) { c.Methods = methods("pwd", "otp") })},
		{"methods in their place", strings.Replace(leastClaims, `,"iat"`, `,"amr":["pwd","otp"],"iat"`, 1), with(func(c *token.Session) { c.Methods = methods("pwd", "otp") })},
		{"methods with white space", insert(`"amr" : [ "pwd" , "otp" ] `), with(func(c *token.Session) { c.Methods = methods("pwd", "otp") })},
		{"methods with escapes", insert(`"amr":["\u0070wd","\u006ftp"]`), with(func(c *token.Session) { c.Methods = methods("pwd", "otp") })},
		{"methods by an escaped name", insert(`"\u0061mr":["pwd"]`), with(func(c *token.Session) { c.Methods = methods("pwd") })},
		{"methods that differ in case", insert(`"amr":["pwd","PWD"]`), with(func(c *token.Session) { c.Methods = methods("pwd", "PWD") })},
		{"a method of 16 bytes, escaped", insert(`"amr":["` + strings.Repeat(`\u0061`, 16) + `"]`), with(func(c *token.Session) { c.Methods = methods(strings.Repeat("a", 16)) })},
		{"remembered", insert(`"rem":true`), with(func(c *token.Session) { c.Remembered = true })},
		{"remembered, in its place", leastClaims[:len(leastClaims)-1] + `,"rem":true}`, with(func(c *token.Session) { c.Remembered = true })},
		{"remembered and more, in their places", leastClaims[:len(leastClaims)-1] + `,"rem":true,"chk":5,"ln":6,"ver":7,"dat":8}`, with(func(c *token.Session) {
			c.Remembered, c.Checked, c.Term, c.Version, c.Data = true, 5, 6, 7, []byte("8")
		})},
		{"remembered with white space", insert(`"rem" : true `), with(func(c *token.Session) { c.Remembered = true })},
		{"not remembered, said", insert(`"rem":false`), least},
		{"not remembered, said in its place", leastClaims[:len(leastClaims)-1] + `,"rem":false}`, least},
		{"version", insert(`"ver":9007199254740991`), with(func(c *token.Session) { c.Version = 1<<53 - 1 })},
		{"members that are not known", insert(`"jti":"x","nbf":0,"iss":null,"x":[1,-2.5e+3,{"a":[true,false]}],"y":{"sub":"mallory","sub":1}`), least},
		{"a name that is not known and empty", insert(`"":1`), least},
		{"names that differ beyond case", insert(`"subb":1,"su":2,"süb":3`), least},
		{"a value 16 levels deep", insert(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)), least},
		{"64 members", insert(unknown(58)), least},
		{"data", leastClaims[:len(leastClaims)-1] + `,"dat":{"sub":"x"}}`, with(func(c *token.Session) { c.Data = []byte(`{"sub":"x"}`) })},
		{"data behind another order", `{"end":4,"exp":3,"iat":2,"auth_time":1,` + aSID + `,"aud":"shop","dat":[1]}`, with(func(c *token.Session) { c.Data = []byte(`[1]`) })},
		{"data by an escaped name", leastClaims[:len(leastClaims)-1] + `,"d\u0061t":{}}`, with(func(c *token.Session) { c.Data = []byte(`{}`) })},
		{"data with white space around", leastClaims[:len(leastClaims)-1] + ", \"dat\" : \t1 \n}\n", with(func(c *token.Session) { c.Data = []byte(" \t1 \n") })},
		{"data with escapes stays raw", leastClaims[:len(leastClaims)-1] + `,"dat":"\u0061\ud800"}` + " ", with(func(c *token.Session) { c.Data = []byte(`"\u0061\ud800"`) })},
		{"members behind data are data", leastClaims[:len(leastClaims)-1] + `,"dat":1,"sub":"mallory"}` + " ", with(func(c *token.Session) { c.Data = []byte(`1,"sub":"mallory"`) })},
		{"data that ends early is data", leastClaims[:len(leastClaims)-1] + `,"dat":1},"sub":"mallory"}`, with(func(c *token.Session) { c.Data = []byte(`1},"sub":"mallory"`) })},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := opened(s, mint(t, testHeader("a", "session+jwt"), row.claims))
			if err != nil {
				t.Fatalf("%s: %v", row.claims, err)
			}
			row.want.KeyID = testKID("a")
			if diff := cmp.Diff(row.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", row.claims, diff)
			}
		})
	}
}

// Empty data is not one JSON value, which its decoder must find out. It differs from no data.
func TestEmptyDataIsThere(t *testing.T) {
	s := testSealer(t)
	for _, end := range []string{`}`, "} "} { // canonical and not
		got, err := opened(s, mint(t, testHeader("a", "session+jwt"), leastClaims[:len(leastClaims)-1]+`,"dat":`+end))
		if err != nil || got.Data == nil || len(got.Data) != 0 {
			t.Errorf("data is %#v, %v, want empty and not nil", got.Data, err)
		}
	}
	if got, err := opened(s, mint(t, testHeader("a", "session+jwt"), leastClaims)); err != nil || got.Data != nil {
		t.Errorf("data is %#v, %v, want nil", got.Data, err)
	}
}

func TestClaimsRefused(t *testing.T) {
	s := testSealer(t)
	without := func(member string) string {
		t.Helper()
		cut := strings.Replace(strings.Replace(leastClaims, member+",", "", 1), ","+member, "", 1)
		if cut == leastClaims {
			t.Fatalf("%s is not in the claims", member)
		}
		return cut
	}
	replace := func(old, with string) string {
		t.Helper()
		if !strings.Contains(leastClaims, old) {
			t.Fatalf("%s is not in the claims", old)
		}
		return strings.Replace(leastClaims, old, with, 1)
	}
	insert := func(members string) string { return replace(`"auth_time"`, members+`,"auth_time"`) }
	type row struct{ name, claims string }
	rows := []row{
		{"empty", ""},
		{"null", "null"},
		{"empty object", "{}"},
		{"array", "[" + leastClaims + "]"},
		{"cut off", leastClaims[:len(leastClaims)-1]},
		{"bytes behind", leastClaims + "x"},
		{"two objects", leastClaims + leastClaims},
		{"zero byte behind", leastClaims + "\x00"},
		{"byte order mark", "\ufeff" + leastClaims},
		{"comma at the end", replace("}", ",}")},
		{"comma at the beginning", replace("{", "{,")},
		{"two commas", replace(",", ",,")},
		{"semicolon", replace(",", ";")},
		{"no colon", replace(`:1`, `1`)},
		{"name without quotes", replace(`"iat"`, `iat`)},
		{"name in single quotes", replace(`"iat"`, `'iat'`)},
		{"comment", replace(",", "/**/,")},

		{"no aud", without(`"aud":"shop"`)},
		{"no sid", without(`"sid":"AAAAAAAAAAAAAAAAAAAAAA"`)},
		{"no auth_time", without(`"auth_time":1`)},
		{"no iat", without(`"iat":2`)},
		{"no exp", without(`"exp":3`)},
		{"no end", without(`"end":4`)},

		{"aud empty", replace(`"shop"`, `""`)},
		{"aud too long", replace(`"shop"`, `"`+strings.Repeat("a", 257)+`"`)},
		{"aud null", replace(`"shop"`, `null`)},
		{"aud a number", replace(`"shop"`, `1`)},
		{"aud an object", replace(`"shop"`, `{"a":"shop"}`)},
		{"aud of none", replace(`"shop"`, `[]`)},
		{"aud of two", replace(`"shop"`, `["shop","bank"]`)},
		{"aud in two arrays", replace(`"shop"`, `[["shop"]]`)},
		{"aud with a control character", replace(`"shop"`, "\"sh\nop\"")},
		{"aud not UTF-8", replace(`"shop"`, "\"sh\xffop\"")},
		{"aud with half a pair", replace(`"shop"`, `"\ud834"`)},
		{"aud with the wrong half", replace(`"shop"`, `"\udd1e\ud834"`)},
		{"aud with half a pair and a letter", replace(`"shop"`, `"\ud834\u0061"`)},
		{"aud with half a pair and another escape", replace(`"shop"`, `"\ud834\n"`)},
		{"aud with an unknown escape", replace(`"shop"`, `"\x61"`)},
		{"aud with a short escape", replace(`"shop"`, `"\u006"`)},
		{"aud with an escape of no digits", replace(`"shop"`, `"\u00g0"`)},
		{"aud without its end", `{"aud":"shop`},
		{"aud that ends in a backslash", `{"aud":"shop\`},

		{"sid too short", replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA")},
		{"sid too long", replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA")},
		{"sid with trailing bits", replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB")},
		{"sid padded", replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA==")},
		{"sid in the other alphabet", replace("AAAAAAAAAAAAAAAAAAAAAA", "+/AAAAAAAAAAAAAAAAAAAA")},
		{"sid with a line feed", replace("AAAAAAAAAAAAAAAAAAAAAA", `AAAAAAAAAA\nAAAAAAAAAAA`)},
		{"sid without its quote", replace(`AAAA"`, `AAAAx`)},
		{"sid a number", replace(`"AAAAAAAAAAAAAAAAAAAAAA"`, "1")},

		{"sub too long", insert(`"sub":"` + strings.Repeat("a", 257) + `"`)},
		{"sub too long when unescaped", insert(`"sub":"` + strings.Repeat(`\u00e9`, 129) + `"`)},
		{"sub null", insert(`"sub":null`)},
		{"sub not UTF-8", insert("\"sub\":\"\xc0\x80\"")},
		{"stg null", insert(`"stg":null`)},
		{"stg too short", insert(`"stg":"AAAA"`)},
		{"stg with trailing bits", insert(`"stg":"AAAAAAAAAAAAAAAAAAAAAB"`)},
		{"grp a string", insert(`"grp":"AAAAAAAAAAAAAAAAAAAAAA"`)},
		{"grp of nine", insert(`"grp":["AAAAAAAAAAAAAAAAAAAAAA"` + strings.Repeat(`,"AAAAAAAAAAAAAAAAAAAAAA"`, 8) + `]`)},
		{"grp with trailing bits", insert(`"grp":["AAAAAAAAAAAAAAAAAAAAAA","AAAAAAAAAAAAAAAAAAAAAB"]`)},
		{"grp with null", insert(`"grp":[null]`)},
		{"grp without its end", insert(`"grp":["AAAAAAAAAAAAAAAAAAAAAA"`)},
		{"grp with a comma at the end", insert(`"grp":["AAAAAAAAAAAAAAAAAAAAAA",]`)},
		{"amr null", insert(`"amr":null`)},
		{"amr a string", insert(`"amr":"pwd"`)},
		{"amr an object", insert(`"amr":{"pwd":"otp"}`)},
		{"amr true", insert(`"amr":true`)},
		{"amr with null", insert(`"amr":[null]`)},
		{"amr with a number", insert(`"amr":["pwd",1]`)},
		{"amr with an array", insert(`"amr":[["pwd"]]`)},
		{"amr with an empty name", insert(`"amr":["pwd",""]`)},
		{"amr with a name of 17 bytes", insert(`"amr":["` + strings.Repeat("a", 17) + `"]`)},
		{"amr of nine", insert(`"amr":["1","2","3","4","5","6","7","8","9"]`)},
		{"amr of nine, in its place", replace(`,"iat"`, `,"amr":["1","2","3","4","5","6","7","8","9"],"iat"`)},
		{"amr with a name twice", insert(`"amr":["pwd","otp","pwd"]`)},
		{"amr with a name twice, in its place", replace(`,"iat"`, `,"amr":["pwd","otp","pwd"],"iat"`)},
		{"amr with a name twice, once escaped", insert(`"amr":["pwd","\u0070wd"]`)},
		{"amr with a space", insert(`"amr":["p wd"]`)},
		{"amr with a space, in its place", replace(`,"iat"`, `,"amr":["p wd"],"iat"`)},
		{"amr with a quotation mark", insert(`"amr":["p\"wd"]`)},
		{"amr with a backslash", insert(`"amr":["p\\wd"]`)},
		{"amr with a control character", insert(`"amr":["p\u007fwd"]`)},
		{"amr beyond ASCII", insert(`"amr":["zoë"]`)},
		{"amr not UTF-8", insert("\"amr\":[\"p\xff\"]")},
		{"amr without its end", insert(`"amr":["pwd"`)},
		{"amr with a comma at the end", insert(`"amr":["pwd",]`)},
		{"amr with two commas", insert(`"amr":["pwd",,"otp"]`)},
		{"amr twice", insert(`"amr":["pwd"],"amr":["pwd"]`)},
		{"amr and AMR", insert(`"amr":["pwd"],"AMR":["mfa"]`)},
		{"AMR alone", insert(`"AMR":["mfa"]`)},
		{"rem null", insert(`"rem":null`)},
		{"rem a number", insert(`"rem":1`)},
		{"rem a string", insert(`"rem":"true"`)},
		{"rem an array", insert(`"rem":[true]`)},
		{"rem capital", insert(`"rem":True`)},
		{"rem with a tail", insert(`"rem":truex`)},
		{"rem with a tail, in its place", leastClaims[:len(leastClaims)-1] + `,"rem":true1}`},
		{"rem cut short", leastClaims[:len(leastClaims)-1] + `,"rem":tru}`},
		{"rem twice", insert(`"rem":true,"rem":true`)},
		{"rem and REM", insert(`"rem":true,"REM":true`)},
		{"REM alone", insert(`"REM":true`)},
		{"Ver", insert(`"Ver":1`)},
		{"ln of 2^32", insert(`"ln":4294967296`)},

		{"sub twice", insert(`"sub":"a","sub":"a"`)},
		{"sub twice, once escaped", insert(`"sub":"a","su\u0062":"b"`)},
		{"sub and SUB", insert(`"sub":"a","SUB":"b"`)},
		{"SUB alone", insert(`"SUB":"b"`)},
		{"\u017fub, which folds to sub", insert(`"ſub":"b"`)},
		{"\u017fub, escaped", insert(`"\u017fub":"b"`)},
		{"ch\u212a, which folds to chk", insert(`"chK":5`)},
		{"Dat", insert(`"Dat":1`)},
		{"end twice", replace("}", `,"end":4}`)},
		{"one that is not known twice", insert(`"x":1,"x":1`)},
		{"one that is not known twice, in another case", insert(`"x":1,"X":1`)},

		{"unknown: no value", insert(`"x":`)},
		{"unknown: not a word", insert(`"x":nul`)},
		{"unknown: word with a tail", insert(`"x":nullx`)},
		{"unknown: capital word", insert(`"x":True`)},
		{"unknown: NaN", insert(`"x":NaN`)},
		{"unknown: leading zero", insert(`"x":01`)},
		{"unknown: leading plus", insert(`"x":+1`)},
		{"unknown: minus alone", insert(`"x":-`)},
		{"unknown: no digits behind the point", insert(`"x":1.`)},
		{"unknown: no digits before the point", insert(`"x":.5`)},
		{"unknown: no exponent", insert(`"x":1e`)},
		{"unknown: hexadecimal", insert(`"x":0x10`)},
		{"unknown: string that is not UTF-8", insert("\"x\":\"\xff\"")},
		{"unknown: name that is not UTF-8", insert("\"\xff\":1")},
		{"unknown: lone surrogate", insert(`"x":"\ud800"`)},
		{"unknown: brackets that do not match", insert(`"x":[}`)},
		{"unknown: comma in an empty array", insert(`"x":[,]`)},
		{"unknown: object without a name", insert(`"x":{1}`)},
		{"unknown: 17 levels deep", insert(`"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17))},
		{"unknown: 1,000 levels deep", insert(`"x":` + strings.Repeat(`[`, 1000))},
		{"65 members", insert(unknown(59))},

		{"data without an end", leastClaims[:len(leastClaims)-1] + `,"dat":1`},
		{"data and no brace", leastClaims[:len(leastClaims)-1] + `,"dat":`},
		{"bytes behind data", leastClaims[:len(leastClaims)-1] + `,"dat":1} x`},
		{"data before what is required", `{"dat":1,` + leastClaims[1:]},
	}
	for _, name := range []string{"auth_time", "iat", "exp", "end", "ep", "chk", "ln", "ver"} {
		for _, number := range []string{
			"-1", "-0", "+1", "01", "00", "1.0", "1.5", "1e3", "1E3", "9007199254740992", "9223372036854775808",
			"18446744073709551617", "99999999999999999", strings.Repeat("9", 400), `"1"`, "null", "true", "[1]", "{}", "0x1", "1_000", "1 2", "Infinity",
		} {
			claims := insert(fmt.Sprintf(`%q:%s`, name, number))
			// replaces the one that is there
			if i := strings.Index(leastClaims, `"`+name+`":`); i >= 0 {
				digit := i + len(name) + 3
				claims = leastClaims[:digit] + number + leastClaims[digit+1:]
			}
			rows = append(rows, row{name + " " + number, claims})
		}
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got, err := opened(s, mint(t, testHeader("a", "session+jwt"), row.claims)); !errors.Is(err, token.ErrMalformed) {
				t.Errorf("%s: opens as %+v, %v", row.claims, got, err)
			}
		})
	}
}

func TestRenewalClaims(t *testing.T) {
	s := testSealer(t)
	const sid = `"sid":"AAAAAAAAAAAAAAAAAAAAAA"`
	good := map[string]token.Renewal{
		`{` + sid + `,"iat":1,"exp":2}`:                            {Validity: token.Validity{IssuedAt: 1, Expires: 2}},
		`{"ln":4,"chk":3,"exp":2,"iat":1,` + sid + `}`:             {Validity: token.Validity{IssuedAt: 1, Expires: 2, Checked: 3, Term: 4}},
		`{` + sid + `,"ld":5,"iat":1,"exp":2}`:                     {Loaded: 5, Validity: token.Validity{IssuedAt: 1, Expires: 2}},
		`{"exp":2,"ld":0,"iat":1,` + sid + `}`:                     {Validity: token.Validity{IssuedAt: 1, Expires: 2}},
		`{ ` + sid + `, "iat": 1, "exp": 2 } `:                     {Validity: token.Validity{IssuedAt: 1, Expires: 2}},
		`{` + sid + `,"iat":1,"exp":2,"sub":"x","dat":{"a":null}}`: {Validity: token.Validity{IssuedAt: 1, Expires: 2}}, // known in a session only
	}
	for claims, want := range good {
		want.KeyID = testKID("a")
		got, err := openedRenewal(s, mint(t, testHeader("a", "seen+jwt"), claims))
		if err != nil {
			t.Errorf("%s: %v", claims, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", claims, diff)
		}
	}
	for _, claims := range []string{
		``, `{}`,
		`{"iat":1,"exp":2}`,
		`{` + sid + `,"exp":2}`,
		`{` + sid + `,"iat":1}`,
		`{` + sid + `,"iat":1,"exp":2,"exp":2}`,
		`{` + sid + `,"iat":1,"exp":2,"EXP":2}`,
		`{` + sid + `,"iat":1,"exp":2,"chk":-1}`,
		`{` + sid + `,"ld":"5","iat":1,"exp":2}`,
		`{` + sid + `,"ld":5,"ld":5,"iat":1,"exp":2}`,
		`{` + sid + `,"LD":5,"iat":1,"exp":2}`,
		`{` + sid + `,"iat":1,"exp":2,"ln":4294967296}`,
		`{` + sid + `,"iat":01,"exp":2}`,
		`{` + sid + `,"iat":1,"exp":2}}`,
		`{` + sid + `,"iat":1,"exp":2,"dat":}`,
		`{"sid":"AAAAAAAAAAAAAAAAAAAAAB","iat":1,"exp":2}`,
	} {
		got, err := openedRenewal(s, mint(t, testHeader("a", "seen+jwt"), claims))
		if !errors.Is(err, token.ErrMalformed) || got != (token.Renewal{}) {
			t.Errorf("%s: opens as %+v, %v", claims, got, err)
		}
	}
}

// unknown returns n unknown members.
func unknown(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"u%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}
