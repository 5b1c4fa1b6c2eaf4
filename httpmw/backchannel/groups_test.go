package backchannel_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/httpmw/backchannel"
)

// Names are stored in living sessions, so they must never change.
func TestGroupNames(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, row := range []struct {
		name, iss, sid, sub string
		want                []string
	}{
		{"both", "https://id.example", "s1", "ada", []string{"oidc:sid:18:https://id.example:s1", "oidc:sub:18:https://id.example:ada"}},
		{"sid", "https://id.example", "s1", "", []string{"oidc:sid:18:https://id.example:s1"}},
		{"sub", "https://id.example", "", "ada", []string{"oidc:sub:18:https://id.example:ada", "oidc:lone:18:https://id.example:ada"}},
		{"neither", "https://id.example", "", "", nil},
		{"long", "https://id.example", long, "", []string{"oidc:sid:#d_QsVeL5_i0QZAdMfunpM2pD15gEVcZzFEL7dTqKB1w"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, backchannel.Groups(row.iss, row.sid, row.sub)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Different claims have different names, all names fit, and names of claims that are text are text.
func FuzzGroups(f *testing.F) {
	f.Add("a", "b:c", "a:b", "c")
	f.Add("a", "1:b", "a:1", "b")
	f.Add("", "x", "x", "")
	f.Add("https://id.example", strings.Repeat("x", 300), "https://id.example", "#d_QsVeL5_i0QZAdMfunpM2pD15gEVcZzFEL7dTqKB1w")
	f.Add("\xc3", "\xa9", "é", "") // halves of a character are not text, though together they are
	f.Fuzz(func(t *testing.T, iss1, id1, iss2, id2 string) {
		seen := map[string][3]string{}
		for _, c := range [][3]string{{iss1, id1, ""}, {iss2, id2, ""}, {iss1, "", id1}, {iss2, "", id2}} {
			for _, name := range backchannel.Groups(c[0], c[1], c[2]) {
				text := utf8.ValidString(c[0]) && utf8.ValidString(c[1]) && utf8.ValidString(c[2])
				if len(name) > 256 || name == "" || text && !utf8.ValidString(name) {
					t.Errorf("unusable name %q", name)
				}
				if before, taken := seen[name]; taken && before != c {
					t.Errorf("%q names %q and %q", name, before, c)
				}
				seen[name] = c
			}
		}
	})
}
