package backchannel_test

import (
	"os"
	"strings"
	"testing"
)

// The Go code in the page is compiled and run here.
func TestPageShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/backchannel.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range []string{"example_test.go", "endtoend_test.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the page shows no Go")
	}
	for _, block := range blocks {
		if shown, _, closed := strings.Cut(block, "```"); !closed || !strings.Contains(code.String(), shown) {
			t.Errorf("nothing compiles this:\n%s", shown)
		}
	}
}

// The page names every reason for a refusal.
func TestPageNamesTheReasons(t *testing.T) {
	page, err := os.ReadFile("../../docs/backchannel.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("logouttoken.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, line := range strings.Split(string(source), "\n") {
		if _, rest, is := strings.Cut(line, " reason = \""); is {
			found++
			if name, _, _ := strings.Cut(rest, "\""); !strings.Contains(string(page), "| `"+name+"` |") {
				t.Errorf("the page does not name %s", name)
			}
		}
	}
	if found < 10 {
		t.Fatalf("only %d reasons found", found)
	}
}
