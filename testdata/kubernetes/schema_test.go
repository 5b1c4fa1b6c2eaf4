package kubernetes

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The release of Kubernetes whose API the manifests are checked against. Its source, a module, has a
// description of the API. kubeconform would load schemas made of the same description from the
// internet.
const (
	release    = "v1.37.2"
	releaseSum = "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="
)

// schemas makes a JSON schema for each kind of object and returns their folder.
func schemas(t *testing.T) string {
	t.Helper()
	var api struct {
		Definitions map[string]map[string]any
	}
	text, err := os.ReadFile(filepath.Join(source(t), "api", "openapi-spec", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	for name, d := range api.Definitions {
		switch {
		case d["format"] == "int-or-string":
			api.Definitions[name] = map[string]any{"type": []string{"integer", "string"}}
		case strings.HasSuffix(name, "resource.Quantity"):
			api.Definitions[name] = map[string]any{"type": []string{"number", "string"}}
		case d["properties"] != nil && d["additionalProperties"] == nil:
			d["additionalProperties"] = false // strict: no other fields
		}
	}
	dir := t.TempDir()
	for name, d := range api.Definitions {
		kinds, _ := d["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 { // parts of objects have none, and options of requests have many
			continue
		}
		kind := kinds[0].(map[string]any)
		schema, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + name, "definitions": api.Definitions})
		if err != nil {
			t.Fatal(err)
		}
		if !wanted[kind["kind"].(string)] {
			continue
		}
		file := strings.ToLower(kind["kind"].(string) + "-" + group(kind["group"].(string)) + kind["version"].(string) + ".json")
		if err := os.WriteFile(filepath.Join(dir, file), schema, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wanted are the kinds of the manifests: a schema has five megabytes.
var wanted = map[string]bool{
	"Deployment": true, "Service": true, "HorizontalPodAutoscaler": true, "PodDisruptionBudget": true, "NetworkPolicy": true, "Job": true,
}

// group returns how kubeconform spells a group of the API in the name of a file.
func group(name string) string {
	if name == "" {
		return ""
	}
	first, _, _ := strings.Cut(name, ".")
	return first + "-"
}

// source returns the folder with the source of Kubernetes.
func source(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@"+release)
	cmd.Dir = t.TempDir() // outside of this module, which does not depend on it
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if json.Unmarshal(out, &module) != nil || module.Error != "" || err != nil {
		t.Fatalf("go mod download: %v: %s", err, module.Error)
	}
	if module.Sum != releaseSum {
		t.Fatalf("Kubernetes %s has the checksum %s", release, module.Sum)
	}
	return module.Dir
}
