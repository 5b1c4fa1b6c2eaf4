package token_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/token"
)

// The page that other implementations are written from agrees with the code: its example is one of
// the vectors, part by part, and its limits are these.
func TestFormatPage(t *testing.T) {
	b, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	code := make(map[string]bool) // the lines that are set as code
	for line := range strings.SplitSeq(page, "\n") {
		if text, ok := strings.CutPrefix(line, "    "); ok {
			code[text] = true
		}
	}
	var v, methods, loaded vector // the example, and those that have amr and ld too
	for _, one := range vectors(t) {
		switch one.file {
		case "session":
			v = one
		case "session-methods":
			methods = one
		case "session-loaded":
			loaded = one
		}
	}
	p := strings.Split(v.token, ".")
	header, err := base64.RawURLEncoding.DecodeString(p[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"key": v.keys[0], "header": string(header), "encoded header": p[0], "claims": v.claims,
		"IV": p[2], "ciphertext": p[3], "tag": p[4], "token": v.token,
	} {
		if !code[text] {
			t.Errorf("%s of the vector is not in the example: %s", name, text)
		}
	}

	words := strings.Join(strings.Fields(page), " ") // regardless of line breaks
	for _, text := range []string{
		"`testdata/vectors/session.txt`",
		fmt.Sprintf("canonical, %d bytes", len(v.claims)),
		"**4,096** characters", "at most 4,096 characters",
		fmt.Sprintf("1 to %d bytes", token.MaxAudience),
		fmt.Sprintf("at most %d bytes | who", token.MaxSubject),
		fmt.Sprintf("at most %d of 16 bytes", token.MaxGroups),
		fmt.Sprintf("at most %d of 1 to %d characters", token.MaxMethods, token.MaxMethod),
		fmt.Sprintf("JSON of at most %d bytes", token.MaxHeader),
		fmt.Sprintf("at most %d members", token.MaxMembers),
		fmt.Sprintf("at most %.0f hour ahead of now", token.ClockSlack.Hours()),
		fmt.Sprintf("nest more than %d levels", token.MaxDepth),
	} {
		if !strings.Contains(words, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if token.MaxLength != 4096 {
		t.Errorf("the page says 4,096 characters, the code %d", token.MaxLength)
	}
	for expect := range vectorErrors {
		if !strings.Contains(page, "`"+expect+"`") {
			t.Errorf("the page does not know the reason %q", expect)
		}
	}
	// The order of the table is the canonical one.
	rest := page
	for _, name := range token.SessionNames {
		_, after, found := strings.Cut(rest, "\n| `"+name+"` |")
		if !found {
			t.Errorf("%s is not in the table, or not in its place", name)
			break
		}
		rest = after
		switch name {
		case "ld":
			if !strings.Contains(loaded.claims, `"ld":`) {
				t.Error("ld is not in session-loaded")
			}
			continue
		default:
			if !strings.Contains(methods.claims, `"`+name+`":`) {
				t.Errorf("%s is not in session-methods", name)
			}
		}
		if name != "amr" && !strings.Contains(v.claims, `"`+name+`":`) {
			t.Errorf("%s is not in the example", name)
		}
	}
}
