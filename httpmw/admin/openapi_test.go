package admin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw/admin"
)

func TestTheDocumentNamesEveryRoute(t *testing.T) {
	f := start(t)
	got := f.request(http.MethodGet, "/openapi.json", "")
	got.want(t, http.StatusOK, "")
	paths, _ := got.body["paths"].(map[string]any)
	var documented []string
	for path, methods := range paths {
		for method := range methods.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	routes := admin.Routes()
	slices.Sort(routes)
	slices.Sort(documented)
	if diff := cmp.Diff(routes, documented); diff != "" {
		t.Errorf("routes (-) and document (+) differ:\n%s", diff)
	}
}

// The codes of problem documents in the code are those of the package's comment and of the document for machines.
func TestTheDocumentsNameEveryCode(t *testing.T) {
	inCode := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(e ast.Expr) {
			if lit, ok := e.(*ast.BasicLit); ok {
				code, _ := strconv.Unquote(lit.Value)
				inCode[code] = true
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					add(n.Value)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "unavailable" {
					add(n.Args[0])
				}
			}
			return true
		})
	}
	want := slices.Sorted(maps.Keys(inCode))

	source, err := os.ReadFile("admin.go")
	if err != nil {
		t.Fatal(err)
	}
	var inComment []string
	for _, m := range regexp.MustCompile(`(?m)^//\t([a-z_]+) +[45]\d\d  `).FindAllSubmatch(source, -1) {
		inComment = append(inComment, string(m[1]))
	}
	slices.Sort(inComment)
	if diff := cmp.Diff(want, inComment); diff != "" {
		t.Errorf("codes (-) and the package's comment (+) differ:\n%s", diff)
	}

	got := start(t).request(http.MethodGet, "/openapi.json", "")
	enum, _ := dig(got.body, "components", "schemas", "Problem", "properties", "code", "enum").([]any)
	var inDocument []string
	for _, code := range enum {
		inDocument = append(inDocument, code.(string))
	}
	slices.Sort(inDocument)
	if diff := cmp.Diff(want, inDocument); diff != "" {
		t.Errorf("codes (-) and the document (+) differ:\n%s", diff)
	}
}

// dig returns what stands in nested objects.
func dig(v any, path ...string) any {
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}
