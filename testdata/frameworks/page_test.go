package frameworks_test

import (
	"os"
	"strings"
	"testing"
)

// What the page shows of Go is code that is compiled and run here.
func TestPageShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/frameworks.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range []string{"chi.go", "gorillamux.go", "gin.go", "echo.go"} {
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
