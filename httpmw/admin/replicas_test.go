package admin_test

import (
	"net/http"
	"testing"
	"time"
)

func TestReplicas(t *testing.T) {
	f := start(t)
	var all []any
	for deadline := time.Now().Add(20 * time.Second); len(all) == 0; {
		got := f.request(http.MethodGet, "/replicas", "")
		got.want(t, http.StatusOK, "")
		all, _ = got.body["replicas"].([]any)
		if time.Now().After(deadline) {
			t.Fatal("no replica registers")
		}
	}
	r, _ := all[0].(map[string]any)
	for _, name := range []string{"id", "host", "version", "state", "position", "seen"} {
		if s, _ := r[name].(string); s == "" {
			t.Errorf("%s = %v", name, r[name])
		}
	}
}
