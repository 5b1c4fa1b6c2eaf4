package keys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/keys"
)

type member = map[string]any

// set returns a document with its first key changed, or the document itself for the key "".
func set(doc []byte, change func(key member)) []byte {
	var all map[string]any
	if err := json.Unmarshal(doc, &all); err != nil {
		panic(err)
	}
	change(all["keys"].([]any)[0].(member))
	return must(json.Marshal(all))
}

func golden(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/ring.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGoldenDocument(t *testing.T) {
	doc := golden(t)
	r, err := keys.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(doc, string(r.PlaintextJWKSet())); d != "" {
		t.Errorf("written again (-want +got):\n%s", d)
	}
	if r.ID() != "pU3KGCUwux1tEyze1iN7Lg" || r.MaxSession() != 24*time.Hour || !r.IssuedAt().Equal(time.Unix(1767225600, 0)) {
		t.Errorf("%s, %v, %v", r.ID(), r.MaxSession(), r.IssuedAt())
	}
	wantStates(t, r, time.Unix(1767312599, 0), keys.Pending, keys.Sealing, keys.Revoked)
	wantStates(t, r, time.Unix(1767312600, 0), keys.Sealing, keys.Opening, keys.Revoked)
	wantStates(t, r, time.Unix(1767485400, 0), keys.Sealing, keys.Expired, keys.Revoked)

	loose := strings.NewReplacer(",", " ,\n\t", ":", " : ").Replace(doc) + "\n"
	same, err := keys.Parse([]byte(loose))
	if err != nil {
		t.Fatalf("with blanks: %v", err)
	}
	if string(same.PlaintextJWKSet()) != doc {
		t.Error("with blanks it means something else")
	}
}

// RFC 7517 §4 and §5 let members come in any order, and names be escaped.
func TestMembersInAnyOrder(t *testing.T) {
	doc := golden(t)
	var all any
	if err := json.Unmarshal([]byte(doc), &all); err != nil {
		t.Fatal(err)
	}
	sorted := strings.Replace(string(must(json.Marshal(all))), `"kid"`, `"k\u0069d"`, 1)
	r, err := keys.Parse([]byte(sorted))
	if err != nil {
		t.Fatal(err)
	}
	if string(r.PlaintextJWKSet()) != doc {
		t.Error("it means something else")
	}
}

func TestParseRefuses(t *testing.T) {
	good := golden(t)
	const (
		k    = "dwb4XYaQAkrWvaNAG-nIy8zJNfbNH2EiauFTOK4aNAA"
		kid  = "9fefK0k0r4c"
		kid2 = "gbG68j47-e4"
		list = "2R4_ch_LGXEXRJTWSTydXDRgvjEgHmn-2qDu6LmZf1w"
		ring = "pU3KGCUwux1tEyze1iN7Lg"
	)
	for _, c := range []struct{ name, from, to string }{
		{"nothing", good, ""},
		{"not an object", good, `["keys"]`},
		{"null", good, `null`},
		{"cut off", good, good[:len(good)-1]},
		{"something behind", good, good + "{}"},
		{"another document behind", good, good + good},
		{"a comma too many", `}]}`, `},]}`},
		{"not UTF-8", `"oct"`, "\"oc\xfft\""},
		{"byte order mark", good, "\ufeff" + good},
		{"unknown member", `{"ring"`, `{"x":1,"ring"`},
		{"unknown member of a key", `{"kty"`, `{"use":"enc","kty"`},
		{"repeated member", `{"ring"`, `{"iat":1767225600,"ring"`},
		{"repeated by escape", `{"ring"`, `{"\u0069at":1767225600,"ring"`},
		{"repeated member of a key", `"alg":"A256GCM",`, `"alg":"A256GCM","alg":"A256GCM",`},
		{"other case", `"list_key"`, `"List_key"`},
		{"other case in a key", `"kid"`, `"KID"`},
		{"no ring", `"ring":"` + ring + `",`, ``},
		{"no list key", `"list_key":"` + list + `",`, ``},
		{"no max_session", `"max_session":86400,`, ``},
		{"no keys", `,"keys":[`, `,"x":[`},
		{"no k", `"k":"` + k + `",`, ``},
		{"no kid", `"kid":"` + kid + `",`, ``},
		{"no nbf", `,"nbf":1767312600`, ``},
		{"empty keys", good[strings.Index(good, `[`):], `[]}`},
		{"keys an object", good[strings.Index(good, `[`):], `{}}`},
		{"a key that is a number", `[{`, `[1,{`},
		{"a key in a key", `"kty":"oct"`, `"kty":{"kty":"oct"}`},
		{"the same kid twice", kid2, kid},
		{"other kty", `"oct"`, `"RSA"`},
		{"other alg", `A256GCM`, `A128GCM`},
		{"alg in other case", `A256GCM`, `a256gcm`},
		{"kid too short", kid, kid[:10]},
		{"kid too long", kid, kid + "A"},
		{"kid with bits left over", kid, kid[:10] + "d"},
		{"kid in the other alphabet", kid2, strings.Replace(kid2, "-", "+", 1)},
		{"k too short", k, k[:42]},
		{"k too long", k, k + "A"},
		{"k padded", k, k + "="},
		{"k with a line end", k, k[:42] + `\n`},
		{"k with bits left over", k, k[:42] + "B"},
		{"k null", `"` + k + `"`, `null`},
		{"k zero", k, strings.Repeat("A", 43)},
		{"k one byte over and over", k, "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s"},
		{"k counting", k, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"},
		{"k of 16 bytes twice", k, "jx0DwqpbfpARTOfSCW-4M48dA8KqW36QEUzn0glvuDM"},
		{"k text", k, "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSAxMjM"},
		{"list key zero", list, strings.Repeat("A", 43)},
		{"list key short", list, list[:42]},
		{"ring id short", ring, ring[:21]},
		{"ring id long", ring, ring + "AA"},
		{"ring id with bits left over", ring, ring[:21] + "h"},
		{"time as text", `"iat":1767312000`, `"iat":"1767312000"`},
		{"time with a fraction", `1767312000`, `1767312000.5`},
		{"time with a point", `1767312000`, `1767312000.0`},
		{"time with an exponent", `1767312000`, `17673120e2`},
		{"time zero", `1767312000`, `0`},
		{"time negative", `1767312000`, `-1767312000`},
		{"time too large", `1767312000`, `9223372036854775808`},
		{"time after all ends", `"nbf":1767312600`, `"nbf":253402300799`},
		{"exp null", `"exp":1767485400`, `"exp":null`},
		{"exp zero", `"exp":1767485400`, `"exp":0`},
		{"revoked true", `"revoked":1767225660`, `"revoked":true`},
		{"max_session zero", `"max_session":86400`, `"max_session":0`},
		{"max_session above ten years", `"max_session":86400`, `"max_session":315360001`},
		{"a megabyte of blanks", good, good + strings.Repeat(" ", 1<<20)},
		{"deep", good, strings.Repeat("[", 100000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := strings.Replace(good, c.from, c.to, 1)
			if doc == good {
				t.Fatal("the test changed nothing")
			}
			r, err := keys.Parse([]byte(doc))
			if r != nil || !errors.Is(err, keys.ErrDocument) {
				t.Fatalf("%v, %v, want ErrDocument", r, err)
			}
			for _, secret := range []string{k, list, k[:42]} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error has a secret in it: %v", err)
				}
			}
		})
	}
}

func TestParseBoundsTheNumberOfKeys(t *testing.T) {
	r := keys.Generate(0)
	now := time.Now()
	for i := 1; i < 1024; i++ {
		now = now.Add(time.Hour)
		r = must(r.Rotate(now, keys.Rotation{Immediate: true}))
	}
	doc := r.PlaintextJWKSet()
	again, err := keys.Parse(doc)
	if err != nil {
		t.Fatalf("1024 keys: %v", err)
	}
	if _, err := again.Rotate(now, keys.Rotation{}); !errors.Is(err, keys.ErrFull) {
		t.Errorf("rotating a full ring: %v, want ErrFull", err)
	}
	if _, err := again.Prune(now).Rotate(now, keys.Rotation{}); err != nil {
		t.Errorf("rotating once pruned: %v", err)
	}
	more := strings.Replace(string(doc), `"keys":[`, `"keys":[{"kty":"oct","alg":"A256GCM","kid":"AAAAAAAAAAA","k":"dwb4XYaQAkrWvaNAG-nIy8zJNfbNH2EiauFTOK4aNAA","iat":1,"nbf":1},`, 1)
	if _, err := keys.Parse([]byte(more)); !errors.Is(err, keys.ErrDocument) {
		t.Errorf("1025 keys: %v, want ErrDocument", err)
	}
	one := strings.Replace(golden(t), `"iat":1767312000`, `"iat":1`, 1)
	other := must(keys.Parse([]byte(one)))
	if _, err := again.Merge(other); !errors.Is(err, keys.ErrForeign) {
		t.Errorf("merging another ring: %v, want ErrForeign", err)
	}
}

// Everything that parses is written in one way, and reads back the same.
func FuzzParse(f *testing.F) {
	good := golden(f)
	f.Add(good)
	f.Add(strings.ReplaceAll(good, ",", " , "))
	f.Add(string(must(keys.Generate(time.Hour).Rotate(time.Now(), keys.Rotation{})).PlaintextJWKSet()))
	f.Add(strings.Replace(good, `{"ring"`, `{"x":[{}],"ring"`, 1))
	f.Add(strings.Replace(good, `"kid"`, `"k\u0069d"`, 1))
	f.Add(strings.Replace(good, `}]`, `,"max_session":3600}]`, 1))
	f.Add(`{"keys":[]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		r, err := keys.Parse([]byte(doc))
		if err != nil {
			if r != nil || !errors.Is(err, keys.ErrDocument) {
				t.Fatalf("%v, %v", r, err)
			}
			return
		}
		written := r.PlaintextJWKSet()
		again, err := keys.Parse(written)
		if err != nil {
			t.Fatalf("what was written does not parse: %v", err)
		}
		if string(again.PlaintextJWKSet()) != string(written) {
			t.Fatal("two spellings of one ring")
		}
		for _, now := range []time.Time{time.Unix(1, 0), time.Unix(1767312000, 0), time.Unix(1<<37, 0)} {
			if d := cmp.Diff(fmt.Sprint(states(r, now)), fmt.Sprint(states(again, now))); d != "" {
				t.Fatalf("at %v it means something else: %s", now, d)
			}
			if edited, err := r.Rotate(now, keys.Rotation{}); err == nil {
				if _, err := keys.Parse(edited.PlaintextJWKSet()); err != nil {
					t.Fatalf("rotated at %v it does not parse: %v", now, err)
				}
			}
		}
		if merged, err := r.Merge(again); err != nil || merged != r {
			t.Fatalf("merging a ring with itself: %v, %v", merged, err)
		}
	})
}
