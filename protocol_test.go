package wafer_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A rule is a section of docs/protocol.md.
type rule struct {
	name, text string
}

var (
	ruleHeading = regexp.MustCompile(`^### (R[0-9]+): \S`)
	citation    = regexp.MustCompile(`\bR[0-9]+\b`)
	testNamed   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)(?:/([^`]+))?`")
	fileNamed   = regexp.MustCompile("`([a-z/]+/[a-z]+\\.(?:go|lua))`(?: \\(([^)]*)\\))?")
	testOfRule  = regexp.MustCompile(`^Test(R[0-9]+)[A-Z]`)
)

func protocol(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rules returns the rules of the protocol, in order.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	open := false // whether lines belong to the last rule
	for line := range strings.Lines(protocol(t)) {
		if strings.HasPrefix(line, "## ") || strings.HasPrefix(line, "### ") {
			m := ruleHeading.FindStringSubmatch(line)
			if open = m != nil; open {
				all = append(all, rule{name: m[1]})
			}
		}
		if open {
			all[len(all)-1].text += line
		}
	}
	return all
}

// sources returns the Go and Lua files of this module, by their path.
func sources(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".lua"):
			return nil
		}
		b, err := os.ReadFile(path)
		files[filepath.ToSlash(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// tests returns the folders in which each test function is, and the strings that stand in the Go of each folder.
func tests(t *testing.T, files map[string]string) (functions map[string][]string, literals map[string][]string) {
	t.Helper()
	functions, literals = map[string][]string{}, map[string][]string{}
	for path, source := range files {
		if !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "revlogtest") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					functions[n.Name.Name] = append(functions[n.Name.Name], dir)
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
					literals[dir] = append(literals[dir], text)
				}
			}
			return true
		})
	}
	return functions, literals
}

// Every rule that the code cites stands in docs/protocol.md, once.
func TestCitedRulesAreInTheProtocol(t *testing.T) {
	known := map[string]bool{}
	for _, r := range rules(t) {
		if known[r.name] {
			t.Errorf("docs/protocol.md has %s twice", r.name)
		}
		known[r.name] = true
	}
	if len(known) == 0 {
		t.Fatal("docs/protocol.md has no rules")
	}
	cited := 0
	for path, source := range sources(t) {
		for _, name := range citation.FindAllString(source, -1) {
			if cited++; !known[name] {
				t.Errorf("%s cites %s, which has no heading in docs/protocol.md", path, name)
			}
		}
	}
	functions, _ := tests(t, sources(t))
	for name := range functions {
		if m := testOfRule.FindStringSubmatch(name); m != nil && !known[m[1]] {
			t.Errorf("%s is named after %s, which has no heading in docs/protocol.md", name, m[1])
		}
	}
	for _, name := range citation.FindAllString(protocol(t), -1) {
		if !known[name] {
			t.Errorf("docs/protocol.md cites %s, which it does not have", name)
		}
	}
	if cited == 0 {
		t.Error("no citations found: this test looks in the wrong place")
	}
}

// Every rule is shown by a test, and says where it is. What it names exists, and a test that is named after a rule is
// named by it.
func TestRulesNameTheirTests(t *testing.T) {
	all := sources(t)
	functions, literals := tests(t, all)
	for _, r := range rules(t) {
		_, shown, found := strings.Cut(r.text, "**Shown by.**")
		if !found || !testNamed.MatchString(shown) {
			t.Errorf("%s names no test", r.name)
		}
		where, _, _ := strings.Cut(r.text, "**Shown by.**")
		if _, where, found = strings.Cut(where, "**Where.**"); !found || !fileNamed.MatchString(where) {
			t.Errorf("%s does not say where it is", r.name)
		}
		for name := range functions {
			if m := testOfRule.FindStringSubmatch(name); m != nil && m[1] == r.name && !strings.Contains(shown, "`"+name) {
				t.Errorf("%s does not name %s", r.name, name)
			}
		}
	}
	text := strings.Join(strings.Fields(protocol(t)), " ")
	for _, m := range testNamed.FindAllStringSubmatch(text, -1) {
		name, row := m[1], m[2]
		if len(functions[name]) == 0 {
			t.Errorf("docs/protocol.md names %s, which is not a test", name)
		} else if row != "" && !slices.ContainsFunc(functions[name], func(dir string) bool { return slices.Contains(literals[dir], row) }) {
			t.Errorf("docs/protocol.md names %s/%s, which is not a part of that test", name, row)
		}
	}
	for _, m := range fileNamed.FindAllStringSubmatch(text, -1) {
		source, found := all[m[1]]
		if !found {
			t.Errorf("docs/protocol.md names %s, which is not a file", m[1])
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name[1]) + `\b`).MatchString(source) {
				t.Errorf("docs/protocol.md says that %s is in %s", name[1], m[1])
			}
		}
	}
}

// What is documented for users explains itself: none of it cites a rule.
func TestPublicDocsCiteNoRules(t *testing.T) {
	looked := 0
	for path, source := range sources(t) {
		if strings.HasSuffix(path, "_test.go") || !strings.HasPrefix(path, "revocation/") && !strings.HasPrefix(path, "httpmw/") || !strings.HasSuffix(path, ".go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(f)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BlockStmt:
				return false
			case *ast.CommentGroup:
				looked++
				if name := citation.FindString(n.Text()); name != "" {
					t.Errorf("%s: the documentation of an exported name cites %s: %q", path, name, strings.TrimSpace(n.Text()))
				}
			}
			return true
		})
	}
	if looked < 100 {
		t.Errorf("only %d comments found", looked)
	}
}
