package kubernetes

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
)

const manifests = "../../docs/ops/kubernetes"

// conform returns a function that checks a manifest as kubeconform does in strict mode.
func conform(t *testing.T) func(text []byte) []validator.Result {
	t.Helper()
	v, err := validator.New([]string{schemas(t) + "/{{.ResourceKind}}{{.KindSuffix}}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	return func(text []byte) []validator.Result {
		return v.Validate("manifest", io.NopCloser(bytes.NewReader(text)))
	}
}

func files(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(manifests + "/*.yaml")
	if err != nil || len(names) < 6 {
		t.Fatalf("%d manifests, %v", len(names), err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		if all[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestManifestsConform(t *testing.T) {
	check, kinds := conform(t), map[string]bool{}
	for name, text := range files(t) {
		results := check(text)
		if len(results) == 0 {
			t.Errorf("%s is empty", name)
		}
		for _, r := range results {
			if r.Status != validator.Valid {
				t.Errorf("%s: %v", name, r.Err)
				continue
			}
			s, err := r.Resource.Signature()
			if err != nil {
				t.Fatal(err)
			}
			kinds[s.Kind] = true
		}
	}
	for kind := range wanted {
		if !kinds[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
}

// The check is strict: it notices what a person gets wrong.
func TestMistakesDoNotConform(t *testing.T) {
	check, all := conform(t), files(t)
	for _, m := range []struct{ file, from, to string }{
		{"deployment.yaml", "readinessProbe:", "readynessProbe:"},
		{"deployment.yaml", "periodSeconds: 2", "periodSeconds: often"},
		{"deployment.yaml", "drop: [ALL]", "drop: ALL"},
		{"deployment.yaml", "  selector:\n    matchLabels:\n      app.kubernetes.io/name: shop\n", ""},
		{"deployment.yaml", "apiVersion: apps/v1", "apiVersion: apps/v2"},
		{"deployment.yaml", "maxSurge: 1\n", "maxSurge: 1\n      maxSurge: 2\n"},
		{"horizontalpodautoscaler.yaml", "maxReplicas: 20\n", ""},
		{"poddisruptionbudget.yaml", "maxUnavailable: 1", "maxUnavailable: [1]"},
		{"networkpolicy.yaml", "- port: http", "- prot: http"},
		{"doctor.yaml", "restartPolicy:", "restart:"},
	} {
		text := strings.Replace(string(all[m.file]), m.from, m.to, 1)
		if text == string(all[m.file]) {
			t.Errorf("%s does not have %q", m.file, m.from)
		}
		for _, r := range check([]byte(text)) {
			if r.Status == validator.Valid {
				t.Errorf("%s with %q in place of %q conforms", m.file, m.to, m.from)
			}
		}
	}
}
