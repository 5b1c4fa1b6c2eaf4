package admin_test

import (
	"net/http"
	"slices"
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
