package prom_test

import (
	"os"
	"strings"
	"testing"
)

// The Go code in the page is compiled and run here.
func TestPageShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("prom_test.go")
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(page), "\n## OpenTelemetry\n") // testdata/otel runs the rest
	blocks := strings.Split(before, "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the page shows no Go")
	}
	for _, block := range blocks {
		if shown, _, closed := strings.Cut(block, "```"); !closed || !strings.Contains(string(code), shown) {
			t.Errorf("nothing compiles this:\n%s", shown)
		}
	}
}
