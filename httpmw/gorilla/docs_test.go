package gorilla_test

import (
	"os"
	"strings"
	"testing"
)

// The guide shows nothing that is not compiled: each of its pieces stands in the example, line by line.
func TestTheGuideShowsTheExample(t *testing.T) {
	guide := string(must(os.ReadFile("../../docs/from-gorilla.md")))
	example := string(must(os.ReadFile("example_test.go")))
	pieces := strings.Split(guide, "```go\n")[1:]
	if len(pieces) < 4 {
		t.Fatalf("only %d pieces of Go found", len(pieces))
	}
	for _, piece := range pieces {
		code, _, closed := strings.Cut(piece, "```\n")
		if !closed || !strings.Contains(example, code) {
			t.Errorf("example_test.go does not hold\n%s", code)
		}
	}
}
