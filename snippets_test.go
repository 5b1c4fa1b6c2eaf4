package wafer_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Every Go snippet in a page is, line by line, part of a file that is compiled. Most are in
// examples.
func TestEverySnippetIsCompiled(t *testing.T) {
	var compiled strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		compiled.WriteString("\n")
		compiled.WriteString(page(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := unindent(compiled.String())
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range append(pages, "SECURITY.md", "CONTRIBUTING.md") {
		for _, part := range strings.Split(page(t, name), "\n```go\n")[1:] {
			n++
			snippet, _, ok := strings.Cut(part, "\n```\n")
			if !ok {
				t.Errorf("%s: snippet %d does not end", name, n)
			} else if !strings.Contains(all, "\n"+unindent(snippet)+"\n") {
				t.Errorf("%s: nothing compiles these lines:\n%s", name, snippet)
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d snippets", n)
	}
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "\n")
}
