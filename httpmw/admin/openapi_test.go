package admin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/adminapi"
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
	routes := append(admin.Routes(), admin.Probes()...)
	slices.Sort(routes)
	slices.Sort(documented)
	if diff := cmp.Diff(routes, documented); diff != "" {
		t.Errorf("routes (-) and document (+) differ:\n%s", diff)
	}
}

// Every schema describes the document of its name: the same members, of the same types, and required
// unless they may be absent.
func TestTheDocumentDescribesEveryDocument(t *testing.T) {
	got := start(t).request(http.MethodGet, "/openapi.json", "")
	schemas, _ := dig(got.body, "components", "schemas").(map[string]any)
	types := map[string]any{}
	for _, v := range []any{
		adminapi.Revocation{}, adminapi.Receipt{}, adminapi.Preview{}, adminapi.ManyPreview{}, adminapi.Fleet{}, adminapi.Revocations{}, adminapi.Listed{}, adminapi.Many{}, adminapi.ManyReceipt{}, adminapi.Fault{}, adminapi.Question{}, adminapi.Finding{}, adminapi.Effect{}, adminapi.Rotation{}, adminapi.KeyRevocation{},
		adminapi.Cancellation{}, adminapi.Pruning{}, adminapi.Extension{}, adminapi.Ring{}, adminapi.Key{}, adminapi.Use{}, adminapi.Holders{}, adminapi.Holder{},
		adminapi.Status{}, adminapi.SignedIn{}, adminapi.Promise{}, adminapi.Counters{}, adminapi.Replicas{}, adminapi.Replica{}, adminapi.KeyUse{},
		adminapi.Problem{}, adminapi.Health{}, adminapi.Trail{},
	} {
		types[reflect.TypeOf(v).Name()] = v
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(types)), slices.Sorted(maps.Keys(schemas))); diff != "" {
		t.Fatalf("types (-) and schemas (+) differ:\n%s", diff)
	}
	for name, v := range types {
		want, wantRequired := map[string]string{}, []string{}
		for f := range fields(reflect.TypeOf(v)) {
			member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			want[member] = kindOf(f.Type)
			if options != "omitempty" {
				wantRequired = append(wantRequired, member)
			}
		}
		has, hasRequired := map[string]string{}, []string{}
		properties, _ := dig(schemas[name], "properties").(map[string]any)
		for member, p := range properties {
			has[member], _ = dig(p, "type").(string)
			if ref, ok := dig(p, "$ref").(string); ok {
				has[member] = strings.TrimPrefix(ref, "#/components/schemas/")
			}
		}
		required, _ := dig(schemas[name], "required").([]any)
		for _, member := range required {
			hasRequired = append(hasRequired, member.(string))
		}
		slices.Sort(wantRequired)
		slices.Sort(hasRequired)
		if diff := cmp.Diff(want, has); diff != "" {
			t.Errorf("%s: the type (-) and its schema (+) differ:\n%s", name, diff)
		}
		if diff := cmp.Diff(wantRequired, hasRequired); diff != "" {
			t.Errorf("%s: what the type always has (-) and what its schema requires (+) differ:\n%s", name, diff)
		}
	}
}

func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// kindOf returns the type that a Go type has in a schema.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string"
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case t.Kind() == reflect.Struct:
		return t.Name()
	}
	return map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer",
		reflect.Float64: "number", reflect.Slice: "array", reflect.Map: "object",
	}[t.Kind()]
}

// The codes of problem documents are the same in the code, in the package's comment and in the OpenAPI
// document.
func TestTheDocumentsNameEveryCode(t *testing.T) {
	want := codes(t)
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

// codes returns the codes that the code of the package gives to refuse and unavailable.
func codes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	argument := map[string]int{"refuse": 1, "unavailable": 0}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, _ := n.(*ast.CallExpr)
			if call == nil {
				return true
			}
			name, _ := call.Fun.(*ast.Ident)
			if name == nil {
				return true
			}
			if at, ok := argument[name.Name]; ok {
				if lit, ok := call.Args[at].(*ast.BasicLit); ok {
					code, _ := strconv.Unquote(lit.Value)
					found[code] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// dig returns what stands in nested objects.
func dig(v any, path ...string) any {
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}
